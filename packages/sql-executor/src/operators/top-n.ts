/**
 * The first `limit` rows by sort keys, without keeping the others.
 *
 *   rows that beat the worst kept -> buffer of up to 2 * limit -> sorted, cut to `limit` -> ...
 *
 * top-n T1  Row `limit - 1` of the buffer is the worst kept once the buffer was cut for the first time; a later row that
 *           does not sort before it can be left out, since of equal rows the earlier stays.
 * top-n T2  Columns that are left for later are read for the rows that enter the buffer alone.
 */

import { BATCH_ROWS } from '@ashlar/expressions';
import type { SortKey } from '@ashlar/sql-plan';
import { type ExecContext, MemoryShare } from '../context.ts';
import { allRows, type Evaluated, Evaluator, LATE, type Operator, type Rows } from '../rows.ts';
import { part } from './limit.ts';
import { comparatorOf, sortedRows } from './order.ts';
import { RowBuffer } from './row-buffer.ts';

export class TopNOperator implements Operator {
  readonly #limit: number;
  readonly #order: readonly SortKey[];
  readonly #evaluator: Evaluator;
  #rows = new RowBuffer();
  #keys = new RowBuffer();
  #isCut = false;
  readonly #context: ExecContext;
  readonly #memory: MemoryShare;
  readonly #next: Operator;

  constructor(limit: number, order: readonly SortKey[], context: ExecContext, next: Operator) {
    this.#limit = limit;
    this.#order = order;
    this.#evaluator = new Evaluator(
      order.map((key) => key.expr),
      context.evaluation,
    );
    this.#context = context;
    this.#memory = new MemoryShare(context.memory, 'ORDER BY with LIMIT');
    this.#next = next;
  }

  push(rows: Rows): boolean {
    if (this.#limit === 0) return false;
    const keys = this.#evaluator.evaluate(rows);
    this.#append(rows, keys);
    if (this.#rows.length >= this.#limit * 2 + BATCH_ROWS) this.#cut();
    this.#memory.set(this.#rows.bytes + this.#keys.bytes);
    return true;
  }

  finish(): void {
    const order = this.#sorted();
    for (const batch of this.#rows.batches(order)) {
      this.#context.checkCancelled();
      if (!this.#next.push(allRows(batch))) break;
    }
    this.#memory.set(0);
    this.#next.finish();
  }

  #sorted(): Int32Array {
    const compare = comparatorOf(this.#keys.columns, this.#order, this.#context.evaluation.oddRows);
    const order = sortedRows(this.#rows.length, compare, this.#context.checkCancelled);
    return order.subarray(0, Math.min(this.#limit, order.length));
  }

  /** Keeps the best `limit` rows, in order. */
  #cut(): void {
    const order = this.#sorted();
    const rows = new RowBuffer();
    const keys = new RowBuffer();
    for (const [from, to] of [[this.#rows, rows] as const, [this.#keys, keys] as const]) {
      for (const batch of from.batches(order)) {
        to.append({ vectors: batch.columns, selection: undefined, count: batch.length });
      }
    }
    this.#rows = rows;
    this.#keys = keys;
    this.#isCut = true;
  }

  /** Takes the rows that may be among the first `limit`. */
  #append(rows: Rows, keys: Evaluated): void {
    if (!this.#isCut) {
      this.#keys.append(keys);
      this.#rows.append(readRows(rows, rows.selection, rows.count));
      return;
    }
    // The worst row kept, then the candidates.
    const trial = new RowBuffer();
    trial.append({ vectors: this.#keys.slice(this.#limit - 1, this.#limit).columns, selection: undefined, count: 1 });
    trial.append(keys);
    const compare = comparatorOf(trial.columns, this.#order, this.#context.evaluation.oddRows);
    const winners: number[] = [];
    for (let index = 0; index < rows.count; index++) if (compare(index + 1, 0) < 0) winners.push(index);
    if (winners.length === 0) return;
    const chosen = Uint16Array.from(winners);
    const chosenOf = ({ selection }: { readonly selection: Uint16Array | undefined }): Uint16Array =>
      selection === undefined ? chosen : chosen.map((index) => selection[index]!);
    this.#keys.append({ vectors: keys.vectors, selection: chosenOf(keys), count: winners.length });
    this.#rows.append(readRows(rows, chosenOf(rows), winners.length));
  }
}

/** Some of the selected rows, with the columns that were left for later. */
function readRows({ batch, late }: Rows, selection: Uint16Array | undefined, count: number): Evaluated {
  const vectors = batch.columns.map((vector, column) =>
    vector === LATE ? late!.read(column, selection, count) : vector,
  );
  return { vectors, selection, count };
}

/** The first `limit` rows in any order: LIMIT without ORDER BY, beside the data. */
export class FirstRowsOperator implements Operator {
  #left: number;
  readonly #next: Operator;

  constructor(limit: number, next: Operator) {
    this.#left = limit;
    this.#next = next;
  }

  push(rows: Rows): boolean {
    const count = Math.min(rows.count, this.#left);
    this.#left -= count;
    if (count > 0 && !this.#next.push(part(rows, 0, count))) return false;
    return this.#left > 0;
  }

  finish(): void {
    this.#next.finish();
  }
}
