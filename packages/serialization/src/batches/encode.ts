/**
 * Columns to bytes: see layout.ts for the layout.
 *
 * encode E1  The layout of a column follows from its values' tags, not from its SQL type alone: one tag (with or without
 *            nulls) takes that tag's layout, several take a dense union. MISSING is written as NULL.
 * encode E2  Nothing is lost: integers beyond 32 bits go as INT64, bigints beyond 64 bits as decimal text.
 */
import { Decimal } from '@ashlar/api';
import { encodeValue } from '../value-writer.ts';
import { COLUMN_TYPES, type Column, type ColumnRows, type IntervalParts, ValueTag } from './column.ts';
import {
  aligned,
  BATCH_MAGIC,
  BUFFER_BYTES,
  bitmapBytes,
  HEADER_BYTES,
  Layout,
  NODE_BYTES,
  type Node,
} from './layout.ts';

const DAY_MS = 86_400_000;
const TWO_32 = 2 ** 32;
const { floor, max, trunc } = Math;

/** What is written: nodes and buffers in order. */
interface Parts {
  readonly nodes: Node[];
  readonly buffers: Uint8Array[];
}

/** Rows of a column that are written: `rows[index]`, or all in order when undefined. */
type RowList = Int32Array | undefined;

const NOTHING = new Uint8Array(0);

/** Encodes the rows of `rows.columns`. The bytes start at offset 0 of a buffer of their own, which may be transferred. */
export function encodeColumns(rows: ColumnRows): Uint8Array {
  const parts: Parts = { nodes: [], buffers: [] };
  for (const column of rows.columns) writeColumn(parts, column);
  return assemble(rows.length, rows.columns.length, parts);
}

function assemble(rowCount: number, columnCount: number, parts: Parts): Uint8Array {
  const body = aligned(HEADER_BYTES + parts.nodes.length * NODE_BYTES + parts.buffers.length * BUFFER_BYTES);
  let total = body;
  for (const buffer of parts.buffers) total += aligned(buffer.length);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, BATCH_MAGIC, true);
  view.setUint32(4, rowCount, true);
  view.setUint16(8, columnCount, true);
  view.setUint16(10, parts.nodes.length, true);
  view.setUint32(12, parts.buffers.length, true);
  let at = HEADER_BYTES;
  for (const node of parts.nodes) {
    view.setUint8(at, node.type);
    view.setUint8(at + 1, node.layout);
    view.setUint8(at + 2, node.tag);
    view.setUint8(at + 3, node.children);
    view.setUint32(at + 4, node.length, true);
    view.setUint32(at + 8, node.nulls, true);
    view.setUint32(at + 12, node.buffers, true);
    at += NODE_BYTES;
  }
  let offset = body;
  for (const buffer of parts.buffers) {
    view.setUint32(at, offset, true);
    view.setUint32(at + 4, buffer.length, true);
    bytes.set(buffer, offset);
    at += BUFFER_BYTES;
    offset += aligned(buffer.length);
  }
  return bytes;
}

function writeColumn(parts: Parts, column: Column): void {
  const type = COLUMN_TYPES.indexOf(column.type);
  if (column.uniform !== undefined) {
    if (column.uniform <= ValueTag.NULL) writeNulls(parts, type, column.length);
    else writeTag(parts, type, column.uniform, column, undefined, NOTHING, 0);
    return;
  }
  const counts = countTags(column);
  const present: ValueTag[] = [];
  for (let tag = ValueTag.NULL + 1; tag < counts.length; tag++) if (counts[tag]! > 0) present.push(tag as ValueTag);
  const nulls = counts[ValueTag.NULL]! + counts[ValueTag.MISSING]!;
  if (present.length === 0) writeNulls(parts, type, column.length);
  else if (present.length === 1) writeTag(parts, type, present[0]!, column, undefined, validity(column, nulls), nulls);
  else writeUnion(parts, type, column, present, nulls);
}

function countTags(column: Column): Int32Array {
  const counts = new Int32Array(ValueTag.JSON + 1);
  const tags = column.tags!;
  for (let row = 0; row < column.length; row++) counts[tags[row]!]!++;
  return counts;
}

function validity(column: Column, nulls: number): Uint8Array {
  if (nulls === 0) return NOTHING;
  const bits = new Uint8Array(bitmapBytes(column.length));
  const tags = column.tags!;
  for (let row = 0; row < column.length; row++) if (tags[row]! > ValueTag.NULL) bits[row >>> 3]! |= 1 << (row & 7);
  return bits;
}

