/**
 * MessagePack bytes (see value-format.ts) to JavaScript values, all copied out. Also over shared memory.
 *
 * value-decoder D1  Nothing outside [start, end) is read; a bad byte is CORRUPT_DATA, never a crash, a hang or a half-made
 *                   value.
 * value-decoder D2  No memory is taken for a count that the bytes do not hold: arrays grow as their elements are read.
 * value-decoder D3  Recursion ends at the decoder's depth, VALUE_DEPTH_MAX for values.
 * value-decoder D4  Names are data: "__proto__" becomes a field of its own, no prototype is touched.
 *
 * Objects of a shape that came before are read by a function of their own (value-shapes.ts), with the same result.
 *
 * Why not msgpackr's Unpackr: it renames "__proto__", recurses without a bound, and cannot read a range of shared
 * memory without a new view for each value.
 */
import { readText } from './text.ts';
import { readDecimal, readInteger, timestampMs } from './value-extensions.ts';
import { corruptValue, EXTENSION, MESSAGE_DEPTH_MAX, VALUE_DEPTH_MAX } from './value-format.ts';
import {
  checkExtension,
  containerCount,
  containerHeaderBytes,
  elementEnd,
  extensionTypeAt,
  isMapToken,
  isStringToken,
} from './value-scan.ts';
import { SHAPE_FIELDS_MAX, shapeSlot } from './value-shapes.ts';

const { imul } = Math;

/** Names of fields are few and come again and again: they are kept, so that reading one makes no new string. */
const NAME_CACHE_SIZE = 2048;
const NAME_CACHED_BYTES_MAX = 32;
/** Arrays of up to this many elements are made at their full size at once. */
const PRESIZED_MAX = 64;

interface CachedName {
  readonly bytes: Uint8Array;
  readonly name: string;
}

const nameCache: (CachedName | undefined)[] = new Array(NAME_CACHE_SIZE).fill(undefined);

/** The ASCII or UTF-8 name in [start, end), from the cache if it was read before. */
export function readName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > NAME_CACHED_BYTES_MAX) return readText(bytes, start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = imul(hash ^ bytes[at]!, 0x01000193);
  const place = (hash ^ (hash >>> 15)) & (NAME_CACHE_SIZE - 1);
  const cached = nameCache[place];
  if (cached !== undefined && isSame(cached.bytes, bytes, start, length)) return cached.name;
  const name = readText(bytes, start, end);
  nameCache[place] = { bytes: copied(bytes, start, end), name };
  return name;
}

function isSame(name: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let index = 0; index < length; index++) if (name[index] !== bytes[start + index]) return false;
  return true;
}

