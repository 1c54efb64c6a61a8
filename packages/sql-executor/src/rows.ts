/**
 * The rows that flow between operators: a batch, and which of its rows count.
 *
 * rows R1  Vectors belong to whoever pushes them and may be overwritten once push() has returned: an operator that keeps
 *          rows copies them.
 * rows R2  An expression is evaluated over selected rows only: a row that a filter dropped must not divide by zero. So
 *          before anything but a column is computed, the rows are compacted.
 * rows R3  Columns may be left for later, where the pipeline asked for it (late-columns.ts): only Project of bare columns
 *          and TopN ever see such rows.
 */
import { type Batch, compileScalar, type EvalContext, type Expr, gather, type Vector } from '@ashlar/expressions';

export interface Rows {
  readonly batch: Batch;
  /** Indexes of rows, ascending, `count` of them; undefined: all `batch.length` rows. */
  readonly selection: Uint16Array | undefined;
  readonly count: number;
  /** Reads the columns that are LATE in `batch`; until push() returns. */
  readonly late?: LateColumns | undefined;
}

export interface LateColumns {
  /** The column's values of some of the selected rows. */
  read(column: number, selection: Uint16Array | undefined, count: number): Vector;
}

/** Stands for a column until it is read. */
export const LATE: Vector = {
  type: 'null',
  length: 0,
  uniform: undefined,
  tags: new Uint8Array(0),
  numbers: undefined,
  values: undefined,
  codes: undefined,
  dictionary: undefined,
};

/** One step of a pipeline; rows are pushed through it to the next. */
export interface Operator {
  /** Takes rows. False: no more are wanted, now or later. */
  push(rows: Rows): boolean;
  /** No more rows come: passes on what is held, then finishes the next. Called once. */
  finish(): void;
}

export function allRows(batch: Batch): Rows {
  return { batch, selection: undefined, count: batch.length };
}

/** The selected rows as a batch of their own. */
export function compact(rows: Rows): Batch {
  const { batch, selection, count } = rows;
  if (selection === undefined) return batch;
  return { length: count, columns: batch.columns.map((column) => gather(column, selection, count)) };
}

/** The index of a bare column reference, or undefined. */
export function columnIndexOf(expr: Expr): number | undefined {
  return expr.kind === 'column' ? expr.index : undefined;
}

/** Vectors with the selection that applies to them. */
export interface Evaluated {
  readonly vectors: readonly Vector[];
  readonly selection: Uint16Array | undefined;
  readonly count: number;
}

/** Computes expressions over rows: bare columns as they are, without copying; anything else over compacted rows (rows R2). */
export class Evaluator {
  /** The column that each expression is, if all of them are bare columns. */
  readonly indexes: readonly number[] | undefined;
  readonly #kernels: readonly ((batch: Batch, context: EvalContext) => Vector)[];
  readonly #context: EvalContext;

  constructor(exprs: readonly Expr[], context: EvalContext) {
    const indexes = exprs.map(columnIndexOf);
    this.indexes = indexes.every((index) => index !== undefined) ? indexes : undefined;
    this.#kernels = this.indexes === undefined ? exprs.map((expr) => compileScalar(expr)) : [];
    this.#context = context;
  }

  evaluate(rows: Rows): Evaluated {
    const indexes = this.indexes;
    if (indexes !== undefined) {
      const vectors = indexes.map((index) => rows.batch.columns[index]!);
      return { vectors, selection: rows.selection, count: rows.count };
    }
    const batch = compact(rows);
    const vectors = this.#kernels.map((kernel) => kernel(batch, this.#context));
    return { vectors, selection: undefined, count: rows.count };
  }
}
