/**
 * + - * / % and the sign, with PostgreSQL's rules.
 *
 *   int4, int8   exact, overflow is an error, division truncates towards zero
 *   numeric      exact; division keeps at least 16 significant digits
 *   float8       IEEE 754; overflow to infinity is an error, underflow is not
 *   times        timestamptz +- interval, timestamptz - timestamptz, date +- days, interval * number
 *
 * The type of a result follows from the values' types alone (design: a number of an undeclared path is float8), and
 * `arithmeticType` says so beforehand. Division by zero is an error for every type.
 */

import { Decimal } from '@ashlar/api';
import { unreachable } from '@ashlar/core';
import { addInterval, isTimeInRange } from './datetime.ts';
import type { ArithmeticOperator } from './expr.ts';
import { divisionByZero, failure, outOfRange } from './failure.ts';
import { DAY_MS, Interval } from './interval.ts';
import type { SqlType } from './types.ts';
import { type RowValue, typeName, typeOf } from './values.ts';

export const INT4_MAX = 2147483647;
export const INT4_MIN = -2147483648;
export const INT8_MAX = 2n ** 63n - 1n;
export const INT8_MIN = -(2n ** 63n);

const SIGNIFICANT_DIGITS_MIN = 16;
const DIVISION_SCALE_MAX = 1000;
/** PostgreSQL keeps numerics in digits of 10 000; the scale of a quotient counts in them. */
const DIGITS_OF_A_PLACE = 4;

/** From the narrowest to the widest: the result of two numbers is of the wider type. */
const NUMERIC_RANK: Partial<Readonly<Record<SqlType, number>>> = { int4: 0, int8: 1, numeric: 2, float8: 3 };
const NUMERIC_BY_RANK: readonly SqlType[] = ['int4', 'int8', 'numeric', 'float8'];

/** The wider of two numeric types, or undefined when one is not numeric. */
export function widerNumeric(a: SqlType, b: SqlType): SqlType | undefined {
  const left = NUMERIC_RANK[a];
  const right = NUMERIC_RANK[b];
  return left === undefined || right === undefined ? undefined : NUMERIC_BY_RANK[Math.max(left, right)];
}

/**
 * The type of `left operator right`; `any` when it is decided row by row.
 *
 * @returns undefined when there is no such operator
 */
export function arithmeticType(operator: ArithmeticOperator, left: SqlType, right: SqlType): SqlType | undefined {
  if (left === 'any' || right === 'any' || left === 'json' || right === 'json') return 'any';
  if (left === 'null' || right === 'null') return left === 'null' ? right : left;
  return widerNumeric(left, right) ?? timeType(operator, left, right);
}

/** Whether there is `left operator right` for values of these types. */
export function hasOperator(operator: ArithmeticOperator, left: SqlType, right: SqlType): boolean {
  return (widerNumeric(left, right) ?? timeType(operator, left, right)) !== undefined;
}

function timeType(operator: ArithmeticOperator, left: SqlType, right: SqlType): SqlType | undefined {
  const isTime = (type: SqlType) => type === 'timestamptz' || type === 'date';
  const isInteger = (type: SqlType) => type === 'int4' || type === 'int8';
  if (operator === '+' || operator === '-') {
    if (left === 'interval' && right === 'interval') return 'interval';
    if (isTime(left) && right === 'interval') return 'timestamptz';
    if (left === 'date' && isInteger(right)) return 'date';
    if (operator === '-' && isTime(left) && isTime(right)) {
      return left === 'date' && right === 'date' ? 'int4' : 'interval';
    }
    if (operator === '+' && (left === 'interval' || isInteger(left)) && isTime(right)) {
      return timeType('+', right, left);
    }
  }
  if (left === 'interval' && (operator === '*' || operator === '/') && NUMERIC_RANK[right] !== undefined) {
    return 'interval';
  }
  return operator === '*' && right === 'interval' && NUMERIC_RANK[left] !== undefined ? 'interval' : undefined;
}

/**
 * `left operator right` of values that are not null, whose static types are given.
 *
 * @returns a value of the type that arithmeticType gives for the values' own types
 * @throws GridError TYPE_MISMATCH, NUMERIC_OVERFLOW, DIVISION_BY_ZERO
 */
export function arithmetic(
  operator: ArithmeticOperator,
  left: RowValue,
  leftType: SqlType,
  right: RowValue,
  rightType: SqlType,
  at: number,
): RowValue {
  const a = typeOf(left, leftType);
  const b = typeOf(right, rightType);
  const type = widerNumeric(a, b);
  switch (type) {
    case undefined:
      return timeArithmetic(operator, left, a, right, b, at);
    case 'float8':
      return floatArithmetic(operator, numberOf(left), numberOf(right), at);
    case 'int4':
      return int4Arithmetic(operator, left as number, right as number, at);
    case 'int8':
      return int8Arithmetic(operator, BigInt(left as number), BigInt(right as number), at);
    default:
      return numericArithmetic(operator, decimalOf(left), decimalOf(right), at);
  }
}

function numberOf(value: RowValue): number {
  return Decimal.is(value) ? value.toNumber() : Number(value);
}

function decimalOf(value: RowValue): Decimal {
  return Decimal.is(value) ? value : Decimal.of(BigInt(value as number | bigint), 0);
}

function floatArithmetic(operator: ArithmeticOperator, a: number, b: number, at: number): number {
  if ((operator === '/' || operator === '%') && b === 0) throw divisionByZero(at);
  const result = applyFloat(operator, a, b);
  if (Number.isFinite(result) || Number.isNaN(result) || !Number.isFinite(a) || !Number.isFinite(b)) return result;
  throw outOfRange('value of double precision', at);
}

