/**
 * What is known before any row is read: a strict operator or function of NULL is NULL, FALSE decides an AND, TRUE an OR. As in
 * PostgreSQL the other operands are then never evaluated, so that a division by zero in a row is none.
 */
import { childrenOf, type Expr, FUNCTIONS, hasColumns } from '@ashlar/expressions';

/** The expression, or the constant that it is. Its operands were folded before. */
export function folded(expr: Expr): Expr {
  if (expr.kind === 'and') return decidedBy(expr, false);
  if (expr.kind === 'or') return decidedBy(expr, true);
  if (!isStrict(expr)) return expr;
  const operands = childrenOf(expr);
  // What no row takes part in is evaluated, as PostgreSQL does it while planning: 1 / 0 stays an error.
  const isNull =
    operands.some(isNullLiteral) && operands.every((part) => part.kind === 'literal' || mayBeLeftOut(part));
  return isNull ? { kind: 'literal', value: null, type: expr.type === 'any' ? 'null' : expr.type, at: expr.at } : expr;
}

function decidedBy(expr: Extract<Expr, { kind: 'and' | 'or' }>, decisive: boolean): Expr {
  const isDecided = expr.operands.some((part) => part.kind === 'literal' && part.value === decisive);
  return isDecided ? { kind: 'literal', value: decisive, type: 'boolean', at: expr.at } : expr;
}

function isNullLiteral(expr: Expr): boolean {
  return expr.kind === 'literal' && expr.value === null;
}

function mayBeLeftOut(expr: Expr): boolean {
  return expr.kind === 'parameter' || hasColumns(expr);
}

/** NULL whenever an operand is. */
function isStrict(expr: Expr): boolean {
  switch (expr.kind) {
    case 'compare':
    case 'arithmetic':
    case 'negate':
    case 'not':
    case 'concat':
    case 'like':
    case 'cast':
      return true;
    case 'in':
      return expr.list.length === 1 || isNullLiteral(expr.operand);
    case 'call':
      return FUNCTIONS[expr.name]?.strict === true && FUNCTIONS[expr.name]?.volatility !== 'volatile';
    default:
      return false;
  }
}
