/**
 * The protobuf wire format by hand, for the messages of the hot path: packed fixed-width fields are plain little-endian
 * arrays, so a column is one copy, whatever its length.
 *
 * wire W1  Every length is checked against the bytes that are there before anything is allocated for it.
 * wire W2  Unknown fields are skipped; groups and malformed input are refused.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import { GridError } from '@ashlar/core';

export const WIRE_TYPE = { VARINT: 0, FIXED64: 1, DELIMITED: 2, FIXED32: 5 } as const;
const { VARINT, FIXED64, DELIMITED, FIXED32 } = WIRE_TYPE;

const VARINT_BYTES_MAX = 10;
/** Elements, and bytes, up to which a loop is faster than a view and a copy. */
const SHORT_COLUMN = 16;
const SHORT_BYTES = 32;
/** Tag and length of one field, at most. */
const FIELD_OVERHEAD = 10;
/** Room in front of a message for the tag and the length with which it becomes a field. */
export const WRAPPING_BYTES = FIELD_OVERHEAD;

export function malformed(reason: string): GridError {
  return new GridError('INVALID_ARGUMENT', `malformed message: ${reason}`);
}

/** Writes fields into a buffer whose size the caller has bounded with the `...Bound` functions. */
export class WireWriter {
  readonly #bytes: Buffer;
  #at = 0;

  readonly #start: number;

  /**
   * @param bytes  memory to write to, at least `bytesMax` long; its own by default
   * @param start  room that is left in front: WRAPPING_BYTES for finishWrapped()
   */
  constructor(bytesMax: number, bytes: Buffer = Buffer.allocUnsafe(bytesMax), start = 0) {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start;
  }

  /** What was written. */
  finish(): Buffer {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** What was written, as the one field of another message: nothing is copied. */
  finishWrapped(field: number): Buffer {
    const end = this.#at;
    const tag = field * 8 + DELIMITED;
    const begin = this.#start - varintBytes(tag) - varintBytes(end - this.#start);
    this.#at = begin;
    this.#varint(tag);
    this.#varint(end - this.#start);
    this.#at = end;
    return this.#bytes.subarray(begin, end);
  }

  /** A uint32 or uint64 below 2^53; 0 is not written. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field * 8 + VARINT);
    this.#varint(value);
  }

  flag(field: number, value: boolean): void {
    this.uint(field, value ? 1 : 0);
  }

  double(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field * 8 + FIXED64);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  text(field: number, value: string): void {
    if (value !== '') this.message(field, Buffer.from(value, 'utf8'));
  }

  /** Bytes; none are not written. May lie in shared memory: they are copied. */
  bytes(field: number, value: Uint8Array): void {
    this.bytesOf(field, value, value.length);
  }

  /** As `bytes`, but written also when empty: an element of a repeated field. */
  message(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + DELIMITED);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** A packed column of fixed32 or double: its first `count` elements. */
  column(field: number, values: Uint32Array | Float64Array, count: number = values.length): void {
    if (count === 0) return;
    if (count <= SHORT_COLUMN) this.#shortColumn(field, values, count);
    else this.message(field, new Uint8Array(values.buffer, values.byteOffset, count * values.BYTES_PER_ELEMENT));
  }

  /** Without a view: of a short array it would force memory outside of the heap. */
  #shortColumn(field: number, values: Uint32Array | Float64Array, count: number): void {
    this.#varint(field * 8 + DELIMITED);
    this.#varint(count * values.BYTES_PER_ELEMENT);
    if (values instanceof Uint32Array)
      for (let index = 0; index < count; index++) this.#at = this.#bytes.writeUInt32LE(values[index]!, this.#at);
    else for (let index = 0; index < count; index++) this.#at = this.#bytes.writeDoubleLE(values[index]!, this.#at);
  }

