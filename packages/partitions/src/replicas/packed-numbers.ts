/**
 * Numbers and columns of numbers as bytes, one behind the other: what the head of a message between replicas is made of.
 *
 *   number: 8 bytes        column: [how][rows: 4 bytes][one number, or one a row, of 1, 2, 4 or 8 bytes]
 *
 * Little-endian. A message has a row for each of hundreds of partitions, many times a second: what its rows share costs nothing a
 * row, and no row costs more than it has to.
 *
 * packed-numbers N1  What is read are counts, or Infinity where that is allowed; columns have the length that they are asked for.
 *                    Everything else is refused, and however short a message is, it makes nobody take more memory than ROWS_MAX
 *                    rows a column.
 */
import { GridError } from '@ashlar/core';

/** How a column is written: nothing a row (all are equal), or so many bytes. */
const SAME = 0;
const WIDTHS = [0, 1, 2, 4, 8] as const;
const U8 = 1;
const U16 = 2;
const U32 = 3;
const F64 = 4;
const NUMBER_BYTES = 8;
const COLUMN_HEADER_BYTES = 5;
/** Rows of a column, at most. */
const ROWS_MAX = 1 << 20;
const FIRST_BYTES = 4096;

/** Writes numbers; used again for the next message. */
export class NumberWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  begin(): void {
    this.#at = 0;
  }

  number(value: number): void {
    this.#reserve(NUMBER_BYTES);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += NUMBER_BYTES;
  }

  column(values: readonly number[]): void {
    const how = encodingOf(values);
    const width = WIDTHS[how]!;
    this.#reserve(COLUMN_HEADER_BYTES + NUMBER_BYTES + width * values.length);
    this.#view.setUint8(this.#at, how);
    this.#view.setUint32(this.#at + 1, values.length, true);
    this.#at += COLUMN_HEADER_BYTES;
    if (how !== SAME) this.#rows(values, how);
    else if (values.length > 0) this.number(values[0]!);
  }

  #rows(values: readonly number[], how: number): void {
    const view = this.#view;
    const width = WIDTHS[how]!;
    let at = this.#at;
    for (let row = 0; row < values.length; row++, at += width) {
      const value = values[row]!;
      if (how === U8) view.setUint8(at, value);
      else if (how === U16) view.setUint16(at, value, true);
      else if (how === U32) view.setUint32(at, value, true);
      else view.setFloat64(at, value, true);
    }
    this.#at = at;
  }

  #reserve(bytes: number): void {
    const wanted = this.#at + bytes;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** What was written, in memory of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }
}

/** The shortest way to write a column. */
function encodingOf(values: readonly number[]): number {
  const first = values[0];
  let isSame = true;
  let highest = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value !== first) isSame = false;
    if (value >>> 0 !== value) highest = Number.POSITIVE_INFINITY;
    else if (value > highest) highest = value;
  }
  if (isSame) return SAME;
  if (highest <= 0xff) return U8;
  if (highest <= 0xffff) return U16;
  return highest <= 0xffff_ffff ? U32 : F64;
}

/** Reads what a NumberWriter wrote (packed-numbers N1). */
export class NumberReader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Nothing is left to read. */
  get isAtEnd(): boolean {
    return this.#at === this.#view.byteLength;
  }

  count(): number {
    return checkedCount(this.#number());
  }

  countOrInfinity(): number {
    return checkedBound(this.#number());
  }

  #number(): number {
    this.#expect(NUMBER_BYTES);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += NUMBER_BYTES;
    return value;
  }

  /** @param rows  omitted: any number of them */
  counts(rows?: number): number[] {
    return this.#column(rows, checkedCount);
  }

  countsOrInfinity(rows: number): number[] {
    return this.#column(rows, checkedBound);
  }

  #column(wanted: number | undefined, checked: (value: number) => number): number[] {
    this.#expect(COLUMN_HEADER_BYTES);
    const how = this.#view.getUint8(this.#at);
    const rows = this.#view.getUint32(this.#at + 1, true);
    this.#at += COLUMN_HEADER_BYTES;
    if (how >= WIDTHS.length || rows > ROWS_MAX) throw malformedNumbers('a column is not of numbers');
    if (wanted !== undefined && rows !== wanted) throw malformedNumbers('its columns are not of one length');
    if (how === SAME) return rows === 0 ? [] : new Array<number>(rows).fill(checked(this.#number()));
    this.#expect(WIDTHS[how]! * rows);
    return this.#rows(rows, how, checked);
  }

  #rows(rows: number, how: number, checked: (value: number) => number): number[] {
    const view = this.#view;
    const width = WIDTHS[how]!;
    const values = new Array<number>(rows);
    let at = this.#at;
    for (let row = 0; row < rows; row++, at += width) {
      if (how === U8) values[row] = view.getUint8(at);
      else if (how === U16) values[row] = view.getUint16(at, true);
      else if (how === U32) values[row] = view.getUint32(at, true);
      else values[row] = checked(view.getFloat64(at, true));
    }
    this.#at = at;
    return values;
  }

  #expect(bytes: number): void {
    if (bytes > this.#view.byteLength - this.#at) throw malformedNumbers('it ends before its last field');
  }
}

function checkedCount(value: number): number {
  if (!(value >= 0 && Number.isSafeInteger(value))) throw malformedNumbers('a field is no count');
  return value;
}

function checkedBound(value: number): number {
  return value === Number.POSITIVE_INFINITY ? value : checkedCount(value);
}

export function malformedNumbers(why: string): GridError {
  return new GridError('INVALID_ARGUMENT', `not a message of a replica: ${why}`);
}
