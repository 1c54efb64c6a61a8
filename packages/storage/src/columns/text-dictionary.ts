/**
 * The distinct texts of one chunk, numbered as they come. Open addressing over the UTF-8 bytes; no string is made.
 *
 * text-dictionary D1  A dictionary gives up, until reset(), when texts hardly repeat, are long, or are too many.
 */
const { imul } = Math;

const BUCKETS = 8192;
/** At most half of the buckets. */
const TEXTS_MAX = BUCKETS / 2;
const TEXT_BYTES_MAX = 256;
const BYTES_MAX = 128 * 1024;
/** Distinct texts from which on it gives up if nearly all of them were new. */
const TRIED = 512;
const NEW_SHARE_MAX = 15 / 16;

export class TextDictionary {
  /** Code + 1 by bucket. */
  readonly #buckets = new Uint16Array(BUCKETS);
  readonly #hashes = new Int32Array(TEXTS_MAX);
  /** starts[code] .. starts[code + 1] in `bytes`. */
  readonly starts = new Uint32Array(TEXTS_MAX + 1);
  bytes = new Uint8Array(4096);
  count = 0;
  isGivenUp = false;
  #seen = 0;

  reset(): void {
    if (this.#seen > 0) this.#buckets.fill(0);
    this.count = 0;
    this.#seen = 0;
    this.isGivenUp = false;
  }

  /** Whether codes save anything: texts occur twice on average. */
  get isUseful(): boolean {
    return !this.isGivenUp && this.count * 2 <= this.#seen;
  }

  /** The code of the text source[start, end), or -1 once the dictionary has given up. */
  codeOf(source: Uint8Array, start: number, end: number): number {
    if (this.isGivenUp) return -1;
    this.#seen += 1;
    const length = end - start;
    let hash = length;
    for (let at = start; at < end; at++) hash = imul(hash ^ source[at]!, 0x01000193);
    hash ^= hash >>> 15;
    for (let bucket = hash & (BUCKETS - 1); ; bucket = (bucket + 1) & (BUCKETS - 1)) {
      const code = this.#buckets[bucket]! - 1;
      if (code < 0) return this.#add(bucket, hash, source, start, end);
      if (this.#hashes[code] === hash && this.#equals(code, source, start, length)) return code;
    }
  }

  #equals(code: number, source: Uint8Array, start: number, length: number): boolean {
    const { bytes } = this;
    const from = this.starts[code]!;
    if (this.starts[code + 1]! - from !== length) return false;
    for (let index = 0; index < length; index++) if (bytes[from + index] !== source[start + index]) return false;
    return true;
  }

  #add(bucket: number, hash: number, source: Uint8Array, start: number, end: number): number {
    const code = this.count;
    const from = code === 0 ? 0 : this.starts[code]!;
    const to = from + end - start;
    const isRare = code >= TRIED && code > this.#seen * NEW_SHARE_MAX;
    if (isRare || code === TEXTS_MAX || end - start > TEXT_BYTES_MAX || to > BYTES_MAX) {
      this.isGivenUp = true;
      return -1;
    }
    if (to > this.bytes.length) {
      const grown = new Uint8Array(Math.max(to, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, from));
      this.bytes = grown;
    }
    for (let at = start; at < end; at++) this.bytes[from + at - start] = source[at]!;
    this.starts[code] = from;
    this.starts[code + 1] = to;
    this.#hashes[code] = hash;
    this.#buckets[bucket] = code + 1;
    this.count = code + 1;
    return code;
  }
}
