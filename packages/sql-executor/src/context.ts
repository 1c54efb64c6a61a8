/**
 * What all operators of one task share: parameters, the memory budget, whether to go on.
 */

import { CancelledError, GridError } from '@ashlar/core';
import { type EvalContext, type OddCount, OddRows } from '@ashlar/expressions';
import { decodeParameters } from '@ashlar/serialization';

/** How the caller of a task controls it. */
export interface TaskControl {
  /** Looked at per chunk of input and per batch of output. */
  cancelled(): boolean;
}

export interface ExecContext {
  readonly evaluation: EvalContext;
  readonly memory: MemoryBudget;
  /** Rows of one aggregation up to which generated kernels would not be worthwhile. */
  readonly interpretedRowsMax: number;
  /** @throws GridError CANCELLED */
  checkCancelled(): void;
}

/** Bytes that one task may hold besides the chunk it works on. Estimates, not a heap measurement. */
export class MemoryBudget {
  readonly bytesMax: number;
  #bytesUsed = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /**
   * Counts `bytes` more (fewer when negative) as held for `purpose`.
   *
   * @throws GridError QUERY_MEMORY_EXCEEDED
   */
  add(bytes: number, purpose: string): void {
    this.#bytesUsed += bytes;
    if (this.#bytesUsed <= this.bytesMax) return;
    throw new GridError('QUERY_MEMORY_EXCEEDED', `${purpose} needs more than the query's ${this.bytesMax} bytes`, {
      hint: 'narrow the query (WHERE, fewer groups, LIMIT) or raise its memory limit',
      details: { bytesMax: this.bytesMax, purpose },
    });
  }
}

/** One holder's share of a budget, set to what it holds at present. */
export class MemoryShare {
  readonly #budget: MemoryBudget;
  readonly #purpose: string;
  #bytes = 0;

  constructor(budget: MemoryBudget, purpose: string) {
    this.#budget = budget;
    this.#purpose = purpose;
  }

  /** @throws GridError QUERY_MEMORY_EXCEEDED */
  set(bytes: number): void {
    const change = bytes - this.#bytes;
    this.#bytes = bytes;
    if (change !== 0) this.#budget.add(change, this.#purpose);
  }
}

/** Making and warming a kernel costs about as much as interpreting so many rows. */
const INTERPRETED_ROWS_MAX = 2000;

export function execContext(
  task: {
    readonly parameters: Uint8Array;
    readonly memoryBytes: number;
    readonly clockMs?: number | undefined;
    readonly strict?: boolean | undefined;
    readonly interpretedRowsMax?: number | undefined;
  },
  control: TaskControl,
): ExecContext {
  const oddRows = task.strict === true ? undefined : new OddRows();
  return {
    evaluation: { parameters: decodeParameters(task.parameters), nowMs: task.clockMs, oddRows },
    memory: new MemoryBudget(task.memoryBytes),
    interpretedRowsMax: task.interpretedRowsMax ?? INTERPRETED_ROWS_MAX,
    checkCancelled: () => {
      if (control.cancelled()) throw new CancelledError('the query');
    },
  };
}

/** Rows that the task read laxly. */
export function oddCountsOf({ evaluation }: ExecContext): readonly OddCount[] {
  return evaluation.oddRows?.counts() ?? [];
}
