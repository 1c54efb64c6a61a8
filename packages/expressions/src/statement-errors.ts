/** Errors of a condition itself, found before there is a row: a feed is refused at once instead of ending at an event. */
import { Decimal } from '@ashlar/api';
import { isConstant } from './constants.ts';
import type { Expr } from './expr.ts';
import { childrenOf, hasColumns } from './expr-parts.ts';
import { divisionByZero } from './failure.ts';
import { definitionOf } from './functions/table.ts';
import { interpret } from './interpret.ts';
import { checkLikePattern } from './like.ts';
import type { EvalContext, RowValue } from './values.ts';

const noRow = (): RowValue => null;

/**
 * Looks at the parts of an expression that are the same for every row.
 *
 * @throws GridError what evaluating such a part throws; DIVISION_BY_ZERO for a divisor that is zero; INVALID_ARGUMENT for a
 *   bad LIKE pattern
 */
export function checkConstantParts(expr: Expr, context: EvalContext): void {
  if (!hasColumns(expr)) {
    if (!isVolatile(expr)) interpret(expr, noRow, context);
    return;
  }
  for (const part of childrenOf(expr)) checkConstantParts(part, context);
  if (expr.kind === 'arithmetic' && (expr.operator === '/' || expr.operator === '%') && !hasColumns(expr.right)) {
    if (isZero(interpret(expr.right, noRow, context))) throw divisionByZero(expr.at);
  }
  if (expr.kind === 'like' && isConstant(expr.pattern)) {
    const pattern = interpret(expr.pattern, noRow, context);
    if (typeof pattern === 'string') checkLikePattern(pattern, expr.escape, expr.at);
  }
}

function isVolatile(expr: Expr): boolean {
  if (expr.kind === 'call' && definitionOf(expr.name)?.volatility === 'volatile') return true;
  return childrenOf(expr).some(isVolatile);
}

function isZero(value: RowValue): boolean {
  if (typeof value === 'bigint') return value === 0n;
  return Decimal.is(value) ? value.unscaled === 0n : value === 0;
}
