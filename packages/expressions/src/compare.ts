/**
 * How values of SQL compare.
 *
 * `=`, `<` ... of SQL and the total order of ORDER BY, min and max see numbers alike: by exact value, whatever their kinds
 * (exact.ts). They differ in what has no order: an error here, or its own place there.
 * Text compares by code points, which is the order of its UTF-8 bytes (PostgreSQL's "C" collation).
 */
import { types } from 'node:util';
import { compareDoubles, compareExactly, isNumber } from './exact.ts';
import { failure } from './failure.ts';
import { Interval } from './interval.ts';
import { type SqlType, Tag } from './types.ts';
import { type RowValue, tagOf, typeName, typeOf } from './values.ts';

const FIRST_SURROGATE = 0xd800;
const AFTER_SURROGATES = 0xe000;

/** Negative, 0 or positive as `a` sorts before, with or after `b` by code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const common = Math.min(a.length, b.length);
  for (let index = 0; index < common; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rankOfUnit(left) - rankOfUnit(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF, so they sort above the rest of the units. */
function rankOfUnit(unit: number): number {
  return unit >= FIRST_SURROGATE && unit < AFTER_SURROGATES ? unit + 0x10000 : unit;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let index = 0; index < common; index++) {
    const difference = a[index]! - b[index]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Compares two non-null values of one kind that is not numeric, or gives undefined when kinds differ. */
function compareSameKind(a: RowValue, b: RowValue, tag: Tag): number | undefined {
  if (tag !== tagOf(b)) return undefined;
  switch (tag) {
    case Tag.TEXT:
      return compareText(a as string, b as string);
    case Tag.BOOLEAN:
      return Number(a) - Number(b);
    case Tag.TIMESTAMP:
      return compareDoubles((a as Date).getTime(), (b as Date).getTime());
    case Tag.BYTES:
      return compareBytes(a as Uint8Array, b as Uint8Array);
    case Tag.INTERVAL:
      return compareDoubles((a as Interval).comparable, (b as Interval).comparable);
    default:
      return compareJson(a, b);
  }
}

/** jsonb's order of kinds: null < text < number < boolean < others < array < object. */
function jsonRank(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string') return 1;
  if (isNumber(value as RowValue)) return 2;
  if (typeof value === 'boolean') return 3;
  if (types.isDate(value)) return 4;
  if (types.isUint8Array(value)) return 5;
  return Array.isArray(value) ? 6 : Interval.is(value) ? 7 : 8;
}

/** The order of documents: by kind, then arrays by length and elements, objects by size, sorted names and values. */
function compareJson(a: unknown, b: unknown): number {
  const rank = jsonRank(a);
  const difference = rank - jsonRank(b);
  if (difference !== 0 || rank === 0) return difference;
  if (rank === 2) return compareExactly(a as number, b as number);
  if (rank < 6 || rank === 7) return compareSameKind(a as RowValue, b as RowValue, tagOf(a as RowValue))!;
  return rank === 6 ? compareArrays(a as unknown[], b as unknown[]) : compareObjects(a as object, b as object);
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let index = 0; index < a.length; index++) {
    const difference = compareJson(a[index], b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareObjects(a: object, b: object): number {
  const left = fieldsOf(a);
  const right = fieldsOf(b);
  if (left.length !== right.length) return left.length - right.length;
  for (let index = 0; index < left.length; index++) {
    const byName = compareText(left[index]![0], right[index]![0]);
    if (byName !== 0) return byName;
    const byValue = compareJson(left[index]![1], right[index]![1]);
    if (byValue !== 0) return byValue;
  }
  return 0;
}

function fieldsOf(value: object): [string, unknown][] {
  return Object.entries(value).sort((a, b) => compareText(a[0], b[0]));
}

/**
 * SQL's comparison of two values that are not null.
 *
 * @returns negative, 0 or positive, or undefined when their types cannot be compared
 */
export function compareLoosely(a: RowValue, b: RowValue): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (isNumber(a)) return isNumber(b) ? compareExactly(a, b) : undefined;
  return compareSameKind(a, b, tagOf(a));
}

/**
 * The total order of ORDER BY, min and max for values that are not null.
 *
 * @throws GridError TYPE_MISMATCH when one column mixes types that have no common order
 */
export function compareValues(a: RowValue, b: RowValue): number {
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  const order = isNumber(a) ? (isNumber(b) ? compareExactly(a, b) : undefined) : compareSameKind(a, b, tagOf(a));
  if (order !== undefined) return order;
  const names = [a, b].map((value) => typeName(typeOf(value, 'any')));
  throw failure('TYPE_MISMATCH', `cannot order ${names[0]} and ${names[1]} in one column`, -1);
}

/**
 * The same over values of any kinds, which never fails: by kind as documents are ordered (text, numbers, booleans, times,
 * bytes, arrays, intervals, objects), then by value.
 */
export function compareAcrossKinds(a: RowValue, b: RowValue): number {
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  return compareJson(a, b);
}

/** Whether values of the two static types can be compared; `any` is decided row by row. */
export function comparableTypes(a: SqlType, b: SqlType): boolean {
  const left = comparisonClass(a);
  const right = comparisonClass(b);
  return left === right || left === 'any' || right === 'any';
}

function comparisonClass(type: SqlType): string {
  if (type === 'any' || type === 'null' || type === 'json') return 'any';
  if (type === 'int4' || type === 'int8' || type === 'float8' || type === 'numeric') return 'number';
  return type === 'date' ? 'timestamptz' : type;
}
