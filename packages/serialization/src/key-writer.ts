/**
 * Keys to their canonical bytes (see key-format.ts), many into one growing buffer and without an object for each.
 *
 *   writer.reset(); for (const key of keys) { writer.write(key); use(writer.bytes, writer.start, writer.end); }
 *
 * key-writer W1  A refused key leaves the writer as it was: `start`, `end` and all bytes before `end` are untouched.
 * key-writer W2  `bytes` may be another buffer after each write; offsets stay valid until reset().
 */
import { ESCAPE, FRACTION_LIMIT, invalidKey, KEY_BYTES_MAX, KEY_TAG, type Key, keyTooLarge } from './key-format.ts';
import { writeAscii } from './text.ts';

const { abs, clz32, floor, max } = Math;

const TWO_32 = 2 ** 32;
const BIGINT_SHORT_LIMIT = 2n ** 63n;
const BIGINT_NUMBER_LIMIT = 2n ** 52n;
const INITIAL_BYTES = 4096;
/** A buffer that grew beyond this is dropped at reset(). */
const KEPT_BYTES_MAX = 1 << 20;
/** The longest number that is not "long": tag, 8 digits, 8 bytes of fraction. */
const NUMBER_BYTES_MAX = 17;

const fractionView = new DataView(new ArrayBuffer(8));

export class KeyWriter {
  /** Holds what was written since reset(); valid up to `end`. */
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  /** Where the key written last begins. */
  start = 0;
  /** Where it ends, and the next one begins. */
  end = 0;
  #at = 0;

  /** Forgets what was written, to fill the buffer from its beginning. */
  reset(): void {
    this.start = 0;
    this.end = 0;
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = new Uint8Array(INITIAL_BYTES);
  }

  /**
   * Appends the canonical bytes of `key` and sets `start` and `end` around them.
   *
   * @throws GridError INVALID_KEY for NaN, other types, nested and empty arrays, strings with lone surrogates;
   *   KEY_TOO_LARGE beyond KEY_BYTES_MAX
   */
  write(key: Key): void {
    const start = this.end;
    this.#at = start;
    if (typeof key === 'object' && Array.isArray(key)) this.#array(key);
    else this.#element(key);
    if (this.#at - start > KEY_BYTES_MAX) throw keyTooLarge();
    this.start = start;
    this.end = this.#at;
  }

  #array(elements: readonly unknown[]): void {
    if (elements.length === 0) throw invalidKey('an empty array');
    if (elements.length > KEY_BYTES_MAX) throw keyTooLarge();
    this.#reserve(1);
    this.bytes[this.#at++] = KEY_TAG.ARRAY;
    for (let index = 0; index < elements.length; index++) {
      this.#element(elements[index]);
      if (this.#at - this.end > KEY_BYTES_MAX) throw keyTooLarge();
    }
  }

  #element(element: unknown): void {
    if (typeof element === 'string') this.#string(element);
    else if (typeof element === 'number') this.#number(element);
    else if (typeof element === 'bigint') this.#bigint(element);
    else if (element instanceof Uint8Array) this.#bytes(element);
    else if (Array.isArray(element)) throw invalidKey('an array within an array');
    else throw invalidKey(`a value of type ${element === null ? 'null' : typeof element}`);
  }

  #number(value: number): void {
    const magnitude = abs(value);
    if (!(magnitude < FRACTION_LIMIT)) {
      this.#largeNumber(value);
      return;
    }
    const whole = floor(magnitude);
    const fraction = magnitude - whole;
    const doubled = whole * 2 + (fraction > 0 ? 1 : 0);
    this.#digits(value < 0, floor(doubled / TWO_32), doubled >>> 0);
    if (fraction > 0) this.#fraction(fraction, value < 0 ? 0xff : 0);
  }

  #largeNumber(value: number): void {
    if (Number.isNaN(value)) throw invalidKey('NaN');
    if (value !== Infinity && value !== -Infinity) {
      this.#bigint(BigInt(value));
      return;
    }
    this.#reserve(1);
    this.bytes[this.#at++] = value > 0 ? KEY_TAG.POSITIVE_INFINITY : KEY_TAG.NEGATIVE_INFINITY;
  }

