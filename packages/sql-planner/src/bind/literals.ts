/**
 * String literals have no type of their own: as in PostgreSQL they take that of what they meet, and are read as it at
 * once, so that `balance > 'x'::int4` fails while it is planned and with its place.
 */
import type { TextPosition } from '@ashlar/core';
import { type ArithmeticOperator, castValue, commonType, type Expr, type SqlType } from '@ashlar/expressions';
import { isNumeric, isOpen, mismatch } from './types.ts';

const isUntyped = (expr: Expr): boolean => expr.kind === 'literal' && expr.type === 'text';

/**
 * A cast. That of a literal is tried.
 *
 * @throws GridError INVALID_CAST, NUMERIC_OVERFLOW with details.offset
 */
export function castTo(operand: Expr, type: SqlType, at: number): Expr {
  if (operand.kind === 'literal' && operand.type === 'text') castValue(operand.value, type, operand.at, 'text');
  return { kind: 'cast', operand, type, at };
}

/**
 * A string literal as one of `type`, and a parameter with the text that it may bring read as that; every other expression,
 * and what meets no type, as it is.
 */
export function adopt(expr: Expr, type: SqlType | undefined): Expr {
  if (expr.kind === 'parameter') return readingTextAs(expr, type);
  if (!isUntyped(expr) || type === undefined || isOpen(type) || type === 'text' || type === 'json') return expr;
  return castTo(expr, type, expr.at);
}

/** Numbers and times that a parameter brings stay as they are: only a text is what it meets. */
function readingTextAs(expr: Extract<Expr, { kind: 'parameter' }>, type: SqlType | undefined): Expr {
  if (expr.type !== 'any' || expr.beside !== undefined || type === undefined) return expr;
  if (isNumeric(type)) return { ...expr, beside: 'number' };
  if (type === 'timestamptz' || type === 'date') return { ...expr, beside: 'timestamptz' };
  return type === 'boolean' ? { ...expr, beside: 'boolean' } : expr;
}

/**
 * An expression as a condition: a string literal, and a text that a parameter brings, are read as a boolean.
 *
 * @throws GridError TYPE_MISMATCH unless it may be true or false; INVALID_CAST for a literal that reads as neither
 */
export function expectBoolean(expr: Expr, what: string, position: TextPosition): Expr {
  if (expr.kind === 'parameter' && expr.type === 'any') return { ...expr, beside: 'boolean' };
  if (isUntyped(expr)) return castTo(expr, 'boolean', expr.at);
  if (expr.type === 'boolean' || isOpen(expr.type)) return expr;
  throw mismatch(`${what} must be boolean, not ${expr.type}`, position);
}

/**
 * Expressions whose values must be of one type: results of CASE, arguments of COALESCE, two sides of a comparison.
 *
 * @throws GridError TYPE_MISMATCH at the first that does not fit those before it
 */
export function unify(
  exprs: readonly Expr[],
  what: string,
  positionOf: (index: number) => TextPosition,
): { readonly exprs: readonly Expr[]; readonly type: SqlType } {
  let common: SqlType = 'null';
  // The type of all but parameters, whose type is what they bring: a text is read as the others are.
  let written: SqlType = 'null';
  exprs.forEach((expr, index) => {
    if (isUntyped(expr)) return;
    const next = commonType([common, expr.type]);
    if (next === undefined) throw mismatch(`${what} cannot combine ${common} and ${expr.type}`, positionOf(index));
    common = next;
    if (expr.kind !== 'parameter') written = commonType([written, expr.type]) ?? common;
  });
  const adopted = exprs.map((expr) => adopt(expr, isOpen(written) ? common : written));
  return { exprs: adopted, type: commonType(adopted.map(({ type }) => type)) ?? 'any' };
}

/** The type that a string literal takes beside an operand of type `other`: PostgreSQL's choice of operator. */
export function literalTypeBeside(operator: ArithmeticOperator, other: SqlType): SqlType | undefined {
  if (isNumeric(other)) return other;
  const isSum = operator === '+' || operator === '-';
  if (other === 'interval') return isSum ? 'interval' : 'float8';
  if (other === 'timestamptz' && isSum) return operator === '+' ? 'interval' : 'timestamptz';
  if (other === 'date' && isSum) return operator === '+' ? 'int4' : 'date';
  return undefined;
}

/** The type that a string literal takes as an argument, of those that a function accepts: the preferred one first. */
export function literalTypeAmong(accepted: readonly SqlType[]): SqlType | undefined {
  if (accepted.includes('text')) return undefined;
  return (['timestamptz', 'float8', 'int4', 'interval', 'bytea'] as const).find((type) => accepted.includes(type));
}
