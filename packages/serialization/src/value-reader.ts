/**
 * Reads one field of an encoded value without decoding the rest: what scans, filters and indexes stand on.
 *
 *   reader.find(path, start, end)  ->  walks names and lengths to the element, then leaves in plain fields what it is
 *
 * One reader a worker and memory segment; offsets are absolute within it. No object is made by a read.
 *
 * value-reader V1  Nothing outside [start, end) is read, whatever the bytes are; a bad byte is CORRUPT_DATA.
 * value-reader V2  The work is at most one step a byte; there is no recursion.
 */

import { uint16 } from './big-endian.ts';
import type { Path } from './path.ts';
import { readText } from './text.ts';
import { readName, ValueDecoder } from './value-decoder.ts';
import { readInteger, readSafeInteger, timestampMs } from './value-extensions.ts';
import { corruptValue, EXTENSION, SIZE_OF, ValueType } from './value-format.ts';
import {
  checkExtension,
  containerCount,
  containerHeaderBytes,
  elementEnd,
  extensionTypeAt,
  isMapToken,
  isStringToken,
} from './value-scan.ts';

const TWO_32 = 2 ** 32;

export class ValueReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder: ValueDecoder;

  /** Type of the element found last. All other fields are about that element too. */
  type: ValueType = ValueType.MISSING;
  /**
   * NUMBER: the number. BOOLEAN: 0 or 1. DATE: milliseconds since 1970. BIGINT: the nearest double, exact while safe.
   * DECIMAL: the unscaled digits if they are a safe integer, else NaN (then use decode()). Others: NaN; for WIDE_BIGINT
   * use `bigint`.
   */
  number: number = Number.NaN;
  /** DECIMAL: digits after the point. */
  scale = 0;
  /** ARRAY: elements. OBJECT: fields. */
  count = 0;
  /** Where the element begins; if MISSING, the end of the value. */
  at = 0;
  /** STRING: where the UTF-8 begins and ends. BYTES: where the data do. */
  stringStart = 0;
  stringEnd = 0;
  /** Where the element ends; for ARRAY and OBJECT 0 until `end` is asked for. */
  #elementEnd = 0;
  /** The bound of the value that was searched. */
  #limit = 0;

  /** @param view  of the same memory, if the caller has one */
  constructor(bytes: Uint8Array, view: DataView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) {
    this.bytes = bytes;
    this.#view = view;
    this.#decoder = new ValueDecoder(bytes, view);
  }

  /**
   * Goes to the element at `path` within the value in [start, end).
   *
   * @returns false if there is none (type is MISSING). Of equal names in one object the first is found.
   * @throws GridError CORRUPT_DATA
   */
  find(path: Path, start: number, end: number): boolean {
    return this.#find(path, start, end, false);
  }

  /** As find(), but of equal names in one object the last is found: the one that decoding shows. */
  findLast(path: Path, start: number, end: number): boolean {
    return this.#find(path, start, end, true);
  }

  #find(path: Path, start: number, end: number, isLast: boolean): boolean {
    if (start < 0 || end > this.bytes.length) throw corruptValue('it lies outside its memory', start);
    const { names, indexes } = path;
    this.#limit = end;
    let at = start;
    for (let level = 0; level < names.length; level++) {
      const name = names[level];
      at = name === undefined ? this.#findIndex(indexes[level]!, at, end) : this.#findName(name, at, end, isLast);
      if (at < 0) {
        this.#miss(end);
        return false;
      }
    }
    this.#settle(at, end);
    return true;
  }

  /** Goes to the element that begins at `at`, within a value that ends at `end`. */
  readAt(at: number, end: number): void {
    if (at < 0 || end > this.bytes.length) throw corruptValue('it lies outside its memory', at);
    this.#limit = end;
    this.#settle(at, end);
  }

  /** Where the element ends. */
  get end(): number {
    if (this.#elementEnd === 0) this.#elementEnd = elementEnd(this.bytes, this.at, this.#limit);
    return this.#elementEnd;
  }

  /** BIGINT and WIDE_BIGINT: the exact value. Makes a bigint. */
  get bigint(): bigint {
    const token = this.bytes[this.at]!;
    if (token === 0xd3) return this.#view.getBigInt64(this.at + 1);
    if (token === 0xcf) return this.#view.getBigUint64(this.at + 1);
    return readInteger(this.bytes, extensionTypeAt(token, this.at) + 1, this.end);
  }

  /** STRING: its text. */
  text(): string {
    return readText(this.bytes, this.stringStart, this.stringEnd);
  }

  /** The element as a JavaScript value; undefined if MISSING. */
  decode(): unknown {
    return this.type === ValueType.MISSING ? undefined : this.#decoder.decode(this.at, this.end);
  }

  /** OBJECT: the names of its fields, in the order they were written. */
  fieldNames(): string[] {
    const names: string[] = [];
    this.forEachField((start, end) => names.push(readName(this.bytes, start, end)));
    return names;
  }

  /** OBJECT: visits its fields: where the UTF-8 of the name begins and ends, where the element does. */
  forEachField(visit: (nameStart: number, nameEnd: number, at: number, end: number) => void): void {
    if (this.type !== ValueType.OBJECT) return;
    const { bytes, count } = this;
    const limit = this.#limit;
    let at = this.at + containerHeaderBytes(bytes[this.at]!);
    for (let index = 0; index < count; index++) {
      const nameStart = this.#nameStart(at, limit);
      const nameEnd = elementEnd(bytes, at, limit);
      at = elementEnd(bytes, nameEnd, limit);
      visit(nameStart, nameEnd, nameEnd, at);
    }
  }

  #nameStart(at: number, end: number): number {
    const token = at < end ? this.bytes[at]! : 0xc1;
    if (!isStringToken(token)) throw corruptValue('the name of a field is not a string', at);
    return token < 0xc0 ? at + 1 : at + (token === 0xd9 ? 2 : token === 0xda ? 3 : 5);
  }

  /** The offset of the field `name` of the object at `at`, or -1. */
  #findName(name: Uint8Array, start: number, end: number, isLast: boolean): number {
    const { bytes } = this;
    let found = -1;
    if (start >= end) throw corruptValue('it ends too early', start);
    const token = bytes[start]!;
    if (!isMapToken(token)) return -1;
    const headerBytes = containerHeaderBytes(token);
    let at = start + headerBytes;
    if (at > end) throw corruptValue('it ends too early', start);
    const nameLength = name.length;
    for (let left = containerCount(bytes, start, headerBytes); left > 0; left--) {
      const nameToken = at < end ? bytes[at]! : 0xc1;
      let first = at + 1;
      let length = nameToken & 0x1f;
      if ((nameToken & 0xe0) !== 0xa0) {
        first = this.#nameStart(at, end);
        length = elementEnd(bytes, at, end) - first;
      }
      at = first + length;
      // An element follows the name, so `at` is never the end.
      if (at >= end) throw corruptValue('it ends too early', first);
      if (length === nameLength) {
        let index = 0;
        while (index < length && bytes[first + index] === name[index]) index++;
        if (index === length) {
          found = at;
          if (!isLast) return at;
        }
      }
      const size = SIZE_OF[bytes[at]!]!;
      at = size === 0 ? elementEnd(bytes, at, end) : at + size;
    }
    if (at > end) throw corruptValue('it ends too early', start);
    return found;
  }

  /** The offset of element `index` of the array at `at`, or -1. */
  #findIndex(index: number, start: number, end: number): number {
    const { bytes } = this;
    if (start >= end) throw corruptValue('it ends too early', start);
    const token = bytes[start]!;
    const headerBytes = containerHeaderBytes(token);
    if (headerBytes === 0 || isMapToken(token)) return -1;
    let at = start + headerBytes;
    if (at > end) throw corruptValue('it ends too early', start);
    if (index >= containerCount(bytes, start, headerBytes)) return -1;
    for (let left = index; left > 0; left--) at = elementEnd(bytes, at, end);
    return at;
  }

  #miss(end: number): void {
    this.type = ValueType.MISSING;
    this.number = Number.NaN;
    this.at = end;
    this.#elementEnd = end;
  }

  /** Fills the fields from the element at `at`. */
  #settle(at: number, end: number): void {
    if (at >= end) throw corruptValue('it ends too early', at);
    const token = this.bytes[at]!;
    this.at = at;
    const size = SIZE_OF[token]!;
    if (size === 0) {
      this.#settleVariable(token, at, end);
      return;
    }
    if (at + size > end) throw corruptValue('it ends too early', at);
    this.#elementEnd = at + size;
    if (token < 0x80 || token >= 0xe0) {
      this.type = ValueType.NUMBER;
      this.number = token < 0x80 ? token : token - 0x100;
    } else if (token < 0xc0) {
      this.type = ValueType.STRING;
      this.number = Number.NaN;
      this.stringStart = at + 1;
      this.stringEnd = at + size;
    } else if (token === 0xcb) {
      this.type = ValueType.NUMBER;
      this.number = this.#view.getFloat64(at + 1);
    } else {
      this.#settleFixed(token, at);
    }
  }

  #settleFixed(token: number, at: number): void {
    const view = this.#view;
    this.type = ValueType.NUMBER;
    if (token === 0xcc) this.number = view.getUint8(at + 1);
    else if (token === 0xcd) this.number = view.getUint16(at + 1);
    else if (token === 0xce) this.number = view.getUint32(at + 1);
    else if (token === 0xd0) this.number = view.getInt8(at + 1);
    else if (token === 0xd1) this.number = view.getInt16(at + 1);
    else if (token === 0xd2) this.number = view.getInt32(at + 1);
    else if (token === 0xca) this.number = view.getFloat32(at + 1);
    else if (token === 0xcf || token === 0xd3) this.#settleInt64(token, at);
    else if (token >= 0xd4) this.#settleExtension(token, at);
    else {
      this.type = token === 0xc0 ? ValueType.NULL : ValueType.BOOLEAN;
      this.number = token === 0xc0 ? Number.NaN : token & 1;
    }
  }

  #settleInt64(token: number, at: number): void {
    const high = token === 0xd3 ? this.#view.getInt32(at + 1) : this.#view.getUint32(at + 1);
    this.type = high > 0x7fffffff ? ValueType.WIDE_BIGINT : ValueType.BIGINT;
    this.number = high > 0x7fffffff ? Number.NaN : high * TWO_32 + this.#view.getUint32(at + 5);
  }

  #settleVariable(token: number, at: number, end: number): void {
    this.number = Number.NaN;
    const headerBytes = containerHeaderBytes(token);
    if (headerBytes > 0) {
      if (at + headerBytes > end) throw corruptValue('it ends too early', at);
      this.type = isMapToken(token) ? ValueType.OBJECT : ValueType.ARRAY;
      this.count = containerCount(this.bytes, at, headerBytes);
      this.#elementEnd = 0;
      return;
    }
    this.#elementEnd = elementEnd(this.bytes, at, end);
    if (token >= 0xc7 && token <= 0xc9) {
      this.#settleExtension(token, at);
      return;
    }
    this.type = isStringToken(token) ? ValueType.STRING : ValueType.BYTES;
    this.stringStart = at + (token === 0xd9 || token === 0xc4 ? 2 : token === 0xda || token === 0xc5 ? 3 : 5);
    this.stringEnd = this.#elementEnd;
  }

  #settleExtension(token: number, at: number): void {
    const { bytes } = this;
    const end = this.#elementEnd;
    checkExtension(bytes, at, end);
    const payload = extensionTypeAt(token, at) + 1;
    const type = (bytes[payload - 1]! << 24) >> 24;
    if (type === EXTENSION.TIMESTAMP) {
      this.type = ValueType.DATE;
      this.number = timestampMs(bytes, payload, end - payload);
    } else if (type === EXTENSION.DECIMAL) {
      this.type = ValueType.DECIMAL;
      this.scale = uint16(bytes, payload);
      this.number = readSafeInteger(bytes, payload + 2, end);
    } else {
      this.type = ValueType.WIDE_BIGINT;
      this.number = Number.NaN;
    }
  }
}
