/** Bytes that grow by doubling. */

/** Fewer are copied one by one: that is quicker than a call. */
const SHORT_BYTES = 24;
/** Copies between any two arrays of bytes, and makes no view for it, as set() needs one. */
const { copy } = Buffer.prototype;

export class ByteColumn {
  #bytes = new Uint8Array(4096);
  length = 0;

  append(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.length + size > this.#bytes.length) this.#grow(this.length + size);
    if (size > SHORT_BYTES) copy.call(source as Buffer, this.#bytes, this.length, start, end);
    else this.#appendShort(source, start, end);
    this.length += size;
  }

  #appendShort(source: Uint8Array, start: number, end: number): void {
    const bytes = this.#bytes;
    const offset = this.length - start;
    for (let at = start; at < end; at++) bytes[offset + at] = source[at]!;
  }

  /** Where the bytes lie: [0, length), until something is appended or taken. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Forgets the bytes; the column keeps its room. */
  clear(): void {
    this.length = 0;
  }

  /** Takes out the bytes that were appended; the column is then empty and keeps its room. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }

  #grow(wanted: number): void {
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
