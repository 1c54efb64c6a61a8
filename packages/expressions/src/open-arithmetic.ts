/**
 * + - * / % where a value of an undeclared path takes part, whose numbers may be of any kind.
 *
 *   number, number                 double
 *   bigint, bigint                 exact; a quotient is a double within 2^53, else numeric: it is never truncated
 *   number, bigint within 2^53     double
 *   number, wide bigint | Decimal  numeric, the number as the decimal that it prints as: no digit is lost on the way
 *
 * open-arithmetic O1  A literal or parameter takes the kind of the row's value: beside a number a Decimal of the statement
 *                     is a double, beside a bigint a whole number of the statement is a bigint.
 * open-arithmetic O2  Where the planner knows that a path holds bigints alone (`int8`), integers are PostgreSQL's: quotients
 *                     truncate. A sum of bigints (`whole`) has no bounds.
 */
import { Decimal } from '@ashlar/api';
import { arithmetic } from './arithmetic.ts';
import { type AnyNumber, toDouble } from './exact.ts';
import type { ArithmeticOperator, Expr, NumberReading } from './expr.ts';
import { hasColumns } from './expr-parts.ts';
import type { SqlType } from './types.ts';
import { type RowValue, typeOf } from './values.ts';

/** One side of an operator, as far as its expression says. */
export interface Side {
  readonly type: SqlType;
  /** The same for all rows. */
  readonly isConstant: boolean;
}

export function sideOf(expr: Expr): Side {
  return { type: expr.type, isConstant: !hasColumns(expr) };
}

/**
 * `a operator b` of values that are not null.
 *
 * @throws GridError as arithmetic
 */
export function openArithmetic(
  operator: ArithmeticOperator,
  a: RowValue,
  left: Side,
  b: RowValue,
  right: Side,
  reading: NumberReading | undefined,
  at: number,
): RowValue {
  // By far the most rows: two doubles.
  if (typeof a === 'number' && typeof b === 'number') return arithmetic(operator, a, left.type, b, right.type, at);
  const types = [typeOf(a, left.type), typeOf(b, right.type)] as const;
  if (types.every(isInteger)) return ofIntegers(operator, a, b, types, reading, at);
  if (isWholeOfStatement(a, left, b))
    return ofIntegers(operator, BigInt(a as number), b, ['int8', 'int8'], reading, at);
  if (isWholeOfStatement(b, right, a))
    return ofIntegers(operator, a, BigInt(b as number), ['int8', 'int8'], reading, at);
  const isMixed = isDouble(types[0], a) ? isExact(types[1]) : isDouble(types[1], b) && isExact(types[0]);
  if (!isMixed || takesDouble(a, b, left, right)) return arithmetic(operator, a, left.type, b, right.type, at);
  return arithmetic(operator, decimalOf(a as AnyNumber), 'numeric', decimalOf(b as AnyNumber), 'numeric', at);
}

const isWholeOfStatement = (value: RowValue, { isConstant }: Side, other: RowValue): boolean =>
  isConstant && typeof other === 'bigint' && Number.isSafeInteger(value);

const isInteger = (type: SqlType): boolean => type === 'int4' || type === 'int8';
const isExact = (type: SqlType): boolean => type === 'int8' || type === 'numeric';
const isDouble = (type: SqlType, value: RowValue): boolean => type === 'float8' && Number.isFinite(value);

function ofIntegers(
  operator: ArithmeticOperator,
  a: RowValue,
  b: RowValue,
  types: readonly [SqlType, SqlType],
  reading: NumberReading | undefined,
  at: number,
): RowValue {
  if (reading === 'whole' && operator !== '/' && operator !== '%') {
    const [x, y] = [BigInt(a as number | bigint), BigInt(b as number | bigint)];
    return operator === '+' ? x + y : operator === '-' ? x - y : x * y;
  }
  if (reading === 'int8' || operator !== '/') return arithmetic(operator, a, types[0], b, types[1], at);
  const type = isSafe(a) && isSafe(b) ? 'float8' : 'numeric';
  const [x, y] = type === 'float8' ? [Number(a), Number(b)] : [decimalOf(a as bigint), decimalOf(b as bigint)];
  return arithmetic('/', x, type, y, type, at);
}

/** Whether a double and an exact number are calculated as doubles: the exact one loses nothing, or is the statement's. */
function takesDouble(a: RowValue, b: RowValue, left: Side, right: Side): boolean {
  const isLeftExact = typeof a !== 'number';
  const [exact, side, other] = isLeftExact ? [a, left, right] : [b, right, left];
  return (side.isConstant && !other.isConstant) || (typeof exact === 'bigint' && isSafe(exact));
}

const isSafe = (value: RowValue): boolean => Number.isSafeInteger(Number(value));

function decimalOf(value: AnyNumber): Decimal {
  if (Decimal.is(value)) return value;
  if (typeof value === 'bigint') return Decimal.of(value, 0);
  return Number.isInteger(value) ? Decimal.of(BigInt(value), 0) : Decimal.parse(String(value));
}

/** The sum of a double and an exact number: a double where that holds every digit of the exact one, else a Decimal. */
export function plusExact(double: number, exact: bigint | Decimal): number | Decimal {
  const isLossless = typeof exact === 'bigint' && isSafe(exact);
  if (isLossless || !Number.isFinite(double)) return double + toDouble(exact);
  return decimalOf(double).plus(decimalOf(exact));
}
