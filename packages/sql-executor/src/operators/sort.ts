/** ORDER BY: buffers all rows, sorts their indexes, passes them on in order. */

import type { SortKey } from '@ashlar/sql-plan';
import { type ExecContext, MemoryShare } from '../context.ts';
import { allRows, Evaluator, type Operator, type Rows } from '../rows.ts';
import { comparatorOf, sortedRows } from './order.ts';
import { RowBuffer } from './row-buffer.ts';

/** Bytes of index that sorting a row takes. */
const SORT_BYTES = 8;

export class SortOperator implements Operator {
  readonly #order: readonly SortKey[];
  readonly #evaluator: Evaluator;
  readonly #rows = new RowBuffer();
  readonly #keys = new RowBuffer();
  readonly #context: ExecContext;
  readonly #memory: MemoryShare;
  readonly #next: Operator;

  constructor(order: readonly SortKey[], context: ExecContext, next: Operator) {
    this.#order = order;
    this.#evaluator = new Evaluator(
      order.map((key) => key.expr),
      context.evaluation,
    );
    this.#context = context;
    this.#memory = new MemoryShare(context.memory, 'ORDER BY');
    this.#next = next;
  }

  push(rows: Rows): boolean {
    this.#keys.append(this.#evaluator.evaluate(rows));
    this.#rows.append({ vectors: rows.batch.columns, selection: rows.selection, count: rows.count });
    this.#memory.set(this.#rows.bytes + this.#keys.bytes + this.#rows.length * SORT_BYTES);
    return true;
  }

  finish(): void {
    const check = this.#context.checkCancelled;
    const compare = comparatorOf(this.#keys.columns, this.#order, this.#context.evaluation.oddRows);
    const order = sortedRows(this.#rows.length, compare, check);
    for (const batch of this.#rows.batches(order)) {
      check();
      if (!this.#next.push(allRows(batch))) break;
    }
    this.#memory.set(0);
    this.#next.finish();
  }
}
