/**
 * Values of rows as JavaScript values, and how they carry their SQL type.
 *
 *   document or vector -> RowValue (+ static type of the expression) -> leaf functions -> RowValue -> vector
 *
 * values V1  null is SQL NULL and also a missing path; `undefined` never appears.
 * values V2  A number is int4 where the static type says int4, else float8; a Date is a date where the static type says
 *            date, else timestamptz. Every other value is its own type. So the static type and the value together fix the
 *            tag, and a value that flows into `any` becomes what a document could hold: an int4 becomes float8, a date
 *            timestamptz.
 */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';
import { Interval } from './interval.ts';
import type { OddRows } from './odd-rows.ts';
import { type SqlType, Tag } from './types.ts';

/** One value of one row. Objects: Uint8Array, Date, Decimal, Interval, else JSON (plain objects and arrays). */
export type RowValue = null | boolean | number | bigint | string | object;

/** Everything that an expression may read besides its row. */
export interface EvalContext {
  /** Typed values, null | boolean | number | bigint | string | Uint8Array | Date | Decimal | object; $1 is the first. */
  readonly parameters: readonly unknown[];
  /** The statement's time, milliseconds since 1970: now(), current_date. Absent: read from the system once a context. */
  readonly nowMs?: number | undefined;
  /** Counts rows whose values an undeclared path makes NULL (lax). Absent: such rows are errors (strict). */
  readonly oddRows?: OddRows | undefined;
  /** A row that divides by a zero of its own ends with RowDividesByZero instead of an error. */
  readonly dropsDivisionByZero?: boolean | undefined;
}

/** The tag of a value alone: numbers are float8, Dates timestamps (values V2 for where the static type says otherwise). */
export function tagOf(value: RowValue): Tag {
  switch (typeof value) {
    case 'number':
      return Tag.NUMBER;
    case 'string':
      return Tag.TEXT;
    case 'boolean':
      return Tag.BOOLEAN;
    case 'bigint':
      return Tag.BIGINT;
    default:
      return value === null || value === undefined ? Tag.NULL : tagOfObject(value);
  }
}

function tagOfObject(value: object): Tag {
  if (Decimal.is(value)) return Tag.DECIMAL;
  if (types.isDate(value)) return Tag.TIMESTAMP;
  if (types.isUint8Array(value)) return Tag.BYTES;
  return Interval.is(value) ? Tag.INTERVAL : Tag.JSON;
}

/** The tag of a value of an expression of static type `type`. */
export function tagIn(value: RowValue, type: SqlType): Tag {
  const tag = tagOf(value);
  if (tag === Tag.NUMBER && type === 'int4') return Tag.INT;
  return tag === Tag.TIMESTAMP && type === 'date' ? Tag.DATE : tag;
}

const TYPES: readonly SqlType[] = [
  'null',
  'null',
  'boolean',
  'float8',
  'int4',
  'timestamptz',
  'date',
  'int8',
  'numeric',
  'text',
  'bytea',
  'interval',
  'json',
];

/** The SQL type that values of a tag have. */
export function typeOfTag(tag: Tag): SqlType {
  return TYPES[tag]!;
}

/** The SQL type of a value found in an expression of static type `type`. */
export function typeOf(value: RowValue, type: SqlType): SqlType {
  return typeOfTag(tagIn(value, type));
}

const TYPE_NAMES: Readonly<Record<SqlType, string>> = {
  boolean: 'boolean',
  int4: 'integer',
  int8: 'bigint',
  float8: 'number (double precision)',
  numeric: 'numeric',
  text: 'text',
  bytea: 'bytea',
  timestamptz: 'timestamp with time zone',
  date: 'date',
  interval: 'interval',
  json: 'json',
  any: 'any',
  null: 'NULL',
};

/** How errors call a type. */
export function typeName(type: SqlType): string {
  return TYPE_NAMES[type];
}

/** `an integer`, `a date`, `text`: a kind of value within a sentence. */
export function withArticle(kind: string): string {
  if (/^(text|bytea|bytes|json|numeric)$/.test(kind)) return kind;
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

const startedAtMs = new WeakMap<EvalContext, number>();

/** The statement's time: one value for all rows of a context. */
export function nowOf(context: EvalContext): number {
  if (context.nowMs !== undefined) return context.nowMs;
  const known = startedAtMs.get(context);
  if (known !== undefined) return known;
  const nowMs = Date.now();
  startedAtMs.set(context, nowMs);
  return nowMs;
}
