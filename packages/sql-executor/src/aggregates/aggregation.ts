/**
 * GROUP BY over rows (partial) or over states (final).
 *
 *   rows -> group of each row (RowIds) -> kernel or by-row twin -> accumulators' lanes -> states or results
 *
 * aggregation G1  Groups are numbered from 0 as they are met. Without GROUP BY there is one, group 0.
 * aggregation G2  All groups of a chunk are known, and lanes have room for them, before its rows are aggregated.
 */
import { isCodeGenerationAllowed } from '@ashlar/core';
import {
  type Aggregate,
  BATCH_ROWS,
  type Batch,
  compileFilter,
  type EvalContext,
  type Expr,
  type OddRows,
  type SqlType,
  Tag,
  type Vector,
} from '@ashlar/expressions';
import { valueIn } from '../column-builder.ts';
import type { ExecContext } from '../context.ts';
import { RowIds } from '../keys/row-ids.ts';
import { allRows, columnIndexOf, compact, type Evaluated, Evaluator, type Rows } from '../rows.ts';
import { type Accumulator, GroupRows } from './accumulator.ts';
import { updateByRow } from './by-row.ts';
import { CountAccumulator } from './count.ts';
import { DistinctAccumulator } from './distinct.ts';
import { ExtremeAccumulator } from './extreme.ts';
import { isCached, type KernelRows, type KernelStep, updateByKernel } from './kernel.ts';
import { stepOf } from './steps.ts';
import { INTEGER_LIMIT, SumAccumulator } from './sum.ts';

type Filter = ReturnType<typeof compileFilter>;

/** One aggregate as it is run. */
interface Column {
  readonly aggregate: Aggregate;
  readonly accumulator: Accumulator;
  /** Index among the evaluated vectors; undefined: count(*). */
  readonly operand: number | undefined;
  readonly filter: Filter | undefined;
  readonly mask: Uint8Array;
  readonly slow: Uint16Array;
}

function makeAccumulator(aggregate: Aggregate, rows: GroupRows, oddRows: OddRows | undefined): Accumulator {
  const { name, operand } = aggregate;
  if (name === 'min' || name === 'max') return new ExtremeAccumulator(aggregate, oddRows);
  const make = (counted: GroupRows): Accumulator =>
    name === 'count' ? new CountAccumulator(aggregate, counted) : new SumAccumulator(aggregate, counted, oddRows);
  return aggregate.distinct && operand !== undefined ? new DistinctAccumulator(aggregate, make) : make(rows);
}

/** The accumulators of an aggregation, and their states and results. */
export class Accumulators {
  readonly rows = new GroupRows();
  readonly list: readonly Accumulator[];

  constructor(aggregates: readonly Aggregate[], { oddRows }: EvalContext) {
    this.list = aggregates.map((aggregate) => makeAccumulator(aggregate, this.rows, oddRows));
  }

  get bytes(): number {
    let bytes = this.rows.counts.byteLength;
    for (const accumulator of this.list) bytes += accumulator.bytes;
    return bytes;
  }

  reserve(groups: number): void {
    this.rows.reserve(groups);
    for (const accumulator of this.list) accumulator.reserve(groups);
  }
}

export class Aggregation {
  readonly #context: ExecContext;
  readonly #columns: readonly Column[];
  readonly #evaluator: Evaluator;
  readonly #groupCount: number;
  /** Whether rows are compacted before anything is computed: an expression is not a bare column. */
  readonly #isComputed: boolean;
  readonly #ids: RowIds;
  readonly #accumulators: Accumulators;
  readonly #groups = new Int32Array(BATCH_ROWS);
  readonly #selected = new Uint16Array(BATCH_ROWS);
  #rowsSeen = 0;