function writeNulls(parts: Parts, type: number, length: number): void {
  parts.nodes.push({ type, layout: Layout.NULLS, tag: ValueTag.NULL, children: 0, length, nulls: length, buffers: 0 });
}

/** One child a tag: rows keep their order within a child. NULL rows have type id 1 and an offset of 0. */
function writeUnion(parts: Parts, type: number, column: Column, present: readonly ValueTag[], nulls: number): void {
  const { length } = column;
  const ids = new Uint8Array(length);
  const offsets = new Int32Array(length);
  const rowsOf = new Map(present.map((tag) => [tag as number, [] as number[]]));
  for (let row = 0; row < length; row++) {
    const tag = column.tags![row]!;
    ids[row] = max(tag, ValueTag.NULL);
    if (tag <= ValueTag.NULL) continue;
    offsets[row] = rowsOf.get(tag)!.push(row) - 1;
  }
  const children = present.length;
  parts.nodes.push({ type, layout: Layout.DENSE_UNION, tag: 0, children, length, nulls, buffers: 2 });
  parts.buffers.push(ids, bytesOf(offsets));
  for (const tag of present) writeTag(parts, type, tag, column, Int32Array.from(rowsOf.get(tag)!), NOTHING, 0);
}

function bytesOf(view: Int32Array | Uint32Array | Uint16Array | Float64Array): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Writes the rows of one tag; rows whose bit in `valid` is clear take a zero or nothing. */
function writeTag(
  parts: Parts,
  type: number,
  tag: ValueTag,
  column: Column,
  rows: RowList,
  valid: Uint8Array,
  nulls: number,
): void {
  const length = rows === undefined ? column.length : rows.length;
  if (tag === ValueTag.TEXT && rows === undefined && usesDictionary(column)) {
    const { layout, buffers } = textBuffers(column.dictionary!);
    parts.nodes.push({ type, layout: Layout.DICTIONARY, tag, children: 1, length, nulls, buffers: 2 });
    parts.buffers.push(valid, bytesOf(Uint16Array.from(column.codes!.subarray(0, length))));
    parts.nodes.push({ type, layout, tag, children: 0, length: column.dictionary!.length, nulls: 0, buffers: 3 });
    parts.buffers.push(NOTHING, ...buffers);
    return;
  }
  const { layout, buffers } =
    tag < ValueTag.BIGINT
      ? numberBuffers(tag, numbersOf(column, rows, valid))
      : valueBuffers(tag, valuesOf(column, rows, valid));
  parts.nodes.push({ type, layout, tag, children: 0, length, nulls, buffers: buffers.length + 1 });
  parts.buffers.push(valid, ...buffers);
}

/** A layout with its buffers, validity aside. */
interface Flat {
  readonly layout: Layout;
  readonly buffers: readonly Uint8Array[];
}

function numberBuffers(tag: ValueTag, numbers: Float64Array): Flat {
  switch (tag) {
    case ValueTag.BOOLEAN:
      return { layout: Layout.BOOLEAN, buffers: [bitsOf(numbers)] };
    case ValueTag.NUMBER:
      return { layout: Layout.FLOAT64, buffers: [bytesOf(numbers)] };
    case ValueTag.DATE: {
      const days = Int32Array.from(numbers, (ms) => floor(ms / DAY_MS));
      return { layout: Layout.INT32, buffers: [bytesOf(days)] };
    }
    case ValueTag.INT: {
      const narrow = Int32Array.from(numbers);
      if (narrow.every((value, index) => value === numbers[index])) {
        return { layout: Layout.INT32, buffers: [bytesOf(narrow)] };
      }
      return { layout: Layout.INT64, buffers: [int64Of(numbers)] };
    }
    default:
      return { layout: Layout.INT64, buffers: [int64Of(numbers)] };
  }
}

function valueBuffers(tag: ValueTag, values: readonly unknown[]): Flat {
  switch (tag) {
    case ValueTag.BIGINT:
      if (values.every((value) => value === null || BigInt.asIntN(64, value as bigint) === value)) {
        return { layout: Layout.INT64, buffers: [bigintBytes(values)] };
      }
      return textBuffers(values.map(textOrNull));
    case ValueTag.DECIMAL:
      return textBuffers(values.map(textOrNull));
    case ValueTag.TEXT:
      return textBuffers(values as (string | null)[]);
    case ValueTag.INTERVAL:
      return { layout: Layout.MONTH_DAY_MICRO, buffers: [intervalBytes(values)] };
    case ValueTag.JSON:
      return { layout: Layout.BINARY, buffers: binaryBuffers(values.map(jsonBytes)) };
    default:
      return { layout: Layout.BINARY, buffers: binaryBuffers(values as (Uint8Array | null)[]) };
  }
}

