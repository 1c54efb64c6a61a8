/**
 * Documents of one shape have the same fields in the same order, with values of the same kinds: what one of them shows, all do.
 *
 *   document -> names and kinds as in the shape that was met last? -> nothing new: one more witness of the shape
 *                                            '-- no ------------> looked at field by field (path-scan.ts)
 *
 * document-shapes S1  A document is of a shape exactly when names, kinds and counts of fields agree, byte by byte, down to the depth
 *                     that paths have.
 */
import { containerCount, containerHeaderBytes, EXTENSION, elementEnd } from '@ashlar/serialization';
import { VALUE_KIND } from '@ashlar/sql-plan';

/** Fields within fields are looked at so deep. */
export const DEPTH_MAX = 4;
/** Documents of more fields are looked at one by one. */
const STEPS_MAX = 512;
/** Of a value: it is no object; it is one that lies too deep. */
const NO_OBJECT = -1;
const NOT_ENTERED = -2;
/** First bytes of 64-bit integers, which are bigints; other integers and floats are numbers. */
const UINT64 = 0xcf;
const INT64 = 0xd3;

/** Fields in the order in which they lie: those of an object follow its own. */
export class DocumentShape {
  /** Fields of the document itself. */
  readonly #count: number;
  readonly #names: readonly Uint8Array[];
  readonly #kinds: readonly number[];
  /** Fields of the objects among the values; or NO_OBJECT, NOT_ENTERED. */
  readonly #counts: readonly number[];

  /** @returns undefined: it has no fields, or too many */
  static of(bytes: Uint8Array, start: number, end: number): DocumentShape | undefined {
    if (!isObject(bytes[start]!)) return undefined;
    const names: Uint8Array[] = [];
    const kinds: number[] = [];
    const counts: number[] = [];
    /** Fields left in each object around. */
    const open = [countAt(bytes, start)];
    let at = fieldsAt(bytes, start);
    while (at < end && names.length <= STEPS_MAX) {
      while (open.length > 1 && open.at(-1) === 0) open.pop();
      open[open.length - 1]! -= 1;
      const nameEnd = elementEnd(bytes, at, end);
      names.push(bytes.slice(at, nameEnd));
      kinds.push(kindAt(bytes, nameEnd));
      const isInner = isObject(bytes[nameEnd]!) && open.length < DEPTH_MAX;
      counts.push(isInner ? countAt(bytes, nameEnd) : isObject(bytes[nameEnd]!) ? NOT_ENTERED : NO_OBJECT);
      if (isInner) open.push(countAt(bytes, nameEnd));
      at = isInner ? fieldsAt(bytes, nameEnd) : elementEnd(bytes, nameEnd, end);
    }
    return names.length > STEPS_MAX ? undefined : new DocumentShape(countAt(bytes, start), names, kinds, counts);
  }

  private constructor(
    count: number,
    names: readonly Uint8Array[],
    kinds: readonly number[],
    counts: readonly number[],
  ) {
    this.#count = count;
    this.#names = names;
    this.#kinds = kinds;
    this.#counts = counts;
  }

  /** document-shapes S1. @throws GridError CORRUPT_DATA */
  fits(bytes: Uint8Array, start: number, end: number): boolean {
    if (!isObject(bytes[start]!) || countAt(bytes, start) !== this.#count) return false;
    const { length } = this.#names;
    let at = fieldsAt(bytes, start);
    for (let step = 0; step < length; step++) {
      const name = this.#names[step]!;
      for (let index = 0; index < name.length; index++) if (bytes[at + index] !== name[index]) return false;
      at += name.length;
      if (at >= end || kindAt(bytes, at) !== this.#kinds[step]) return false;
      const count = this.#counts[step]!;
      const isInner = isObject(bytes[at]!);
      if (count === NOT_ENTERED || (count === NO_OBJECT && !isInner)) at = elementEnd(bytes, at, end);
      else if (!isInner || countAt(bytes, at) !== count) return false;
      else at = fieldsAt(bytes, at);
    }
    return at === end;
  }
}

function countAt(bytes: Uint8Array, at: number): number {
  return containerCount(bytes, at, containerHeaderBytes(bytes[at]!));
}

function fieldsAt(bytes: Uint8Array, at: number): number {
  return at + containerHeaderBytes(bytes[at]!);
}

/** The kind of the value whose bytes begin here, as a bit of VALUE_KIND; 0 for null. */
export function kindAt(bytes: Uint8Array, at: number): number {
  const token = bytes[at]!;
  if (token < 0x80 || token >= 0xe0) return VALUE_KIND.number;
  if (token < 0xc0) return token < 0xa0 ? VALUE_KIND.other : VALUE_KIND.text;
  if (token < 0xc7 || token > 0xd8) return KINDS_OF_REST.get(token) ?? VALUE_KIND.other;
  if (token === INT64 || token === UINT64) return VALUE_KIND.bigint;
  if (token >= 0xca && token <= 0xd3) return VALUE_KIND.number;
  const isLong = token <= 0xc9;
  const type = bytes[isLong ? at + 1 + (1 << (token - 0xc7)) : at + 1]!;
  return KINDS_OF_EXTENSIONS.get(type) ?? VALUE_KIND.other;
}

/** nil, false, true, and the texts of 8, 16, 32 bits of length. */
const KINDS_OF_REST: ReadonlyMap<number, number> = new Map([
  [0xc0, 0],
  [0xc2, VALUE_KIND.boolean],
  [0xc3, VALUE_KIND.boolean],
  [0xd9, VALUE_KIND.text],
  [0xda, VALUE_KIND.text],
  [0xdb, VALUE_KIND.text],
]);
const KINDS_OF_EXTENSIONS: ReadonlyMap<number, number> = new Map([
  [EXTENSION.TIMESTAMP & 0xff, VALUE_KIND.date],
  [EXTENSION.BIGINT, VALUE_KIND.bigint],
  [EXTENSION.DECIMAL, VALUE_KIND.decimal],
]);

/** First byte of a MessagePack map. */
export function isObject(token: number): boolean {
  return (token & 0xf0) === 0x80 || token === 0xde || token === 0xdf;
}
