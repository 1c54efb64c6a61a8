/**
 * The build side of a join: broadcast rows, found by key.
 *
 *   key values -> tuple id (RowIds) -> first[id] -> row -> next[row] -> ... -> -1
 *
 * join-table J1  A row with NULL in any key is in no chain. Without keys every row is in the chain of tuple 0: a product.
 * join-table J2  Rows of a chain are in the order they came.
 */
import { BATCH_ROWS } from '@ashlar/expressions';
import type { FragmentNode } from '@ashlar/sql-plan';
import { ColumnBuilder } from '../column-builder.ts';
import { type ExecContext, MemoryShare } from '../context.ts';
import { RowIds } from '../keys/row-ids.ts';
import { kindsOf } from '../kinds.ts';
import { allRows, type Evaluated, Evaluator } from '../rows.ts';
import { decodeBatch } from '../vectors.ts';
import { RowBuffer } from './row-buffer.ts';

export type JoinNode = Extract<FragmentNode, { kind: 'HashJoin' }>;

const NONE = -1;
const CHAIN_BYTES = 8;

export class JoinTable {
  readonly rows = new RowBuffer();
  /** Columns that stand for the build side when it has no rows at all. */
  readonly columns: readonly ColumnBuilder[];
  #first = new Int32Array(0);
  #next = new Int32Array(0);
  readonly #ids: RowIds;
  /** Kinds of values of each key, as bits. */
  readonly keyKinds: number[];

  constructor(node: JoinNode, batches: readonly Uint8Array[], context: ExecContext) {
    this.#ids = new RowIds(node.buildKeys.map((key) => key.type));
    this.keyKinds = node.buildKeys.map(() => 0);
    const memory = new MemoryShare(context.memory, 'a join');
    const tuples = this.#load(node, batches, context, memory);
    this.#chain(tuples);
    this.columns =
      this.rows.columns.length > 0 ? this.rows.columns : node.buildColumns.map(({ type }) => new ColumnBuilder(type));
    memory.set(this.rows.bytes + this.#ids.bytes + this.rows.length * CHAIN_BYTES);
  }

  /** Writes the tuple id of each probe row to `out`; -1 where no build row has its key. */
  probe(keys: Evaluated, out: Int32Array): void {
    this.#ids.encode(keys, out, 'leave', 'never');
  }

  /** The first build row of a tuple, or -1. */
  first(tuple: number): number {
    return tuple < 0 || tuple >= this.#first.length ? NONE : this.#first[tuple]!;
  }

  /** The build row after `row` with the same key, or -1. */
  next(row: number): number {
    return this.#next[row]!;
  }

  /** Reads the rows in; returns the tuple id of each. */
  #load(node: JoinNode, batches: readonly Uint8Array[], context: ExecContext, memory: MemoryShare): number[] {
    const evaluator = new Evaluator(node.buildKeys, context.evaluation);
    const ids = new Int32Array(BATCH_ROWS);
    const tuples: number[] = [];
    for (const bytes of batches) {
      context.checkCancelled();
      const batch = decodeBatch(bytes);
      const keys = evaluator.evaluate(allRows(batch));
      keys.vectors.forEach((vector, key) => {
        this.keyKinds[key]! |= kindsOf(vector, keys);
      });
      this.#ids.encode(keys, ids, 'add', 'never');
      for (let row = 0; row < batch.length; row++) tuples.push(ids[row]!);
      this.rows.append({ vectors: batch.columns, selection: undefined, count: batch.length });
      memory.set(this.rows.bytes + this.#ids.bytes + this.rows.length * CHAIN_BYTES);
    }
    return tuples;
  }

  #chain(tuples: readonly number[]): void {
    this.#first = new Int32Array(this.#ids.size).fill(NONE);
    this.#next = new Int32Array(tuples.length).fill(NONE);
    for (let row = tuples.length - 1; row >= 0; row--) {
      const tuple = tuples[row]!;
      if (tuple < 0) continue;
      this.#next[row] = this.#first[tuple]!;
      this.#first[tuple] = row;
    }
  }
}