  constructor(groups: readonly Expr[], aggregates: readonly Aggregate[], context: ExecContext) {
    this.#context = context;
    this.#groupCount = groups.length;
    this.#ids = new RowIds(groups.map((group) => group.type));
    this.#accumulators = new Accumulators(aggregates, context.evaluation);
    const exprs = [...groups];
    this.#columns = aggregates.map((aggregate, index) => ({
      aggregate,
      accumulator: this.#accumulators.list[index]!,
      operand: aggregate.operand === undefined ? undefined : exprs.push(filteredOperand(aggregate)) - 1,
      filter: usesMask(aggregate) ? compileFilter(aggregate.filter!) : undefined,
      mask: new Uint8Array(usesMask(aggregate) ? BATCH_ROWS : 0),
      slow: new Uint16Array(BATCH_ROWS),
    }));
    this.#isComputed = exprs.some((expr) => columnIndexOf(expr) === undefined);
    this.#evaluator = new Evaluator(exprs, context.evaluation);
  }

  /** Groups found so far. */
  get size(): number {
    return this.#ids.size;
  }

  get bytes(): number {
    return this.#ids.bytes + this.#accumulators.bytes;
  }

  add(given: Rows): void {
    const rows = this.#isComputed ? allRows(compact(given)) : given;
    const evaluated = this.#evaluator.evaluate(rows);
    const keys = evaluated.vectors.slice(0, this.#groupCount);
    this.#rowsSeen += rows.count;
    const groups = this.#findGroups({ ...evaluated, vectors: keys });
    this.#accumulators.reserve(this.#ids.size);
    const steps: KernelStep[] = [];
    for (const column of this.#columns) {
      this.#setMask(column, rows);
      const vector = column.operand === undefined ? undefined : evaluated.vectors[column.operand]!;
      if (column.accumulator instanceof DistinctAccumulator) {
        this.#addDistinct(column, column.accumulator, vector!, evaluated);
      } else {
        const mask = column.filter === undefined ? undefined : column.mask;
        steps.push(stepOf(column.aggregate, column.accumulator, vector, mask, column.slow));
      }
    }
    const { selection, count } = rows;
    this.#run({ selection, count, groups, rowCounts: this.#accumulators.rows.counts }, steps);
  }

  /** Group keys and states of all groups, in batches. */
  *states(): Iterable<Batch> {
    for (let from = 0; from < this.#ids.size; from += BATCH_ROWS) {
      const to = Math.min(from + BATCH_ROWS, this.#ids.size);
      const columns = this.#accumulators.list.flatMap((accumulator) => accumulator.state(from, to));
      yield { length: to - from, columns: [...this.#ids.vectors(from, to), ...columns] };
    }
  }

  #run(rows: KernelRows, steps: readonly KernelStep[]): void {
    const { interpretedRowsMax } = this.#context;
    const pays = this.#rowsSeen > interpretedRowsMax || (isCached(rows, steps) && Number.isFinite(interpretedRowsMax));
    if (pays && isCodeGenerationAllowed()) {
      updateByKernel(rows, steps, INTEGER_LIMIT);
    } else {
      updateByRow(rows, steps);
    }
  }

  #setMask(column: Column, rows: Rows): void {
    if (column.filter === undefined) return;
    const { batch, selection, count } = rows;
    const passed = column.filter(batch, this.#context.evaluation, selection, count, this.#selected);
    column.mask.fill(0);
    for (let index = 0; index < passed; index++) column.mask[this.#selected[index]!] = 1;
  }

  /** Adds distinct values, row by row as the interpreting twin does. */
  #addDistinct(column: Column, accumulator: DistinctAccumulator, vector: Vector, rows: Evaluated): void {
    const { selection, count } = rows;
    if (column.filter === undefined) {
      accumulator.addRows(this.#groups, vector, selection, count);
      return;
    }
    for (let index = 0; index < count; index++) {
      const row = selection === undefined ? index : selection[index]!;
      if (column.mask[row] === 0) continue;
      const tag = vector.uniform ?? vector.tags![row]!;
      if (tag >= Tag.BIGINT) accumulator.add(this.#groups[index]!, tag, 0, valueIn(vector, row, tag));
      else if (tag > Tag.NULL) accumulator.add(this.#groups[index]!, tag, vector.numbers![row]!, undefined);
    }
  }

  /** Finds the group of each row; undefined when there is one group only. */
  #findGroups(keys: Evaluated): Int32Array | undefined {
    if (keys.vectors.length > 0) {
      this.#ids.encode(keys, this.#groups);
      return this.#groups;
    }
    if (keys.count > 0) this.#ids.addEmptyTuple();
    return undefined;
  }
}

/** A bare column or count(*) is masked; a computed operand must not be computed where the filter says no. */
function usesMask({ filter, operand }: Aggregate): boolean {
  return filter !== undefined && (operand === undefined || columnIndexOf(operand) !== undefined);
}

function filteredOperand(aggregate: Aggregate): Expr {
  const { filter, operand, at } = aggregate;
  if (filter === undefined || usesMask(aggregate)) return operand!;
  const type: SqlType = operand!.type;
  return { kind: 'case', branches: [{ when: filter, then: operand! }], otherwise: undefined, type, at };
}
