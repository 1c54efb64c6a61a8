/** Expressions over rows. */
import type { Expr } from '@ashlar/expressions';
import type { ExecContext } from '../context.ts';
import { Evaluator, type LateColumns, type Operator, type Rows } from '../rows.ts';

export class ProjectOperator implements Operator {
  readonly #evaluator: Evaluator;
  readonly #next: Operator;

  constructor(exprs: readonly Expr[], context: ExecContext, next: Operator) {
    this.#evaluator = new Evaluator(exprs, context.evaluation);
    this.#next = next;
  }

  push(rows: Rows): boolean {
    const { vectors, selection, count } = this.#evaluator.evaluate(rows);
    const length = selection === undefined ? count : rows.batch.length;
    return this.#next.push({ batch: { length, columns: vectors }, selection, count, late: this.#late(rows.late) });
  }

  #late(late: LateColumns | undefined): LateColumns | undefined {
    const { indexes } = this.#evaluator;
    if (late === undefined || indexes === undefined) return undefined;
    return { read: (column, selection, count) => late.read(indexes[column]!, selection, count) };
  }

  finish(): void {
    this.#next.finish();
  }
}