  /** Tag and shortest digits of the 64-bit number high * 2^32 + low. */
  #digits(negative: boolean, high: number, low: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    const { bytes } = this;
    const mask = negative ? 0xff : 0;
    const count = high === 0 ? (39 - clz32(low)) >>> 3 : 4 + ((39 - clz32(high)) >>> 3);
    let at = this.#at;
    bytes[at++] = negative ? KEY_TAG.ZERO - count : KEY_TAG.ZERO + count;
    for (let shift = (count - 5) * 8; shift >= 0; shift -= 8) bytes[at++] = (high >>> shift) ^ mask;
    for (let shift = count > 4 ? 24 : (count - 1) * 8; shift >= 0; shift -= 8) bytes[at++] = (low >>> shift) ^ mask;
    this.#at = at;
  }

  /** Room is reserved by #digits. */
  #fraction(fraction: number, mask: number): void {
    fractionView.setFloat64(0, fraction);
    for (let index = 0; index < 8; index++) this.bytes[this.#at++] = fractionView.getUint8(index) ^ mask;
  }

  #bigint(value: bigint): void {
    const negative = value < 0n;
    const magnitude = negative ? -value : value;
    if (magnitude < BIGINT_NUMBER_LIMIT) {
      this.#number(Number(value));
    } else if (magnitude < BIGINT_SHORT_LIMIT) {
      const doubled = magnitude * 2n;
      this.#digits(negative, Number(doubled >> 32n), Number(doubled & 0xffffffffn));
    } else {
      this.#longDigits(negative, magnitude * 2n);
    }
  }

  #longDigits(negative: boolean, doubled: bigint): void {
    const hex = doubled.toString(16);
    const count = (hex.length + 1) >>> 1;
    if (count > KEY_BYTES_MAX - 3) throw keyTooLarge();
    const digits = Buffer.from(hex.padStart(count * 2, '0'), 'hex');
    const mask = negative ? 0xff : 0;
    this.#reserve(count + 3);
    this.bytes[this.#at++] = negative ? KEY_TAG.NEGATIVE_LONG : KEY_TAG.POSITIVE_LONG;
    this.bytes[this.#at++] = (count >>> 8) ^ mask;
    this.bytes[this.#at++] = (count & 0xff) ^ mask;
    for (let index = 0; index < count; index++) this.bytes[this.#at++] = digits[index]! ^ mask;
  }

  #string(text: string): void {
    if (text.length > KEY_BYTES_MAX) throw keyTooLarge();
    this.#reserve(text.length + 2);
    const { bytes } = this;
    let at = this.#at;
    bytes[at++] = KEY_TAG.STRING;
    const end = text.includes('\0') ? -1 : writeAscii(text, bytes, at);
    if (end < 0) {
      this.#unusualString(text);
      return;
    }
    bytes[end] = 0;
    this.#at = end + 1;
  }

  /** Not ASCII, or with a NUL. */
  #unusualString(text: string): void {
    if (!text.isWellFormed()) throw invalidKey('a string with a lone surrogate, which UTF-8 cannot tell from others');
    this.#escaped(KEY_TAG.STRING, Buffer.from(text, 'utf8'));
  }

  #bytes(data: Uint8Array): void {
    if (data.length > KEY_BYTES_MAX) throw keyTooLarge();
    this.#escaped(KEY_TAG.BYTES, data);
  }

  #escaped(tag: number, data: Uint8Array): void {
    this.#reserve(data.length * 2 + 2);
    const { bytes } = this;
    let at = this.#at;
    bytes[at++] = tag;
    for (let index = 0; index < data.length; index++) {
      const byte = data[index]!;
      bytes[at++] = byte;
      if (byte === 0) bytes[at++] = ESCAPE;
    }
    bytes[at++] = 0;
    this.#at = at;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.bytes.length) return;
    const grown = new Uint8Array(max(this.bytes.length * 2, this.#at + count));
    grown.set(this.bytes.subarray(0, this.#at));
    this.bytes = grown;
  }
}

const shared = new KeyWriter();
let sharedBusy = false;

/**
 * The canonical bytes of `key`, in a fresh array.
 *
 * @throws GridError as KeyWriter.write
 */
export function encodeKey(key: Key): Uint8Array {
  // A getter of an element may encode another key while this one is being written.
  if (sharedBusy) return written(new KeyWriter(), key);
  sharedBusy = true;
  try {
    return written(shared, key);
  } finally {
    sharedBusy = false;
  }
}

function written(writer: KeyWriter, key: Key): Uint8Array {
  writer.reset();
  writer.write(key);
  return writer.bytes.slice(0, writer.end);
}
