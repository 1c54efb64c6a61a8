/** Literals and parameters as values of their static type. */
import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { castValue, mayReadAs } from './cast.ts';
import { doubleEqualTo, isNumber } from './exact.ts';
import type { Expr, PathType } from './expr.ts';
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
  const { index, type, beside, at } = expr;
  if (index >= context.parameters.length)
    throw failure('INVALID_PARAMETER', `parameter $${index + 1} is not given`, at);
  const given = context.parameters[index];
  try {
    if (type !== 'any' && type !== 'null') return castValue(given, type, at);
    const value = (given ?? null) as RowValue;
    return beside === undefined ? value : readBeside(value, beside, at);
  } catch (error) {
    const cause = GridError.wrap(error);
    throw new GridError('INVALID_PARAMETER', `parameter $${index + 1}: ${cause.message}`, { ...cause.toWire(), cause });
  }
}

/** A text of the statement as one of a type; undefined where it does not read as that. */
export function readText(text: string, type: PathType): RowValue | undefined {
  if (type === 'number') {
    const exact = readText(text, 'numeric') as Decimal | undefined;
    const double = exact === undefined ? Number.NaN : doubleEqualTo(exact);
    return Number.isNaN(double) ? exact : double;
  }
  if (!mayReadAs(text, type)) return undefined;
  try {
    return castValue(text, type, -1, 'text');
  } catch {
    return undefined;
  }
}

/** A number or text as what the path beside it holds, where it can be read as that; every other value as it is. */
function readBeside(value: RowValue, type: PathType, at: number): RowValue {
  if (typeof value === 'string') return readText(value, type) ?? value;
  if (type === 'numeric') return Number.isSafeInteger(value) ? castValue(BigInt(value as number), type, at) : value;
  if (type === 'float8') return isNumber(value) ? castValue(value, type, at) : value;
  return type === 'int8' && Number.isSafeInteger(value) ? BigInt(value as number) : value;
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
