/**
 * JavaScript values to MessagePack (see value-format.ts and the table in the README), many into one growing buffer.
 *
 *   writer.reset(); for (const value of values) { writer.write(value); use(writer.bytes, writer.start, writer.end); }
 *
 * value-writer W1  A refused value leaves the writer as it was: `start`, `end` and all bytes before `end` are untouched.
 * value-writer W2  `bytes` may be another buffer after each write; offsets stay valid until reset().
 * value-writer W3  No input overflows the stack: recursion ends at the writer's depth, VALUE_DEPTH_MAX for values.
 *
 * Why not msgpackr's Packr: it overflows the stack on deep and cyclic values, writes functions and undefined as
 * extensions of its own, takes Map and Set silently, and cannot name the field it fails on. The bytes of what both
 * accept are the same; a test holds the two together.
 */
import type { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { copyBytes } from './copy-bytes.ts';
import { type PathSegment, pathText } from './path.ts';
import { writeAscii } from './text.ts';
import { kindOf, ObjectKind, refusalReason } from './value-classes.ts';
import { writeDate, writeDecimal, writeWideBigint } from './value-extensions.ts';
import { DECIMAL_BYTES_MAX, MESSAGE_DEPTH_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX } from './value-format.ts';

const { max } = Math;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
const INITIAL_BYTES = 16_384;
/** A buffer that grew beyond this is dropped at reset(). */
const KEPT_BYTES_MAX = 1 << 20;
/** Room that every element may take without asking: the longest fixed-size one is a float64. */
const SCALAR_BYTES_MAX = 16;
/** Longer texts go through Buffer, whose call costs more than these characters. */
const LOOP_TEXT_MAX = 48;
/** Up to this length a text is taken for ASCII until it is written, and memory taken for what it may be. */
const GUESSED_TEXT_MAX = 16_384;

export class ValueWriter {
  /** Holds what was written since reset(); valid up to `end`. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  /** Where the value written last begins. */
  start = 0;
  /** Where it ends, and the next one begins. */
  end = 0;
  readonly #bytesMax: number;
  readonly #depthMax: number;
  /** The same memory: `bytes` is no Buffer itself, because slicing a Buffer costs a microsecond. */
  #buffer: Buffer = Buffer.from(this.bytes.buffer);
  #view = new DataView(this.bytes.buffer);
  #at = 0;
  #isTooDeep = false;
  /** path[depth] = name or index of the element being written within the container at that depth. */
  readonly #path: PathSegment[] = [];

  /** @param bytesMax  bytes of one value, at most */
  constructor(bytesMax: number = VALUE_BYTES_MAX, depthMax: number = VALUE_DEPTH_MAX) {
    this.#bytesMax = bytesMax;
    this.#depthMax = depthMax;
  }

  /** Forgets what was written, to fill the buffer from its beginning. */
  reset(): void {
    this.start = 0;
    this.end = 0;
    if (this.bytes.length > KEPT_BYTES_MAX) this.#take(new Uint8Array(INITIAL_BYTES));
  }

  /**
   * Appends the bytes of `value`, sets `start` and `end` around them and returns `end`.
   *
   * @throws GridError INVALID_VALUE, naming the field, for what cannot be stored; VALUE_TOO_LARGE
   */
  write(value: unknown): number {
    const start = this.end;
    this.#at = start;
    if (value === undefined) throw this.#refused('undefined', 0);
    try {
      this.#any(value, 0);
    } catch (error) {
      throw this.#explained(error, value);
    }
    if (this.#at - start > this.#bytesMax) throw this.#tooLarge();
    this.start = start;
    this.end = this.#at;
    return this.end;
  }

  /** Appends the header of an array: `count` values follow, each of them appended. */
  arrayHeader(count: number): void {
    this.#at = this.end;
    this.#reserve(SCALAR_BYTES_MAX);
    if (count < 0x10) this.bytes[this.#at++] = 0x90 | count;
    else this.#header(0xdc, count);
    this.end = this.#at;
  }

  /** Appends a value that is encoded already, source[start, end). */
  copy(source: Uint8Array, start: number, end: number): void {
    this.#at = this.end;
    this.#reserve(end - start);
    copyBytes(source, start, end, this.bytes, this.#at);
    this.end += end - start;
  }

  #any(value: unknown, depth: number): void {
    if (this.#at + SCALAR_BYTES_MAX > this.bytes.length) this.#reserve(SCALAR_BYTES_MAX);
    switch (typeof value) {
      case 'string':
        this.#string(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'object':
        if (value === null) this.bytes[this.#at++] = 0xc0;
        else this.#object(value, depth);
        return;
      case 'boolean':
        this.bytes[this.#at++] = value ? 0xc3 : 0xc2;
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      default:
        throw this.#refused(`a ${typeof value}`, depth);
    }
  }

  #number(value: number): void {
    const { bytes } = this;
    const integer = value | 0;
    if (integer !== value || (integer === 0 && Object.is(value, -0))) {
      this.#otherNumber(value);
    } else if (integer >= 0) {
      this.#unsigned(integer);
    } else if (integer >= -0x20) {
      bytes[this.#at++] = integer & 0xff;
    } else if (integer >= -0x80) {
      bytes[this.#at++] = 0xd0;
      bytes[this.#at++] = integer & 0xff;
    } else if (integer >= -0x8000) {
      bytes[this.#at++] = 0xd1;
      bytes[this.#at++] = (integer >> 8) & 0xff;
      bytes[this.#at++] = integer & 0xff;
    } else {
      bytes[this.#at++] = 0xd2;
      this.#uint32(integer);
    }
  }

  /** Integers of up to 32 bits, shortest form. */
  #unsigned(integer: number): void {
    const { bytes } = this;
    if (integer < 0x80) {
      bytes[this.#at++] = integer;
    } else if (integer < 0x100) {
      bytes[this.#at++] = 0xcc;
      bytes[this.#at++] = integer;
    } else if (integer < 0x10000) {
      bytes[this.#at++] = 0xcd;
      bytes[this.#at++] = integer >> 8;
      bytes[this.#at++] = integer & 0xff;
    } else {
      bytes[this.#at++] = 0xce;
      this.#uint32(integer);
    }
  }

  #otherNumber(value: number): void {
    if (value > 0x7fffffff && value <= 0xffffffff && value >>> 0 === value) {
      this.bytes[this.#at++] = 0xce;
      this.#uint32(value);
      return;
    }
    this.bytes[this.#at] = 0xcb;
    this.#view.setFloat64(this.#at + 1, value);
    this.#at += 9;
  }

  #uint32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  #bigint(value: bigint): void {
    if (value >= INT64_MIN && value <= INT64_MAX) {
      this.bytes[this.#at] = 0xd3;
      this.#view.setBigInt64(this.#at + 1, value);
      this.#at += 9;
    } else if (value > 0n && value <= UINT64_MAX) {
      this.bytes[this.#at] = 0xcf;
      this.#view.setBigUint64(this.#at + 1, value);
      this.#at += 9;
    } else {
      const hex = (value < 0n ? -value : value).toString(16);
      this.#checkSize(hex.length / 2);
      this.#reserve(hex.length / 2 + SCALAR_BYTES_MAX);
      this.#at = writeWideBigint(value, this.#buffer, this.#at);
    }
  }

  #string(text: string): void {
    const { length } = text;
    if (length > LOOP_TEXT_MAX) {
      this.#longString(text);
      return;
    }
    if (this.#at + 2 + length > this.bytes.length) this.#reserve(2 + length);
    const { bytes } = this;
    const header = this.#at;
    const first = length < 0x20 ? header + 1 : header + 2;
    const end = writeAscii(text, bytes, first);
    if (end < 0) {
      this.#longString(text);
      return;
    }
    if (length < 0x20) {
      bytes[header] = 0xa0 | length;
    } else {
      bytes[header] = 0xd9;
      bytes[header + 1] = length;
    }
    this.#at = end;
  }

  #longString(text: string): void {
    const { length } = text;
    this.#checkSize(length);
    if (length > GUESSED_TEXT_MAX) {
      this.#measuredString(text);
      return;
    }
    this.#reserve(length * 3 + 5);
    const header = this.#at;
    this.#textHeader(length);
    const guessed = this.#at;
    const size = this.#buffer.write(text, guessed, 'utf8');
    if (size !== length) this.#correctText(header, guessed, size);
    this.#at += size;
    this.#checkSize(0);
  }

  /** The text at `from` is longer than was thought when its header was written, which may take another byte or two. */
  #correctText(header: number, from: number, size: number): void {
    const width = size < 0x20 ? 1 : size < 0x100 ? 2 : size < 0x10000 ? 3 : 5;
    if (header + width !== from) this.bytes.copyWithin(header + width, from, from + size);
    this.#at = header;
    this.#textHeader(size);
  }

  /** Where three bytes a character would be too much memory to take without need. */
  #measuredString(text: string): void {
    const size = Buffer.byteLength(text, 'utf8');
    this.#checkSize(size);
    this.#reserve(size + 5);
    this.#textHeader(size);
    this.#buffer.write(text, this.#at, size, 'utf8');
    this.#at += size;
  }

  #textHeader(size: number): void {
    if (size < 0x20) this.bytes[this.#at++] = 0xa0 | size;
    else if (size < 0x100) this.#header8(0xd9, size);
    else this.#header(0xda, size);
  }

  #header8(token: number, count: number): void {
    this.bytes[this.#at++] = token;
    this.bytes[this.#at++] = count;
  }

  /** `token` is the form with 16 bits of count, `token` + 1 the one with 32. */
  #header(token: number, count: number): void {
    if (count < 0x10000) {
      this.bytes[this.#at++] = token;
      this.#view.setUint16(this.#at, count);
      this.#at += 2;
    } else {
      this.bytes[this.#at++] = token + 1;
      this.#uint32(count);
    }
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.#array(value, depth);
      return;
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      this.#fields(value as Readonly<Record<string, unknown>>, true, depth);
      return;
    }
    switch (kindOf(value)) {
      case ObjectKind.ARRAY:
        this.#array(value as readonly unknown[], depth);
        return;
      case ObjectKind.DATE:
        this.#date(value as Date, depth);
        return;
      case ObjectKind.BYTES:
        this.#binary(value as Uint8Array);
        return;
      case ObjectKind.DECIMAL:
        this.#reserve(DECIMAL_BYTES_MAX + SCALAR_BYTES_MAX);
        this.#at = writeDecimal(value as Decimal, this.#buffer, this.#at);
        return;
      case ObjectKind.FIELDS:
        this.#fields(value as Readonly<Record<string, unknown>>, false, depth);
        return;
      default:
        throw this.#refused(refusalReason(value), depth);
    }
  }

  /** The enumerable fields of the object itself, without those that are undefined. */
  #fields(value: Readonly<Record<string, unknown>>, isPlain: boolean, depth: number): void {
    if (depth >= this.#depthMax) throw this.#tooDeep(depth);
    const header = this.#at++;
    let count = 0;
    if (isPlain && !inheritsFields()) {
      // V8 keeps the names of objects of one shape, and reads each field by its place in them: no list, no look-up.
      for (const name in value) {
        const field = value[name];
        if (field === undefined) continue;
        this.#field(name, field, depth);
        count++;
      }
    } else {
      for (const name of Object.keys(value)) {
        const field = value[name];
        if (field === undefined) continue;
        this.#field(name, field, depth);
        count++;
      }
    }
    if (count < 16) this.bytes[header] = 0x80 | count;
    else this.#widenHeader(header, 0xde, count);
  }

  #field(name: string, field: unknown, depth: number): void {
    this.#path[depth] = name;
    this.#name(name, depth);
    this.#any(field, depth + 1);
  }

  /** Makes room for a count that takes more than the one byte that was left for it: `token` with 16 bits, + 1 with 32. */
  #widenHeader(header: number, token: number, count: number): void {
    const end = this.#at;
    const more = count < 0x10000 ? 2 : 4;
    this.#reserve(more);
    this.bytes.copyWithin(header + 1 + more, header + 1, end);
    this.#at = header;
    this.#header(token, count);
    this.#at = end + more;
  }

  #name(name: string, depth: number): void {
    const before = this.#at;
    this.#string(name);
    // Only a text that is not ASCII takes another number of bytes than it has characters.
    const headerBytes = name.length < 0x20 ? 1 : 2;
    if (this.#at - before !== name.length + headerBytes && !name.isWellFormed()) {
      throw this.#refused('a field whose name has a lone surrogate', depth + 1);
    }
  }

  #array(elements: readonly unknown[], depth: number): void {
    if (depth >= this.#depthMax) throw this.#tooDeep(depth);
    const { length } = elements;
    this.#checkSize(length);
    if (length < 16) this.bytes[this.#at++] = 0x90 | length;
    else this.#header(0xdc, length);
    for (let index = 0; index < length; index++) {
      this.#path[depth] = index;
      const element = elements[index];
      this.#any(element === undefined ? null : element, depth + 1);
    }
  }

  #date(date: Date, depth: number): void {
    const ms = Date.prototype.getTime.call(date);
    if (Number.isNaN(ms)) throw this.#refused('an invalid Date', depth);
    this.#at = writeDate(ms, this.#view, this.#at);
  }

  #binary(data: Uint8Array): void {
    this.#checkSize(data.length);
    this.#reserve(data.length + 5);
    if (data.length < 0x100) this.#header8(0xc4, data.length);
    else this.#header(0xc5, data.length);
    this.bytes.set(data, this.#at);
    this.#at += data.length;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.bytes.length) return;
    this.#checkSize(0);
    const grown = new Uint8Array(max(this.bytes.length * 2, this.#at + Math.ceil(count)));
    grown.set(this.bytes.subarray(0, this.#at));
    this.#take(grown);
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer);
    this.#view = new DataView(bytes.buffer);
  }

  /** Refuses before memory is taken for `more` bytes. */
  #checkSize(more: number): void {
    if (this.#at - this.end + more > this.#bytesMax) throw this.#tooLarge();
  }

  #tooLarge(): GridError {
    return new GridError('VALUE_TOO_LARGE', `a value has at most ${this.#bytesMax} bytes`, {
      details: { limitBytes: this.#bytesMax },
    });
  }

  #tooDeep(depth: number): GridError {
    this.#isTooDeep = true;
    return this.#refused(`more than ${this.#depthMax} objects or arrays within one another`, depth);
  }

  #refused(reason: string, depth: number): GridError {
    const path = pathText(this.#path.slice(0, depth));
    const where = path === '' ? 'the value' : `field '${path}'`;
    return new GridError('INVALID_VALUE', `cannot store ${where}: it is ${reason}`, { details: { path } });
  }

  /** A depth error of a value that contains itself says so. Follows the path of the failure from the root. */
  #explained(error: unknown, root: unknown): unknown {
    if (!this.#isTooDeep) return error;
    this.#isTooDeep = false;
    const seen = new Set<unknown>();
    let current = root;
    for (let depth = 0; depth < this.#depthMax && typeof current === 'object' && current !== null; depth++) {
      if (seen.has(current)) return this.#refused('a cycle: it contains itself', depth);
      seen.add(current);
      current = (current as Readonly<Record<PathSegment, unknown>>)[this.#path[depth]!];
    }
    return error;
  }
}

const NO_FIELDS = {};

/** Whether somebody has given Object.prototype enumerable fields: then `for in` finds them in every object. */
function inheritsFields(): boolean {
  for (const _ in NO_FIELDS) return true;
  return false;
}

const shared = new ValueWriter();
let sharedBusy = false;

/**
 * The bytes of `value`, in a fresh array.
 *
 * @throws GridError as ValueWriter.write
 */
export function encodeValue(value: unknown): Uint8Array {
  // A getter of the value may encode another one while this one is being written.
  if (sharedBusy) return written(new ValueWriter(), value);
  sharedBusy = true;
  try {
    return written(shared, value);
  } finally {
    sharedBusy = false;
  }
}

function written(writer: ValueWriter, value: unknown): Uint8Array {
  writer.reset();
  writer.write(value);
  return writer.bytes.slice(0, writer.end);
}

const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Data between members of one release, in the encoding of values but nested deeper. @see decodeMessage */
export function encodeMessage(message: unknown): Uint8Array {
  return written(new ValueWriter(MESSAGE_BYTES_MAX, MESSAGE_DEPTH_MAX), message);
}
