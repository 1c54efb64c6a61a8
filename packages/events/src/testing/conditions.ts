/** Conditions as a planner would make them, over documents with `n` and `city`. */
import type { DocumentColumn, Expr } from '@ashlar/expressions';

export const COLUMNS: readonly DocumentColumn[] = [
  { source: 'path', path: ['n'] },
  { source: 'key' },
  { source: 'path', path: ['city'] },
];

const base = { type: 'any', at: 0 } as const;
export const n: Expr = { ...base, kind: 'column', index: 0, name: 'n' };
export const key: Expr = { ...base, kind: 'column', index: 1, name: '__key' };
export const city: Expr = { ...base, kind: 'column', index: 2, name: 'city' };
export const parameter: Expr = { ...base, kind: 'parameter', index: 0 };

export function text(value: string): Expr {
  return { ...base, kind: 'literal', value, type: 'text' };
}

export function number(value: number): Expr {
  return { ...base, kind: 'literal', value, type: 'float8' };
}

export function compare(left: Expr, operator: '=' | '>', right: Expr): Expr {
  return { kind: 'compare', type: 'boolean', at: 0, operator, left, right };
}

export function and(...operands: readonly Expr[]): Expr {
  return { kind: 'and', type: 'boolean', at: 0, operands };
}

export function isIn(operand: Expr, list: readonly Expr[], negated = false): Expr {
  return { kind: 'in', type: 'boolean', at: 0, operand, list, negated };
}

export function dividedBy(left: Expr, right: Expr): Expr {
  return { ...base, kind: 'arithmetic', operator: '/', left, right };
}
