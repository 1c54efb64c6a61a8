/** The parts of an expression. */
import type { Expr } from './expr.ts';

/** The direct parts of an expression, from left to right. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'column':
    case 'literal':
    case 'parameter':
      return [];
    case 'compare':
    case 'distinctFrom':
    case 'arithmetic':
    case 'concat':
      return [expr.left, expr.right];
    case 'and':
    case 'or':
      return expr.operands;
    case 'in':
      return [expr.operand, ...expr.list];
    case 'like':
      return [expr.operand, expr.pattern];
    case 'case': {
      const branches = expr.branches.flatMap((branch) => [branch.when, branch.then]);
      return expr.otherwise === undefined ? branches : [...branches, expr.otherwise];
    }
    case 'call':
      return expr.args;
    default:
      return [expr.operand];
  }
}

/** Whether the value depends on the row. */
export function hasColumns(expr: Expr): boolean {
  return expr.kind === 'column' || childrenOf(expr).some(hasColumns);
}