/** A dictionary larger than the batch costs more than the texts. */
function usesDictionary(column: Column): boolean {
  return column.dictionary !== undefined && column.codes !== undefined && column.dictionary.length <= column.length;
}

function isValid(valid: Uint8Array, index: number): boolean {
  return valid.length === 0 || (valid[index >>> 3]! & (1 << (index & 7))) !== 0;
}

/** The number lane of the rows; null rows read 0. */
function numbersOf(column: Column, rows: RowList, valid: Uint8Array): Float64Array {
  const lane = column.numbers!;
  if (rows !== undefined) return Float64Array.from(rows, (row) => lane[row]!);
  if (valid.length === 0) return lane.subarray(0, column.length);
  const numbers = new Float64Array(column.length);
  for (let row = 0; row < numbers.length; row++) if (isValid(valid, row)) numbers[row] = lane[row]!;
  return numbers;
}

/** The values of the rows; null rows read null. */
function valuesOf(column: Column, rows: RowList, valid: Uint8Array): readonly unknown[] {
  const { codes, dictionary, values } = column;
  // A column may have texts by code and other values in the value lane.
  const read = (row: number): unknown =>
    dictionary !== undefined && (column.uniform ?? column.tags![row]) === ValueTag.TEXT
      ? dictionary[codes![row]!]
      : values![row];
  const length = rows === undefined ? column.length : rows.length;
  const found = new Array<unknown>(length);
  for (let index = 0; index < length; index++) {
    found[index] = isValid(valid, index) ? read(rows === undefined ? index : rows[index]!) : null;
  }
  return found;
}

function bitsOf(numbers: Float64Array): Uint8Array {
  const bits = new Uint8Array(bitmapBytes(numbers.length));
  for (let row = 0; row < numbers.length; row++) if (numbers[row] !== 0) bits[row >>> 3]! |= 1 << (row & 7);
  return bits;
}

/** Whole numbers within 2^53 as int64, by halves: no bigint is made. */
function int64Of(numbers: Float64Array): Uint8Array {
  const words = new Int32Array(numbers.length * 2);
  for (let index = 0; index < numbers.length; index++) {
    const whole = trunc(numbers[index]!);
    const high = floor(whole / TWO_32);
    words[index * 2] = whole - high * TWO_32;
    words[index * 2 + 1] = high;
  }
  return bytesOf(words);
}

function bigintBytes(values: readonly unknown[]): Uint8Array {
  const lane = new BigInt64Array(values.length);
  for (let index = 0; index < values.length; index++) lane[index] = (values[index] as bigint | null) ?? 0n;
  return new Uint8Array(lane.buffer);
}

function intervalBytes(values: readonly unknown[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 16);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (value === null) return;
    const { months, days, milliseconds } = value as IntervalParts;
    view.setInt32(index * 16, months, true);
    view.setInt32(index * 16 + 4, days, true);
    view.setBigInt64(index * 16 + 8, BigInt(Math.round(milliseconds * 1000)), true);
  });
  return bytes;
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : Decimal.is(value) ? value.toString() : String(value);
}

function jsonBytes(value: unknown): Uint8Array | null {
  return value === null ? null : encodeValue(value);
}

function binaryBuffers(values: readonly (Uint8Array | null)[]): [Uint8Array, Uint8Array] {
  const offsets = new Uint32Array(values.length + 1);
  let total = 0;
  for (let index = 0; index < values.length; index++) offsets[index + 1] = total += values[index]?.length ?? 0;
  const data = new Uint8Array(total);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value !== null) data.set(value!, offsets[index]);
  }
  return [bytesOf(offsets), data];
}

function textBuffers(texts: readonly (string | null)[]): Flat {
  const { length } = texts;
  // One call for all texts: where every character is one byte, offsets in characters are offsets in bytes.
  const joined = texts.join('');
  const data = Buffer.from(joined, 'utf8');
  const isAscii = data.length === joined.length;
  const offsets = new Uint32Array(length + 1);
  let total = 0;
  for (let index = 0; index < length; index++) {
    const text = texts[index] ?? '';
    offsets[index + 1] = total += isAscii ? text.length : Buffer.byteLength(text, 'utf8');
  }
  // Halves of a surrogate pair may have met at a seam: then one by one, so that each keeps three bytes of its own.
  const exact = total === data.length ? data : Buffer.concat(texts.map((text) => Buffer.from(text ?? '', 'utf8')));
  return { layout: Layout.UTF8, buffers: [bytesOf(offsets), exact] };
}
