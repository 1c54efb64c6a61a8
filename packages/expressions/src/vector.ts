/**
 * Vectors from values and back.
 *
 *   tags[row] (or `uniform`) -> numbers[row] | dictionary[codes[row]] | values[row]
 *
 * vector N1  A vector of static type `any` or `json` holds no INT and no DATE (values V2).
 */
import { assert } from '@ashlar/core';
import { type SqlType, Tag, type Vector } from './types.ts';
import { type RowValue, tagIn } from './values.ts';

/** Tags whose values lie in the number lane. */
export const IN_NUMBERS: ReadonlySet<Tag> = new Set<Tag>([Tag.BOOLEAN, Tag.NUMBER, Tag.INT, Tag.TIMESTAMP, Tag.DATE]);

/** The value of one row; null for NULL and missing. */
export function valueAt(vector: Vector, row: number): RowValue {
  const tag = vector.uniform ?? (vector.tags![row] as Tag);
  switch (tag) {
    case Tag.MISSING:
    case Tag.NULL:
      return null;
    case Tag.NUMBER:
    case Tag.INT:
      return vector.numbers![row]!;
    case Tag.BOOLEAN:
      return vector.numbers![row] !== 0;
    case Tag.TIMESTAMP:
    case Tag.DATE:
      return new Date(vector.numbers![row]!);
    case Tag.TEXT:
      return vector.codes === undefined ? (vector.values![row] as string) : vector.dictionary![vector.codes[row]!]!;
    default:
      return vector.values![row] as RowValue;
  }
}

/** Fills a vector row by row. */
export class VectorBuilder {
  readonly #type: SqlType;
  readonly #length: number;
  readonly #tags: Uint8Array;
  #numbers: Float64Array | undefined;
  #values: unknown[] | undefined;

  constructor(type: SqlType, length: number) {
    this.#type = type;
    this.#length = length;
    this.#tags = new Uint8Array(length).fill(Tag.NULL);
  }

  /** Rows that are never set are NULL. */
  set(row: number, value: RowValue): void {
    const tag = tagIn(value, this.#type);
    this.#tags[row] = tag;
    if (tag === Tag.NULL) return;
    if (IN_NUMBERS.has(tag)) {
      this.#numbers ??= new Float64Array(this.#length);
      this.#numbers[row] = Number(value);
    } else {
      this.#values ??= new Array<unknown>(this.#length).fill(undefined);
      this.#values[row] = value;
    }
  }

  finish(): Vector {
    const uniform = uniformTag(this.#tags);
    return {
      type: this.#type,
      length: this.#length,
      uniform,
      tags: uniform === undefined ? this.#tags : undefined,
      numbers: this.#numbers,
      values: this.#values,
      codes: undefined,
      dictionary: undefined,
    };
  }
}

/** The tag that all rows have, if they have one that is not NULL or missing; none for no rows. */
export function uniformTag(tags: Uint8Array): Tag | undefined {
  const first = tags[0];
  if (first === undefined || first <= Tag.NULL) return undefined;
  for (let row = 1; row < tags.length; row++) if (tags[row] !== first) return undefined;
  return first as Tag;
}

/** A vector of JavaScript values: null | boolean | number | bigint | string | Uint8Array | Date | Decimal | object. */
export function vectorOf(type: SqlType, values: readonly unknown[]): Vector {
  const builder = new VectorBuilder(type, values.length);
  for (let row = 0; row < values.length; row++) builder.set(row, (values[row] ?? null) as RowValue);
  return builder.finish();
}

/**
 * The rows that a selection names, in its order.
 *
 * @param selection row numbers; undefined: the first `count` rows
 */
export function gather(vector: Vector, selection: Int32Array | Uint16Array | undefined, count: number): Vector {
  if (selection === undefined) return count === vector.length ? vector : firstRows(vector, count);
  const { numbers, values, codes, tags } = vector;
  const gatheredTags = tags === undefined ? undefined : pick(tags, new Uint8Array(count), selection);
  return {
    type: vector.type,
    length: count,
    uniform: vector.uniform,
    tags: gatheredTags,
    numbers: numbers === undefined ? undefined : pick(numbers, new Float64Array(count), selection),
    values: values === undefined ? undefined : pickValues(values, selection, count),
    codes: codes === undefined ? undefined : pickCodes(codes, selection, count),
    dictionary: vector.dictionary,
  };
}

function firstRows(vector: Vector, count: number): Vector {
  assert(count <= vector.length, 'no more rows are asked for than there are');
  return {
    ...vector,
    length: count,
    tags: vector.tags?.subarray(0, count),
    numbers: vector.numbers?.subarray(0, count),
    values: vector.values?.slice(0, count),
    codes: vector.codes?.subarray(0, count),
  };
}

function pick<Lane extends Uint8Array | Uint16Array | Float64Array>(
  from: Lane,
  to: Lane,
  selection: Int32Array | Uint16Array,
): Lane {
  for (let index = 0; index < to.length; index++) to[index] = from[selection[index]!]!;
  return to;
}

function pickCodes(
  codes: Uint8Array | Uint16Array,
  selection: Int32Array | Uint16Array,
  count: number,
): Uint8Array | Uint16Array {
  return codes.BYTES_PER_ELEMENT === 1
    ? pick(codes as Uint8Array, new Uint8Array(count), selection)
    : pick(codes as Uint16Array, new Uint16Array(count), selection);
}

function pickValues(values: readonly unknown[], selection: Int32Array | Uint16Array, count: number): unknown[] {
  const picked = new Array<unknown>(count);
  for (let index = 0; index < count; index++) picked[index] = values[selection[index]!];
  return picked;
}
