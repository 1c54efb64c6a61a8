/**
 * Columns of numbers as bytes: a byte that says how a column is written, then that: nothing (all 0), one number (all equal), or one
 * a row, of 8, 32 or 64 bits. So what rows share costs nothing a row. Little-endian.
 */
import { copyBytes } from '@ashlar/serialization';

const FIRST_BYTES = 4096;

/** How a column is written. */
const ENCODING = { zero: 0, one: 1, u8: 2, u32: 3, f64: 4 } as const;
/** Bytes of a record in a column, by encoding. */
const WIDTHS = [0, 0, 1, 4, 8] as const;

/** The shortest way to write the first `count` numbers of a column. */
export function encodingOf(column: Float64Array, count: number): number {
  const first = column[0]!;
  let isOne = true;
  let highest = 0;
  for (let index = 0; index < count; index++) {
    const value = column[index]!;
    if (value !== first) isOne = false;
    if (value >>> 0 !== value) highest = Infinity;
    else if (value > highest) highest = value;
  }
  if (isOne) return first === 0 ? ENCODING.zero : ENCODING.one;
  if (highest <= 0xff) return ENCODING.u8;
  return highest <= 0xffff_ffff ? ENCODING.u32 : ENCODING.f64;
}

/** Bytes that it takes behind the one that says how it is written. */
export function columnBytes(encoding: number, count: number): number {
  return encoding === ENCODING.one ? 8 : WIDTHS[encoding]! * count;
}

/** @returns where the next column begins */
export function writeColumn(view: DataView, at: number, column: Float64Array, count: number, encoding: number): number {
  view.setUint8(at, encoding);
  const start = at + 1;
  switch (encoding) {
    case ENCODING.one:
      view.setFloat64(start, column[0]!, true);
      break;
    case ENCODING.u8:
      for (let index = 0; index < count; index++) view.setUint8(start + index, column[index]!);
      break;
    case ENCODING.u32:
      for (let index = 0; index < count; index++) view.setUint32(start + 4 * index, column[index]!, true);
      break;
    case ENCODING.f64:
      for (let index = 0; index < count; index++) view.setFloat64(start + 8 * index, column[index]!, true);
      break;
  }
  return start + columnBytes(encoding, count);
}

/** Columns of one length, one behind the other: row `index` of a column is `cells[column * rows + index]`. */
export interface ReadColumns {
  readonly cells: Float64Array;
  readonly rows: number;
  /** Of their bytes. */
  readonly end: number;
}

/**
 * Reads columns that follow each other.
 *
 * @param from  their first byte
 * @param end   of the bytes that they may lie in
 * @returns undefined when they are not whole columns of known encodings
 */
export function readColumns(
  view: DataView,
  from: number,
  end: number,
  columns: number,
  rows: number,
): ReadColumns | undefined {
  const cells = new Float64Array(columns * rows);
  let at = from;
  for (let column = 0; column < columns; column++) {
    const encoding = at < end ? view.getUint8(at) : WIDTHS.length;
    if (encoding >= WIDTHS.length) return undefined;
    const bytes = columnBytes(encoding, rows);
    if (bytes > end - at - 1) return undefined;
    decode(view, at + 1, encoding, rows, cells, column * rows);
    at += 1 + bytes;
  }
  return { cells, rows, end: at };
}

/** @param to  cells of the column, all 0 */
function decode(view: DataView, at: number, encoding: number, rows: number, cells: Float64Array, to: number): void {
  switch (encoding) {
    case ENCODING.one:
      cells.fill(view.getFloat64(at, true), to, to + rows);
      break;
    case ENCODING.u8:
      for (let index = 0; index < rows; index++) cells[to + index] = view.getUint8(at + index);
      break;
    case ENCODING.u32:
      for (let index = 0; index < rows; index++) cells[to + index] = view.getUint32(at + 4 * index, true);
      break;
    case ENCODING.f64:
      for (let index = 0; index < rows; index++) cells[to + index] = view.getFloat64(at + 8 * index, true);
      break;
  }
}

/** A column with twice the room. */
export function grownColumn(column: Float64Array): Float64Array {
  const grown = new Float64Array(column.length * 2);
  grown.set(column);
  return grown;
}

/** Bytes that are appended to. */
export class AppendedBytes {
  length = 0;
  #bytes = new Uint8Array(FIRST_BYTES);

  append(from: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      grown.set(this.used);
      this.#bytes = grown;
    }
    copyBytes(from, start, end, this.#bytes, this.length);
    this.length = length;
  }

  get used(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}
