/** The two halves of GROUP BY: states beside the data, results where they meet. */
import { type Aggregate, BATCH_ROWS, type Batch, type Expr, type SqlType } from '@ashlar/expressions';
import { Accumulators, Aggregation } from '../aggregates/aggregation.ts';
import { type ExecContext, MemoryShare } from '../context.ts';
import { RowIds } from '../keys/row-ids.ts';
import { allRows, compact, type Operator, type Rows } from '../rows.ts';

/** States of more groups than these are passed on early when memory is short. */
const EARLY_GROUPS_MIN = BATCH_ROWS;
const EARLY_SHARE = 0.5;

/** Groups rows and passes on one row of states a group. */
export class PartialAggregateOperator implements Operator {
  readonly #make: () => Aggregation;
  #aggregation: Aggregation;
  readonly #context: ExecContext;
  readonly #memory: MemoryShare;
  readonly #next: Operator;

  constructor(groups: readonly Expr[], aggregates: readonly Aggregate[], context: ExecContext, next: Operator) {
    this.#make = () => new Aggregation(groups, aggregates, context);
    this.#aggregation = this.#make();
    this.#context = context;
    this.#memory = new MemoryShare(context.memory, 'GROUP BY');
    this.#next = next;
  }

  push(rows: Rows): boolean {
    this.#aggregation.add(rows);
    const { bytes, size } = this.#aggregation;
    // States merge however they are cut: rather than fail here, hand on what there is and begin anew.
    if (size >= EARLY_GROUPS_MIN && bytes > this.#context.memory.bytesMax * EARLY_SHARE) {
      this.#passOn();
      this.#aggregation = this.#make();
    }
    this.#memory.set(this.#aggregation.bytes);
    return true;
  }

  finish(): void {
    this.#passOn();
    this.#memory.set(0);
    this.#next.finish();
  }

  #passOn(): void {
    for (const batch of this.#aggregation.states()) {
      this.#context.checkCancelled();
      this.#next.push(allRows(batch));
    }
  }
}

/** Merges rows of states; passes on results, or states again when several tasks of a member are combined. */
export class FinalAggregateOperator implements Operator {
  readonly #ids: RowIds;
  readonly #accumulators: Accumulators;
  readonly #groupCount: number;
  readonly #output: 'results' | 'states';
  readonly #groups = new Int32Array(BATCH_ROWS);
  readonly #context: ExecContext;
  readonly #memory: MemoryShare;
  readonly #next: Operator;

  constructor(
    groupTypes: readonly SqlType[],
    aggregates: readonly Aggregate[],
    output: 'results' | 'states',
    context: ExecContext,
    next: Operator,
  ) {
    this.#ids = new RowIds(groupTypes);
    this.#accumulators = new Accumulators(aggregates, context.evaluation);
    this.#groupCount = groupTypes.length;
    this.#output = output;
    this.#context = context;
    this.#memory = new MemoryShare(context.memory, 'GROUP BY');
    this.#next = next;
  }

  push(rows: Rows): boolean {
    const { columns, length } = compact(rows);
    const keys = columns.slice(0, this.#groupCount);
    this.#ids.encode({ vectors: keys, selection: undefined, count: length }, this.#groups);
    this.#accumulators.reserve(this.#ids.size);
    let first = this.#groupCount;
    for (const accumulator of this.#accumulators.list) {
      const state = columns.slice(first, first + accumulator.stateWidth);
      for (let row = 0; row < length; row++) accumulator.addState(this.#groups[row]!, state, row);
      first += accumulator.stateWidth;
    }
    this.#memory.set(this.#ids.bytes + this.#accumulators.bytes);
    return true;
  }

  finish(): void {
    // count(*) without GROUP BY is a row also where nothing was found.
    if (this.#groupCount === 0 && this.#output === 'results') this.#ids.addEmptyTuple();
    this.#accumulators.reserve(this.#ids.size);
    for (let from = 0; from < this.#ids.size; from += BATCH_ROWS) {
      this.#context.checkCancelled();
      if (!this.#next.push(allRows(this.#batch(from, Math.min(from + BATCH_ROWS, this.#ids.size))))) break;
    }
    this.#memory.set(0);
    this.#next.finish();
  }

  #batch(from: number, to: number): Batch {
    const columns = this.#accumulators.list.flatMap((accumulator) =>
      this.#output === 'results' ? [accumulator.result(from, to)] : accumulator.state(from, to),
    );
    return { length: to - from, columns: [...this.#ids.vectors(from, to), ...columns] };
  }
}