  /** The first `count` bytes of `value`; none are not written. */
  bytesOf(field: number, value: Uint8Array, count: number): void {
    if (count === 0) return;
    this.#varint(field * 8 + DELIMITED);
    this.#varint(count);
    if (count <= SHORT_BYTES) for (let index = 0; index < count; index++) this.#bytes[this.#at + index] = value[index]!;
    else this.#bytes.set(count === value.length ? value : value.subarray(0, count), this.#at);
    this.#at += count;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }
}

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Room for `fields` numbers, and the tags and lengths of as many columns. */
export function fieldsBound(fields: number): number {
  return fields * 2 * FIELD_OVERHEAD;
}

/** Room for one text field. */
export function textBound(text: string): number {
  return text.length * 3 + FIELD_OVERHEAD;
}

/** Walks the fields of one message: `while (reader.next()) switch (reader.field) { ... default: reader.skip(); }` */
export class WireReader {
  /** Number of the field that comes next. */
  field = 0;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #wireType = 0;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    // No Buffer: its subarray is slow, and its slice does not copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** How the field before us is written. */
  get wireType(): number {
    return this.#wireType;
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.#wireType = tag % 8;
    this.field = Math.floor(tag / 8);
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** An unsigned integer below 2^53. */
  uint(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  flag(): boolean {
    return this.uint() !== 0;
  }

  double(): number {
    this.#expect(FIXED64);
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#take(8), 8);
    return value.getFloat64(0, true);
  }

  text(): string {
    return Buffer.from(this.bytes()).toString('utf8');
  }

  /** The text, of a longer one only the first `bytesMax` bytes: it is refused by whoever looks at it. */
  shortText(bytesMax: number): string {
    const bytes = this.bytes();
    return Buffer.from(bytes.length > bytesMax ? bytes.subarray(0, bytesMax) : bytes).toString('utf8');
  }

  /** A view of the field's bytes. */
  bytes(): Uint8Array {
    this.#expect(DELIMITED);
    const length = this.#varint();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A packed (or single) column; `before` is what earlier pieces of the same field held. */
  fixed32(before: Uint32Array): Uint32Array {
    const length = this.#columnLength(FIXED32, 4);
    if (length <= SHORT_COLUMN * 4 && before.length === 0) return this.#shortFixed32(length / 4);
    const column = new Uint32Array(before.length + length / 4);
    column.set(before);
    this.#copy(new Uint8Array(column.buffer, before.byteLength), length);
    return column;
  }

  /** Without a view: of a short array it would force memory outside of the heap. */
  #shortFixed32(count: number): Uint32Array {
    const column = new Uint32Array(count);
    const bytes = this.#bytes;
    let at = this.#take(count * 4);
    for (let index = 0; index < count; index++, at += 4) {
      column[index] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    }
    return column;
  }

  /** As fixed32, for doubles. */
  doubles(before: Float64Array): Float64Array {
    const length = this.#columnLength(FIXED64, 8);
    const column = new Float64Array(before.length + length / 8);
    column.set(before);
    this.#copy(new Uint8Array(column.buffer, before.byteLength), length);
    return column;
  }

  skip(): void {
    if (this.#wireType === VARINT) this.#skipVarint();
    else if (this.#wireType === FIXED64) this.#take(8);
    else if (this.#wireType === FIXED32) this.#take(4);
    else if (this.#wireType === DELIMITED) this.bytes();
    else throw malformed(`wire type ${this.#wireType}`);
  }

  #columnLength(single: number, width: number): number {
    if (this.#wireType === single) return width;
    this.#expect(DELIMITED);
    const length = this.#varint();
    if (length % width !== 0) throw malformed('a packed column ends within an element');
    if (length > this.#end - this.#at) throw malformed('it is cut off');
    return length;
  }

  #copy(target: Uint8Array, length: number): void {
    const start = this.#take(length);
    target.set(this.#bytes.subarray(start, start + length));
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw malformed(`field ${this.field} has wire type ${this.#wireType}`);
  }

  /** Passes `count` bytes; returns where they begin. */
  #take(count: number): number {
    if (count > this.#end - this.#at) throw malformed('it is cut off');
    const start = this.#at;
    this.#at += count;
    return start;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      if (this.#at >= this.#end) throw malformed('it is cut off');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer of 2^53 or more');
        return value;
      }
      scale *= 128;
    }
    throw malformed('an endless integer');
  }

  #skipVarint(): void {
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      if (this.#bytes[this.#take(1)]! < 0x80) return;
    }
    throw malformed('an endless integer');
  }
}
