/**
 * A growing column: rows kept beyond the chunk they came in (sorts, join builds, group keys, output).
 *
 *   append(vector, selection) ... -> tags[row], numbers[row], values[row] -> slice or gather as vectors
 *
 * column-builder C1  A row lies in the lane its tag names (see Tag); what the other lane holds there means nothing.
 * column-builder C2  `bytes` estimates what the rows hold, texts and objects included.
 */

import { Decimal } from '@ashlar/api';
import { type SqlType, Tag, type Vector } from '@ashlar/expressions';

const INITIAL_ROWS = 64;
const ROW_BYTES = 9;
const REFERENCE_BYTES = 8;
const OBJECT_BYTES = 64;
const JSON_BYTES = 512;

/** Estimated bytes of a value of the value lane. */
export function valueBytes(value: unknown): number {
  if (typeof value === 'string') return REFERENCE_BYTES + 16 + value.length;
  if (typeof value === 'bigint') return REFERENCE_BYTES + 24;
  if (typeof value !== 'object' || value === null) return REFERENCE_BYTES;
  if (ArrayBuffer.isView(value)) return REFERENCE_BYTES + OBJECT_BYTES + value.byteLength;
  return REFERENCE_BYTES + (Decimal.is(value) ? OBJECT_BYTES : JSON_BYTES);
}

/** The value-lane value of a row whose tag is not of the number lane. */
export function valueIn(vector: Vector, row: number, tag: number): unknown {
  if (tag === Tag.TEXT && vector.dictionary !== undefined) return vector.dictionary[vector.codes![row]!];
  return vector.values![row];
}

export class ColumnBuilder {
  readonly type: SqlType;
  tags = new Uint8Array(INITIAL_ROWS);
  numbers = new Float64Array(INITIAL_ROWS);
  /** Made with the first row that needs it. */
  values: unknown[] | undefined;
  #length = 0;
  #valueBytes = 0;

  constructor(type: SqlType) {
    this.type = type;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#length * ROW_BYTES + this.#valueBytes;
  }

  /** Copies `count` rows: those of `selection`, else the first ones. */
  append(vector: Vector, selection: ArrayLike<number> | undefined, count: number): void {
    const start = this.#length;
    this.#reserve(start + count);
    this.#length = start + count;
    const { uniform } = vector;
    if (uniform !== undefined) this.tags.fill(uniform, start, start + count);
    else this.#copyTags(vector.tags!, selection, start, count);
    if (vector.numbers !== undefined) this.#copyNumbers(vector.numbers, selection, start, count);
    if (vector.values !== undefined || vector.dictionary !== undefined)
      this.#copyValues(vector, selection, start, count);
  }

  /** Adds one row by tag and lane. */
  appendValue(tag: number, number: number, value: unknown): void {
    const row = this.#length;
    this.#reserve(row + 1);
    this.#length = row + 1;
    this.tags[row] = tag;
    if (tag >= Tag.BIGINT) this.#setValue(row, value);
    else this.numbers[row] = number;
  }

  /** Puts another value in the place of one that was added before. */
  replaceValue(row: number, tag: number, number: number, value: unknown): void {
    this.tags[row] = tag;
    this.numbers[row] = number;
    if (tag >= Tag.BIGINT) this.#setValue(row, value);
    else if (this.values !== undefined && row < this.values.length) this.values[row] = undefined;
  }

  appendNulls(count: number): void {
    this.#reserve(this.#length + count);
    this.tags.fill(Tag.NULL, this.#length, this.#length + count);
    this.#length += count;
  }

  clear(): void {
    this.numbers.fill(0, 0, this.#length);
    this.values = undefined;
    this.#length = 0;
    this.#valueBytes = 0;
  }

  /** Rows [from, to) as a vector. Its lanes are views: valid until the builder changes. */
  slice(from: number, to: number): Vector {
    const tags = this.tags.subarray(from, to);
    return vectorOfLanes(this.type, tags, this.numbers.subarray(from, to), this.values?.slice(from, to));
  }

  /** Rows `rows[from]` .. `rows[to - 1]` as a vector of its own; -1 gives NULL. */
  gather(rows: Int32Array, from: number, to: number): Vector {
    const count = to - from;
    const tags = new Uint8Array(count);
    const numbers = new Float64Array(count);
    const values = this.values === undefined ? undefined : new Array<unknown>(count);
    for (let index = 0; index < count; index++) {
      const row = rows[from + index]!;
      if (row < 0) {
        tags[index] = Tag.NULL;
        continue;
      }
      tags[index] = this.tags[row]!;
      numbers[index] = this.numbers[row]!;
      if (values !== undefined) values[index] = this.values![row];
    }
    return vectorOfLanes(this.type, tags, numbers, values);
  }

  #reserve(rows: number): void {
    if (rows <= this.tags.length) return;
    const capacity = Math.max(rows, this.tags.length * 2);
    const tags = new Uint8Array(capacity);
    tags.set(this.tags.subarray(0, this.#length));
    this.tags = tags;
    const numbers = new Float64Array(capacity);
    numbers.set(this.numbers.subarray(0, this.#length));
    this.numbers = numbers;
  }

  #setValue(row: number, value: unknown): void {
    const values = (this.values ??= []);
    while (values.length < row) values.push(undefined);
    values[row] = value;
    this.#valueBytes += valueBytes(value);
  }

  #copyTags(from: Uint8Array, selection: ArrayLike<number> | undefined, start: number, count: number): void {
    if (selection === undefined) this.tags.set(from.subarray(0, count), start);
    else for (let index = 0; index < count; index++) this.tags[start + index] = from[selection[index]!]!;
  }

  #copyNumbers(from: Float64Array, selection: ArrayLike<number> | undefined, start: number, count: number): void {
    if (selection === undefined) this.numbers.set(from.subarray(0, count), start);
    else for (let index = 0; index < count; index++) this.numbers[start + index] = from[selection[index]!]!;
  }

  #copyValues(vector: Vector, selection: ArrayLike<number> | undefined, start: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const tag = this.tags[start + index]!;
      if (tag < Tag.BIGINT) continue;
      this.#setValue(start + index, valueIn(vector, selection === undefined ? index : selection[index]!, tag));
    }
  }
}

/** A vector over lanes by row; the one tag that all rows share becomes `uniform`. */
export function vectorOfLanes(
  type: SqlType,
  tags: Uint8Array,
  numbers: Float64Array,
  values: readonly unknown[] | undefined,
): Vector {
  const uniform = uniformOf(tags);
  return {
    type,
    length: tags.length,
    uniform,
    tags: uniform === undefined ? tags : undefined,
    numbers: uniform !== undefined && uniform >= Tag.BIGINT ? undefined : numbers,
    values: uniform !== undefined && uniform < Tag.BIGINT ? undefined : values,
    codes: undefined,
    dictionary: undefined,
  };
}

/** The tag that all rows have; NULL is never uniform, so that kernels meet it in `tags` alone. */
function uniformOf(tags: Uint8Array): Tag | undefined {
  const first = tags[0];
  if (first === undefined || first <= Tag.NULL) return undefined;
  for (let row = 1; row < tags.length; row++) if (tags[row] !== first) return undefined;
  return first as Tag;
}
