/**
 * Pushes the rows of a chunk through a pipeline in slices that make about SLICE_BYTES of output each, as long as the
 * reader has room, and otherwise says where to go on. Rows of a chunk at a snapshot have a fixed order, so a place is a
 * chunk and a row of those that pass its filter.
 */
import { BATCH_ROWS } from '@ashlar/expressions';
import { part } from './operators/limit.ts';
import type { OutputCredit } from './output-credit.ts';
import type { Operator, Rows } from './rows.ts';

const SLICE_BYTES = 256 * 1024;
/** Rows of a task's first slice, before it knows how much output a row makes. */
const FIRST_SLICE_ROWS = 64;

/** Outcome of a push: all rows went, no more are wanted, or the reader has no room from this row on. */
export type PushOutcome = 'done' | 'enough' | { readonly row: number };

export class RowSlices {
  readonly #credit: OutputCredit;
  readonly #pipeline: Operator;
  readonly #bytesMade: () => number;
  #rows = FIRST_SLICE_ROWS;

  /** @param bytesMade  bytes of output that the task has made so far */
  constructor(credit: OutputCredit, pipeline: Operator, bytesMade: () => number) {
    this.#credit = credit;
    this.#pipeline = pipeline;
    this.#bytesMade = bytesMade;
  }

  get hasRoom(): boolean {
    return this.#credit.hasRoom();
  }

  /** @param from  the first of the selected rows to push */
  push(rows: Rows, from: number): PushOutcome {
    for (let row = from; row < rows.count; ) {
      if (!this.#credit.hasRoom()) return { row };
      const to = Math.min(rows.count, row + this.#rows);
      const before = this.#bytesMade();
      if (!this.#pipeline.push(part(rows, row, to))) return 'enough';
      this.#adapt(to - row, this.#bytesMade() - before);
      row = to;
    }
    return 'done';
  }

  #adapt(rows: number, bytes: number): void {
    const fitting = bytes === 0 ? BATCH_ROWS : Math.floor((rows * SLICE_BYTES) / bytes);
    this.#rows = Math.max(1, Math.min(BATCH_ROWS, fitting, this.#rows * 4));
  }
}