/** Decodes values that lie in one piece of memory. Holds no state between calls but that memory. */
export class ValueDecoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #depthMax: number;
  /** @internal Where the next element begins. */
  at = 0;
  #end = 0;

  constructor(
    bytes: Uint8Array,
    view: DataView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    depthMax: number = VALUE_DEPTH_MAX,
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.#depthMax = depthMax;
  }

  isOver(bytes: Uint8Array): boolean {
    return this.#bytes === bytes;
  }

  /**
   * The value that fills [start, end).
   *
   * @throws GridError CORRUPT_DATA
   */
  decode(start: number, end: number): unknown {
    if (start < 0 || end > this.#bytes.length) throw corruptValue('it lies outside its memory', start);
    this.at = start;
    this.#end = end;
    const value = this.#any(0);
    if (this.at !== end) throw corruptValue('something follows it', this.at);
    return value;
  }

  #any(depth: number): unknown {
    const at = this.at;
    if (at >= this.#end) throw corruptValue('it ends too early', at);
    const token = this.#bytes[at]!;
    if (token < 0x80) {
      this.at = at + 1;
      return token;
    }
    if (token < 0xa0) return this.#container(token, depth);
    if (token < 0xc0) {
      const start = at + 1;
      this.#take(1 + (token & 0x1f));
      return readText(this.#bytes, start, this.at);
    }
    if (token >= 0xe0) {
      this.at = at + 1;
      return token - 0x100;
    }
    return token >= 0xca && token <= 0xd3 ? this.#number(token) : this.#other(token, depth);
  }

  /** Steps over `count` bytes; returns the offset of the first. */
  #take(count: number): number {
    const at = this.at;
    if (at + count > this.#end) throw corruptValue('it ends too early', at);
    this.at = at + count;
    return at;
  }

  #number(token: number): number | bigint {
    const view = this.#view;
    switch (token) {
      case 0xca:
        return view.getFloat32(this.#take(5) + 1);
      case 0xcb:
        return view.getFloat64(this.#take(9) + 1);
      case 0xcc:
        return view.getUint8(this.#take(2) + 1);
      case 0xcd:
        return view.getUint16(this.#take(3) + 1);
      case 0xce:
        return view.getUint32(this.#take(5) + 1);
      case 0xcf:
        return view.getBigUint64(this.#take(9) + 1);
      case 0xd0:
        return view.getInt8(this.#take(2) + 1);
      case 0xd1:
        return view.getInt16(this.#take(3) + 1);
      case 0xd2:
        return view.getInt32(this.#take(5) + 1);
      default:
        return view.getBigInt64(this.#take(9) + 1);
    }
  }

  #other(token: number, depth: number): unknown {
    const at = this.at;
    switch (token) {
      case 0xc0:
        this.at = at + 1;
        return null;
      case 0xc2:
      case 0xc3:
        this.at = at + 1;
        return token === 0xc3;
      case 0xdc:
      case 0xdd:
      case 0xde:
      case 0xdf:
        return this.#container(token, depth);
      default:
    }
    const end = elementEnd(this.#bytes, at, this.#end);
    this.at = end;
    if (isStringToken(token)) return readText(this.#bytes, at + (token === 0xd9 ? 2 : token === 0xda ? 3 : 5), end);
    if (token <= 0xc6) return copied(this.#bytes, at + (token === 0xc4 ? 2 : token === 0xc5 ? 3 : 5), end);
    return this.#extension(token, at, end);
  }

  #extension(token: number, at: number, end: number): unknown {
    checkExtension(this.#bytes, at, end);
    const typeAt = extensionTypeAt(token, at);
    const payload = typeAt + 1;
    const type = (this.#bytes[typeAt]! << 24) >> 24;
    if (type === EXTENSION.BIGINT) return readInteger(this.#bytes, payload, end);
    if (type === EXTENSION.DECIMAL) return readDecimal(this.#bytes, payload, end);
    return new Date(timestampMs(this.#bytes, payload, end - payload));
  }

  #container(token: number, depth: number): unknown {
    if (depth >= this.#depthMax) {
      throw corruptValue(`more than ${this.#depthMax} containers within one another`, this.at);
    }
    const headerBytes = containerHeaderBytes(token);
    const header = this.#take(headerBytes);
    const count = containerCount(this.#bytes, header, headerBytes);
    const isMap = isMapToken(token);
    if ((isMap ? count * 2 : count) > this.#end - this.at) throw corruptValue('it ends too early', header);
    return isMap ? this.#fields(count, depth) : this.#elements(count, depth);
  }

  #elements(count: number, depth: number): unknown[] {
    const elements: unknown[] = count <= PRESIZED_MAX ? new Array(count) : [];
    const bytes = this.#bytes;
    for (let index = 0; index < count; index++) {
      const { at } = this;
      // Doubles, of which long arrays mostly consist, in place.
      if (bytes[at] !== 0xcb || at + 9 > this.#end) elements[index] = this.#any(depth + 1);
      else {
        elements[index] = this.#view.getFloat64(at + 1);
        this.at = at + 9;
      }
    }
    return elements;
  }

  #fields(count: number, depth: number): Record<string, unknown> {
    if (count > SHAPE_FIELDS_MAX || count === 0) return this.#moreFields({}, count, depth);
    const slot = shapeSlot(this.#bytes, this.at, this.#end, count);
    if (slot === undefined) return this.#moreFields({}, count, depth);
    if (slot.count === count && slot.read !== undefined) {
      return slot.read(this, this.#bytes, this.#view, this.at, this.#end, depth + 1);
    }
    const fields = this.#moreFields({}, count, depth);
    if (slot.isLearning) slot.learn(fields, count);
    return fields;
  }

  /** Reads `count` fields more. */
  #moreFields(fields: Record<string, unknown>, count: number, depth: number): Record<string, unknown> {
    for (let index = 0; index < count; index++) {
      const name = this.#name();
      const value = this.#any(depth + 1);
      if (name === '__proto__') setOwn(fields, name, value);
      else fields[name] = value;
    }
    return fields;
  }

  /** @internal The element at `at`, for the functions of shapes. */
  element(depth: number): unknown {
    return this.#any(depth);
  }

  /**
   * @internal An object whose first `known` fields have these names and values, and others than its shape's from `at` on.
   *
   * @param depth  of its fields
   */
  goOn(names: readonly string[], values: readonly unknown[], known: number, depth: number): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    for (let index = 0; index < known; index++) fields[names[index]!] = values[index];
    return this.#moreFields(fields, names.length - known, depth - 1);
  }

  #name(): string {
    const at = this.at;
    const bytes = this.#bytes;
    const token = at < this.#end ? bytes[at]! : 0xc1;
    if ((token & 0xe0) === 0xa0) {
      this.#take(1 + (token & 0x1f));
      return readName(bytes, at + 1, this.at);
    }
    if (!isStringToken(token)) throw corruptValue('the name of a field is not a string', at);
    this.at = elementEnd(bytes, at, this.#end);
    return readName(bytes, at + (token === 0xd9 ? 2 : token === 0xda ? 3 : 5), this.at);
  }
}

function setOwn(fields: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true });
}

/** A copy in memory of its own, which is never shared nor part of Buffer's pool. */
function copied(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

/**
 * The value that fills bytes[start, end), copied out.
 *
 * @throws GridError CORRUPT_DATA
 */
export function decodeValue(bytes: Uint8Array, start = 0, end: number = bytes.length): unknown {
  if (lastDecoder === undefined || !lastDecoder.isOver(bytes)) lastDecoder = new ValueDecoder(bytes);
  return lastDecoder.decode(start, end);
}

/** Values of one message are decoded one after the other: one decoder, and one view, for all of them. */
let lastDecoder: ValueDecoder | undefined;

/**
 * Decodes a message that encodeMessage wrote.
 *
 * @throws GridError CORRUPT_DATA
 */
export function decodeMessage(bytes: Uint8Array): unknown {
  return new ValueDecoder(bytes, undefined, MESSAGE_DEPTH_MAX).decode(0, bytes.length);
}
