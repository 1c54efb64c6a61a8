/** Rows for which a condition is true. */
import { BATCH_ROWS, compileFilter, type Expr } from '@ashlar/expressions';
import type { ExecContext } from '../context.ts';
import type { Operator, Rows } from '../rows.ts';

export class FilterOperator implements Operator {
  readonly #condition: ReturnType<typeof compileFilter>;
  readonly #context: ExecContext;
  readonly #next: Operator;
  readonly #selected = new Uint16Array(BATCH_ROWS);

  constructor(condition: Expr, context: ExecContext, next: Operator) {
    this.#condition = compileFilter(condition);
    this.#context = context;
    this.#next = next;
  }

  push({ batch, selection, count }: Rows): boolean {
    const passed = this.#condition(batch, this.#context.evaluation, selection, count, this.#selected);
    if (passed === 0) return true;
    return this.#next.push({ batch, selection: this.#selected, count: passed });
  }

  finish(): void {
    this.#next.finish();
  }
}
