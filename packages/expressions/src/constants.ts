/** Literals and parameters as values of their static type. */
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { castValue } from './cast.ts';
import { isNumber } from './exact.ts';
import type { Expr } from './expr.ts';
import { failure } from './failure.ts';
import type { EvalContext, RowValue } from './values.ts';

export type ConstantExpr = Extract<Expr, { kind: 'literal' | 'parameter' }>;

export function isConstant(expr: Expr): expr is ConstantExpr {
  return expr.kind === 'literal' || expr.kind === 'parameter';
}

/**
 * The value of a literal or parameter, cast to its static type.
 *
 * @throws GridError INVALID_PARAMETER when a parameter is not there or is not of its type; INVALID_CAST for literals
 */
export function constantValue(expr: ConstantExpr, context: EvalContext): RowValue {
  if (expr.kind === 'literal') return literalValue(expr);
  const { index, type, numbers, at } = expr;
  if (index >= context.parameters.length)
    throw failure('INVALID_PARAMETER', `parameter $${index + 1} is not given`, at);
  const given = context.parameters[index];
  try {
    if (type !== 'any' && type !== 'null') return castValue(given, type, at);
    return numbers === undefined ? ((given ?? null) as RowValue) : asKind(given, numbers, at);
  } catch (error) {
    const cause = GridError.wrap(error);
    throw new GridError('INVALID_PARAMETER', `parameter $${index + 1}: ${cause.message}`, { ...cause.toWire(), cause });
  }
}

/** A number as one of the kind of the path beside it, where it loses nothing; every other value as it is. */
function asKind(given: unknown, numbers: 'int8' | 'float8', at: number): RowValue {
  if (numbers === 'float8') return isNumber(given) ? castValue(given, 'float8', at) : ((given ?? null) as RowValue);
  return Number.isSafeInteger(given) ? BigInt(given as number) : ((given ?? null) as RowValue);
}

const literals = new WeakMap<ConstantExpr, { readonly value: RowValue }>();

function literalValue(expr: Extract<Expr, { kind: 'literal' }>): RowValue {
  const known = literals.get(expr);
  if (known !== undefined) return known.value;
  const given = expr.type === 'numeric' ? decimalText(expr.value) : expr.value;
  const value = castValue(given, expr.type === 'null' ? 'any' : expr.type, expr.at, expr.type);
  literals.set(expr, { value });
  return value;
}

/** Plans carry numerics as `{ decimal: '1.5' }`: plain data. */
function decimalText(value: RowValue): RowValue {
  const isPlain = typeof value === 'object' && value !== null && !Decimal.is(value) && 'decimal' in value;
  return isPlain ? String(value.decimal) : value;
}
