/**
 * Casts: which there are, and what they do.
 *
 * `implicit` casts lose nothing and happen where types meet; `explicit` ones are written by the user.
 */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { checkInt8, INT4_MAX, INT4_MIN, widerNumeric } from './arithmetic.ts';
import { dayOf, parseTime } from './datetime.ts';
import { failure, outOfRange } from './failure.ts';
import { Interval, parseInterval } from './interval.ts';
import { formatValue } from './text-form.ts';
import type { SqlType } from './types.ts';
import { type RowValue, typeName, typeOf, withArticle } from './values.ts';

/** Pairs besides those of numbers with numbers, text with everything and `any`. */
const OTHER_EXPLICIT = new Set([
  'boolean int4',
  'int4 boolean',
  'timestamptz date',
  'json boolean',
  'json int4',
  'json int8',
  'json float8',
  'json numeric',
]);

/** How a value of type `from` may become one of type `to`; undefined: not at all. */
export function castTypes(from: SqlType, to: SqlType): 'implicit' | 'explicit' | undefined {
  if (from === to || from === 'null' || to === 'any') return 'implicit';
  const wider = widerNumeric(from, to);
  if (wider !== undefined) return wider === to ? 'implicit' : 'explicit';
  if (from === 'date' && to === 'timestamptz') return 'implicit';
  if (to === 'null') return undefined;
  const known = from === 'any' || from === 'text' || to === 'text' || OTHER_EXPLICIT.has(`${from} ${to}`);
  return known ? 'explicit' : undefined;
}

/** The error for a pair of types without a cast. */
export function noSuchCast(from: SqlType, to: SqlType, at: number) {
  return failure('INVALID_CAST', `cannot cast ${typeName(from)} to ${typeName(to)}`, at);
}

/**
 * `CAST(value AS to)`.
 *
 * @param value null stays null
 * @param from the static type of the value; decides between int4 and float8, date and timestamptz
 * @throws GridError INVALID_CAST when there is no such cast or the text does not read as the type; NUMERIC_OVERFLOW
 */
export function castValue(value: unknown, to: SqlType, at: number, from: SqlType = 'any'): RowValue {
  if (value === null || value === undefined) return null;
  const given = value as RowValue;
  switch (to) {
    case 'text':
      return formatValue(given, from);
    case 'int4':
      return toInt4(given, from, at);
    case 'int8':
      return toInt8(given, from, at);
    case 'float8':
      return toFloat(given, from, at);
    case 'numeric':
      return toNumeric(given, from, at);
    case 'boolean':
      return toBoolean(given, from, at);
    case 'timestamptz':
    case 'date':
      return toTime(given, to, from, at);
    case 'interval':
      return toInterval(given, from, at);
    case 'bytea':
      return toBytes(given, from, at);
    case 'json':
      return typeof given === 'string' && from !== 'json' ? parseJson(given, at) : given;
    default:
      return given;
  }
}

function noCast(value: RowValue, from: SqlType, to: SqlType, at: number) {
  return noSuchCast(typeOf(value, from), to, at);
}

function unreadable(text: string, to: SqlType, at: number) {
  return failure('INVALID_CAST', `not ${withArticle(typeName(to))}: ${JSON.stringify(text.slice(0, 60))}`, at);
}

const INTEGER = /^\s*[+-]?\d+\s*$/;

/** A number rounded to an integer as PostgreSQL rounds its type: floats to even, numerics away from zero. */
function integerOf(value: RowValue, to: 'int4' | 'int8', from: SqlType, at: number): number | bigint {
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return roundToEven(value);
    throw outOfRange(typeName(to), at);
  }
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean' && to === 'int4') return Number(value);
  if (Decimal.is(value)) return value.rescale(0).unscaled;
  if (typeof value !== 'string') throw noCast(value, from, to, at);
  if (!INTEGER.test(value) || value.length > 100) throw unreadable(value, to, at);
  return BigInt(value.trim().replace(/^\+/, ''));
}

/** The nearest integer; ties go to the even one. */
export function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function toInt4(value: RowValue, from: SqlType, at: number): number {
  const integer = Number(integerOf(value, 'int4', from, at));
  if (integer > INT4_MAX || integer < INT4_MIN) throw outOfRange('integer', at);
  return integer + 0;
}

function toInt8(value: RowValue, from: SqlType, at: number): bigint {
  return checkInt8(BigInt(integerOf(value, 'int8', from, at)), at);
}

const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const FLOAT_NAMES: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['infinity', Infinity],
  ['inf', Infinity],
  ['+infinity', Infinity],
  ['+inf', Infinity],
  ['-infinity', -Infinity],
  ['-inf', -Infinity],
]);

function toFloat(value: RowValue, from: SqlType, at: number): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return parseFloat8(value, at);
  if (typeof value !== 'bigint' && !Decimal.is(value)) throw noCast(value, from, 'float8', at);
  const double = typeof value === 'bigint' ? Number(value) : value.toNumber();
  if (!Number.isFinite(double)) throw outOfRange(typeName('float8'), at);
  return double;
}

function parseFloat8(text: string, at: number): number {
  const trimmed = text.trim();
  const named = FLOAT_NAMES.get(trimmed.toLowerCase());
  if (named !== undefined) return named;
  if (!FLOAT.test(trimmed)) throw unreadable(text, 'float8', at);
  const double = Number(trimmed);
  if (!Number.isFinite(double)) throw outOfRange(typeName('float8'), at);
  return double;
}

