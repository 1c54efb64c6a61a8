/** Which parts of an expression rest on undeclared paths: those are read laxly (odd-rows.ts), the rest is strict. */
import type { Expr } from './expr.ts';
import { childrenOf } from './expr-parts.ts';

const known = new WeakMap<Expr, boolean>();

/** Whether a path that no declaration gives a type is among what the value depends on. */
export function readsUndeclared(expr: Expr): boolean {
  if (expr.kind === 'column') return expr.isDeclared !== true;
  let reads = known.get(expr);
  if (reads === undefined) known.set(expr, (reads = childrenOf(expr).some(readsUndeclared)));
  return reads;
}
