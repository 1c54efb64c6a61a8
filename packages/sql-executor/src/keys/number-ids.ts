/**
 * Doubles to ids that the caller gives. -0 is 0; all NaN are one.
 *
 *   small whole number -> direct[number]          other -> open addressing over keys[], ids[]
 *
 * number-ids N1  `direct[v]` is the id of v, or -1; it covers 0 <= v < direct.length, and no number in that range is in the
 *                table.
 * number-ids N2  The table is a power of two and at most half full, so every probe ends.
 */

const { imul } = Math;
const EMPTY = -1;
const DIRECT_MIN = 1024;
/** 4 MB of ids at most. */
const DIRECT_MAX = 1 << 20;
/** Whole numbers are covered while the range is at most this many times the ids in use. */
const DIRECT_SPARSITY = 32;
const TABLE_MIN = 64;

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);

function hash(value: number): number {
  bits[0] = value;
  let mixed = imul(words[0]! ^ imul(words[1]!, 0x85ebca6b), 0x9e3779b1);
  mixed ^= mixed >>> 15;
  mixed = imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 13);
}

export class NumberIds {
  direct = new Int32Array(DIRECT_MIN).fill(EMPTY);
  #keys = new Float64Array(TABLE_MIN);
  #ids = new Int32Array(TABLE_MIN).fill(EMPTY);
  #tableSize = 0;
  #nanId = EMPTY;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.direct.byteLength + this.#keys.byteLength + this.#ids.byteLength;
  }

  /** The id of `value`, or -1. */
  find(value: number): number {
    if (value >= 0 && value < this.direct.length) {
      const whole = value | 0;
      if (whole === value) return this.direct[whole]!;
    }
    if (Number.isNaN(value)) return this.#nanId;
    const bucket = this.#bucketOf(value + 0);
    return this.#ids[bucket]!;
  }

  /** Gives `id` to a value that find() did not know. */
  add(value: number, id: number): void {
    this.#size++;
    if (Number.isNaN(value)) {
      this.#nanId = id;
      return;
    }
    const key = value + 0;
    if (Number.isInteger(key) && key >= 0 && key < DIRECT_MAX) {
      if (key >= this.direct.length && key < (this.#size + DIRECT_MIN) * DIRECT_SPARSITY) this.#growDirect(key);
      if (key < this.direct.length) {
        this.direct[key] = id;
        return;
      }
    }
    if ((this.#tableSize + 1) * 2 > this.#keys.length) this.#growTable(this.#keys.length * 2);
    this.#insert(key, id);
  }

  #bucketOf(key: number): number {
    const mask = this.#keys.length - 1;
    let bucket = hash(key) & mask;
    while (this.#ids[bucket] !== EMPTY && this.#keys[bucket] !== key) bucket = (bucket + 1) & mask;
    return bucket;
  }

  #insert(key: number, id: number): void {
    const bucket = this.#bucketOf(key);
    this.#keys[bucket] = key;
    this.#ids[bucket] = id;
    this.#tableSize++;
  }

  /** Covers `key` directly and takes the numbers of the new range out of the table (number-ids N1). */
  #growDirect(key: number): void {
    let length = this.direct.length;
    while (length <= key) length *= 2;
    const direct = new Int32Array(length).fill(EMPTY);
    direct.set(this.direct);
    this.direct = direct;
    this.#growTable(this.#keys.length);
  }

  #growTable(capacity: number): void {
    const keys = this.#keys;
    const ids = this.#ids;
    this.#keys = new Float64Array(capacity);
    this.#ids = new Int32Array(capacity).fill(EMPTY);
    this.#tableSize = 0;
    for (let bucket = 0; bucket < ids.length; bucket++) {
      if (ids[bucket] === EMPTY) continue;
      const key = keys[bucket]!;
      if (Number.isInteger(key) && key >= 0 && key < this.direct.length) this.direct[key] = ids[bucket]!;
      else this.#insert(key, ids[bucket]!);
    }
  }
}