function toNumeric(value: RowValue, from: SqlType, at: number): Decimal {
  if (Decimal.is(value)) return value;
  if (typeof value === 'bigint') return Decimal.of(value, 0);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw outOfRange('numeric', at);
    // 15 significant digits, as PostgreSQL's float8_numeric
    return Decimal.parse(from === 'int4' ? String(value) : String(Number(value.toPrecision(15))));
  }
  if (typeof value !== 'string') throw noCast(value, from, 'numeric', at);
  if (!FLOAT.test(value.trim())) throw unreadable(value, 'numeric', at);
  return Decimal.parse(value);
}

/** Whether a text may read as a value of the type; where it may not, casting it is an error. */
export function mayReadAs(text: string, to: SqlType): boolean {
  switch (to) {
    case 'int4':
    case 'int8':
      return INTEGER.test(text);
    case 'float8':
      return FLOAT.test(text.trim()) || Object.hasOwn(FLOAT_NAMES, text.trim().toLowerCase());
    case 'numeric':
      return FLOAT.test(text.trim());
    case 'boolean':
      return TRUE_TEXT.test(text.trim()) || FALSE_TEXT.test(text.trim());
    default:
      return true;
  }
}

const TRUE_TEXT = /^(?:t|tr|tru|true|y|ye|yes|on|1)$/i;
const FALSE_TEXT = /^(?:f|fa|fal|fals|false|n|no|of|off|0)$/i;

function toBoolean(value: RowValue, from: SqlType, at: number): boolean {
  if (typeof value === 'boolean') return value;
  // numbers of documents too, though double precision has no such cast
  if (typeof value === 'number' && from !== 'float8') return value !== 0;
  if (typeof value !== 'string') throw noCast(value, from, 'boolean', at);
  const text = value.trim();
  if (TRUE_TEXT.test(text)) return true;
  if (FALSE_TEXT.test(text)) return false;
  throw unreadable(value, 'boolean', at);
}

function toTime(value: RowValue, to: 'timestamptz' | 'date', from: SqlType, at: number): Date {
  if (types.isDate(value)) {
    return to === 'timestamptz' || from === 'date' ? value : new Date(dayOf(value.getTime()));
  }
  if (typeof value !== 'string') throw noCast(value, from, to, at);
  const time = parseTime(value);
  if (time === undefined) throw unreadable(value, to, at);
  return new Date(to === 'date' ? dateOfText(value, time) : time);
}

/** A date is the day that is written, whatever the zone behind it. */
function dateOfText(text: string, time: number): number {
  const day = /^\s*(\S+?)(?:[\sT]|$)/.exec(text)?.[1] ?? text;
  return parseTime(/\bBC\b/i.test(text) ? `${day} BC` : day) ?? dayOf(time);
}

function toInterval(value: RowValue, from: SqlType, at: number): Interval {
  if (Interval.is(value)) return value;
  if (typeof value !== 'string') throw noCast(value, from, 'interval', at);
  const interval = parseInterval(value);
  if (interval === undefined) throw unreadable(value, 'interval', at);
  return interval;
}

function toBytes(value: RowValue, from: SqlType, at: number): Uint8Array {
  if (types.isUint8Array(value)) return value;
  if (typeof value !== 'string') throw noCast(value, from, 'bytea', at);
  if (!value.startsWith('\\x')) return new Uint8Array(Buffer.from(value, 'utf8'));
  const hex = value.slice(2).replace(/\s/g, '');
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(hex)) throw unreadable(value, 'bytea', at);
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

/** Texts that may hold a number which JSON.parse rounds. */
const LONG_NUMBER = /\d{16}|[eE]\+?\d/;

/** Whole numbers that no double holds are bigints, as where files are imported. */
function parseJson(text: string, at: number): RowValue {
  const exactNumbers = (_name: string, value: unknown, context?: { readonly source?: string }): unknown => {
    if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
    if (!Number.isFinite(value)) throw outOfRange('a number in json', at);
    return /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  };
  try {
    return JSON.parse(text, LONG_NUMBER.test(text) ? exactNumbers : undefined) as RowValue;
  } catch (error) {
    if (GridError.is(error)) throw error;
    throw unreadable(text, 'json', at);
  }
}

/**
 * A value of an expression of type `from` as one of type `to`, where both meet in a CASE, COALESCE, IN or set
 * operation: only the casts that lose nothing.
 */
export function conform(value: RowValue, from: SqlType, to: SqlType): RowValue {
  if (value === null || from === to) return value;
  switch (to) {
    case 'int8':
      return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'numeric':
      return typeof value === 'bigint' || typeof value === 'number' ? toNumeric(value, from, -1) : value;
    case 'float8':
      return typeof value === 'bigint' || Decimal.is(value) ? toFloat(value, from, -1) : value;
    default:
      return value;
  }
}

/** The type that values of all these types become where they meet; undefined when there is none. */
export function commonType(given: readonly SqlType[]): SqlType | undefined {
  let common: SqlType = 'null';
  for (const type of given) {
    const next: SqlType | undefined = common === 'null' ? type : meet(common, type);
    if (next === undefined) return undefined;
    common = next;
  }
  return common;
}

function meet(a: SqlType, b: SqlType): SqlType | undefined {
  if (a === b || b === 'null') return a;
  if (a === 'any' || b === 'any' || a === 'json' || b === 'json') return 'any';
  const isTimes = (a === 'date' && b === 'timestamptz') || (a === 'timestamptz' && b === 'date');
  return isTimes ? 'timestamptz' : widerNumeric(a, b);
}
