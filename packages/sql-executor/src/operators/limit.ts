/** LIMIT and OFFSET, and the constants they are given by. */
import { type Expr, interpret, isNumber } from '@ashlar/expressions';
import type { ExecContext } from '../context.ts';
import { failure } from '../failures.ts';
import type { Operator, Rows } from '../rows.ts';

const WHOLE = /^\s*\+?\d+\s*$/;

/**
 * The row count that a literal or parameter of LIMIT or OFFSET stands for.
 *
 * @returns undefined for NULL: no limit
 * @throws GridError INVALID_PARAMETER when it is no whole number from 0
 */
export function rowCountOf(expr: Expr, parameters: readonly unknown[], clause: 'LIMIT' | 'OFFSET'): number | undefined {
  const value = interpret(expr, () => null, { parameters });
  if (value === null) return undefined;
  const isCount = typeof value === 'string' ? WHOLE.test(value) : isNumber(value);
  const count = isCount ? Number(value) : Number.NaN;
  if (Number.isInteger(count) && count >= 0) return count;
  throw failure('INVALID_PARAMETER', `${clause} is a whole number from 0, not ${String(value)}`, expr.at);
}

/** Passes rows [offset, offset + limit). */
export class LimitOperator implements Operator {
  #toSkip: number;
  #toPass: number;
  readonly #next: Operator;

  constructor(limit: Expr | undefined, offset: Expr | undefined, context: ExecContext, next: Operator) {
    const { parameters } = context.evaluation;
    this.#toSkip = (offset === undefined ? undefined : rowCountOf(offset, parameters, 'OFFSET')) ?? 0;
    this.#toPass =
      (limit === undefined ? undefined : rowCountOf(limit, parameters, 'LIMIT')) ?? Number.POSITIVE_INFINITY;
    this.#next = next;
  }

  push(rows: Rows): boolean {
    if (this.#toPass === 0) return false;
    const from = Math.min(this.#toSkip, rows.count);
    const to = Math.min(rows.count, from + this.#toPass);
    this.#toSkip -= from;
    this.#toPass -= to - from;
    if (to > from && !this.#next.push(part(rows, from, to))) return false;
    return this.#toPass > 0;
  }

  finish(): void {
    this.#next.finish();
  }
}

/** The rows from the `from`th to before the `to`th of the selected ones. */
export function part({ batch, selection, count }: Rows, from: number, to: number): Rows {
  if (from === 0 && to === count) return { batch, selection, count };
  const rows = selection?.subarray(from, to) ?? Uint16Array.from({ length: to - from }, (_, index) => from + index);
  return { batch, selection: rows, count: to - from };
}