function applyFloat(operator: ArithmeticOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    default:
      return unreachable(operator);
  }
}

function int4Arithmetic(operator: ArithmeticOperator, a: number, b: number, at: number): number {
  if ((operator === '/' || operator === '%') && b === 0) throw divisionByZero(at);
  // + 0 makes -0 to 0; products of int4 are below 2^62, so a wrong last digit is out of range anyway
  const result = (operator === '/' ? Math.trunc(a / b) : applyFloat(operator, a, b)) + 0;
  if (result > INT4_MAX || result < INT4_MIN) throw outOfRange('integer', at);
  return result;
}

function int8Arithmetic(operator: ArithmeticOperator, a: bigint, b: bigint, at: number): bigint {
  if ((operator === '/' || operator === '%') && b === 0n) throw divisionByZero(at);
  return checkInt8(applyBigint(operator, a, b), at);
}

function applyBigint(operator: ArithmeticOperator, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    default:
      return unreachable(operator);
  }
}

/** The value itself when it is an int8. */
export function checkInt8(value: bigint, at: number): bigint {
  if (value > INT8_MAX || value < INT8_MIN) throw outOfRange('bigint', at);
  return value;
}

function numericArithmetic(operator: ArithmeticOperator, a: Decimal, b: Decimal, at: number): Decimal {
  switch (operator) {
    case '+':
      return a.plus(b);
    case '-':
      return a.minus(b);
    case '*':
      return a.times(b);
    case '/':
      if (b.unscaled === 0n) throw divisionByZero(at);
      return a.dividedBy(b, quotientScale(a, b));
    case '%': {
      if (b.unscaled === 0n) throw divisionByZero(at);
      const scale = Math.max(a.scale, b.scale);
      return Decimal.of(a.rescale(scale).unscaled % b.rescale(scale).unscaled, scale);
    }
    default:
      return unreachable(operator);
  }
}

/**
 * Digits after the point of a quotient: at least 16 significant ones, and those of both operands.
 *
 * @see select_div_scale in PostgreSQL's numeric.c
 */
function quotientScale(a: Decimal, b: Decimal): number {
  const [weightA, firstA] = leadingPlace(a);
  const [weightB, firstB] = leadingPlace(b);
  const weight = weightA - weightB - (firstA <= firstB ? 1 : 0);
  const scale = SIGNIFICANT_DIGITS_MIN - weight * DIGITS_OF_A_PLACE;
  return Math.min(DIVISION_SCALE_MAX, Math.max(scale, a.scale, b.scale, 0));
}

/** The weight of the first place (of 10 000) that is not zero, and its digit. */
function leadingPlace(value: Decimal): readonly [weight: number, digit: number] {
  if (value.unscaled === 0n) return [0, 0];
  const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  const exponent = digits.length - 1 - value.scale;
  const weight = Math.floor(exponent / DIGITS_OF_A_PLACE);
  const count = exponent - weight * DIGITS_OF_A_PLACE + 1;
  return [weight, Number(digits.slice(0, count).padEnd(count, '0'))];
}

function timeArithmetic(
  operator: ArithmeticOperator,
  left: RowValue,
  a: SqlType,
  right: RowValue,
  b: SqlType,
  at: number,
): RowValue {
  const type = timeType(operator, a, b);
  if (type === undefined) {
    throw failure('TYPE_MISMATCH', `no operator ${typeName(a)} ${operator} ${typeName(b)}`, at);
  }
  if (type === 'interval') return intervalResult(operator, left, right, at);
  const leftIsTime = a === 'timestamptz' || a === 'date';
  const time = ((leftIsTime ? left : right) as Date).getTime();
  const other = leftIsTime ? right : left;
  if (type === 'int4') return Math.round((time - (other as Date).getTime()) / DAY_MS);
  const span = Interval.is(other) ? other : new Interval(0, Number(other), 0);
  const result = addInterval(time, operator === '-' ? span.negate() : span);
  if (!isTimeInRange(result)) throw outOfRange(typeName(type), at);
  return new Date(result);
}

function intervalResult(operator: ArithmeticOperator, left: RowValue, right: RowValue, at: number): Interval {
  const result = Interval.is(left) ? intervalBy(operator, left, right, at) : intervalFrom(left, right);
  if (!result.isInRange) throw outOfRange('interval', at);
  return result;
}

function intervalFrom(left: RowValue, right: RowValue): Interval {
  return Interval.is(right) ? right.times(numberOf(left)) : between(left as Date, right as Date);
}

function intervalBy(operator: ArithmeticOperator, left: Interval, right: RowValue, at: number): Interval {
  if (Interval.is(right)) return left.plus(operator === '-' ? right.negate() : right);
  const factor = numberOf(right);
  if (operator === '/' && factor === 0) throw divisionByZero(at);
  return operator === '/' ? left.dividedBy(factor) : left.times(factor);
}

/** Days and time; never months, as in PostgreSQL. */
function between(later: Date, earlier: Date): Interval {
  const difference = later.getTime() - earlier.getTime();
  const days = Math.trunc(difference / DAY_MS);
  return new Interval(0, days, difference - days * DAY_MS);
}

/**
 * `- value` of a value that is not null.
 *
 * @throws GridError TYPE_MISMATCH, NUMERIC_OVERFLOW
 */
export function negate(value: RowValue, type: SqlType, at: number): RowValue {
  if (typeof value === 'number') {
    if (type !== 'int4') return -value;
    if (value === INT4_MIN) throw outOfRange('integer', at);
    return 0 - value;
  }
  if (typeof value === 'bigint') return checkInt8(-value, at);
  if (Decimal.is(value) || Interval.is(value)) return value.negate();
  throw failure('TYPE_MISMATCH', `no operator - ${typeName(typeOf(value, type))}`, at);
}
