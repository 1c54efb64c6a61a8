/**
 * Joins rows with a build table.
 *
 *   probe keys -> tuple -> build rows of its chain -> joined batch -> residual -> next
 *
 * hash-join H1  Output columns are the input's, then the build's. A left join passes each input row at least once: with
 *               NULLs where no build row met the keys and the residual.
 * hash-join H2  Matches leave in batches of at most BATCH_ROWS, with a look at the cancel flag before each: a product of big
 *               sides can be stopped.
 */
import { BATCH_ROWS, type Batch, compileFilter, gather } from '@ashlar/expressions';
import { exprText } from '@ashlar/sql-plan';
import type { ExecContext } from '../context.ts';
import { kindsOf } from '../kinds.ts';
import { allRows, Evaluator, type Operator, type Rows } from '../rows.ts';
import type { JoinNode, JoinTable } from './join-table.ts';

export class HashJoinOperator implements Operator {
  readonly #node: JoinNode;
  readonly #table: JoinTable;
  /** Kinds of values of each key of the rows that came, as bits. */
  readonly #keyKinds: number[];
  readonly #isLeft: boolean;
  readonly #evaluator: Evaluator;
  readonly #residual: ReturnType<typeof compileFilter> | undefined;
  readonly #context: ExecContext;
  readonly #next: Operator;
  readonly #tuples = new Int32Array(BATCH_ROWS);
  readonly #probeRows = new Uint16Array(BATCH_ROWS);
  readonly #buildRows = new Int32Array(BATCH_ROWS);
  readonly #passed = new Uint16Array(BATCH_ROWS);
  readonly #matched = new Uint8Array(BATCH_ROWS);
  #pending = 0;
  #wantsMore = true;

  constructor(node: JoinNode, table: JoinTable, context: ExecContext, next: Operator) {
    this.#node = node;
    this.#table = table;
    this.#keyKinds = node.probeKeys.map(() => 0);
    this.#isLeft = node.join === 'left';
    this.#evaluator = new Evaluator(node.probeKeys, context.evaluation);
    this.#residual = node.residual === undefined ? undefined : compileFilter(node.residual);
    this.#context = context;
    this.#next = next;
  }

  push(rows: Rows): boolean {
    const { batch, selection, count } = rows;
    const keys = this.#evaluator.evaluate(rows);
    keys.vectors.forEach((vector, key) => {
      this.#keyKinds[key]! |= kindsOf(vector, keys);
    });
    this.#table.probe(keys, this.#tuples);
    if (this.#isLeft) this.#matched.fill(0);
    for (let index = 0; index < count && this.#wantsMore; index++) {
      const probeRow = selection === undefined ? index : selection[index]!;
      for (let row = this.#table.first(this.#tuples[index]!); row >= 0; row = this.#table.next(row)) {
        this.#probeRows[this.#pending] = probeRow;
        this.#buildRows[this.#pending++] = row;
        if (this.#pending === BATCH_ROWS) this.#flush(batch);
        if (!this.#wantsMore) break;
      }
    }
    this.#flush(batch);
    if (this.#isLeft && this.#wantsMore) this.#passUnmatched(rows);
    return this.#wantsMore;
  }

  finish(): void {
    this.#tellKinds();
    this.#next.finish();
  }

  /** Reports the kinds of both sides' keys: unlike kinds never match, and whether the sides share one is known at the end. */
  #tellKinds(): void {
    const { oddRows } = this.#context.evaluation;
    const { probeKeys, buildKeys } = this.#node;
    probeKeys.forEach((left, key) => {
      const right = buildKeys[key]!;
      const [leftKinds, rightKinds] = [this.#keyKinds[key]!, this.#table.keyKinds[key]!];
      oddRows?.keyKinds(left, { left: exprText(left), leftKinds, right: exprText(right), rightKinds });
    });
  }

  #flush(batch: Batch): void {
    const count = this.#pending;
    this.#pending = 0;
    if (count === 0) return;
    this.#context.checkCancelled();
    const joined = this.#joined(batch, count);
    if (this.#residual === undefined) {
      this.#note(undefined, count);
      this.#wantsMore = this.#next.push(allRows(joined));
      return;
    }
    const passed = this.#residual(joined, this.#context.evaluation, undefined, count, this.#passed);
    this.#note(this.#passed, passed);
    if (passed > 0) this.#wantsMore = this.#next.push({ batch: joined, selection: this.#passed, count: passed });
  }

  /** Notes which probe rows found a partner: those of the pending matches that `selection` names. */
  #note(selection: Uint16Array | undefined, count: number): void {
    if (!this.#isLeft) return;
    for (let index = 0; index < count; index++) {
      this.#matched[this.#probeRows[selection === undefined ? index : selection[index]!]!] = 1;
    }
  }

  #joined(batch: Batch, count: number): Batch {
    const probe = batch.columns.map((column) => gather(column, this.#probeRows, count));
    const build = this.#table.columns.map((column) => column.gather(this.#buildRows, 0, count));
    return { length: count, columns: [...probe, ...build] };
  }

  #passUnmatched({ batch, selection, count }: Rows): void {
    let unmatched = 0;
    for (let index = 0; index < count; index++) {
      const row = selection === undefined ? index : selection[index]!;
      if (this.#matched[row] === 0) this.#probeRows[unmatched++] = row;
    }
    if (unmatched === 0) return;
    this.#buildRows.fill(-1, 0, unmatched);
    this.#wantsMore = this.#next.push(allRows(this.#joined(batch, unmatched)));
  }
}
