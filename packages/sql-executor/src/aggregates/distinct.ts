/**
 * An aggregate over distinct values: count(DISTINCT x), sum(DISTINCT x), avg(DISTINCT x).
 *
 *   (group, value id) -> pair id, once; a state is the group's values as an encoded batch; the result aggregates pairs
 *
 * distinct D1  NULL is no value: count, sum and avg leave it out, DISTINCT or not.
 */
import { type Aggregate, Tag, type Vector } from '@ashlar/expressions';
import { decodeColumns, encodeColumns } from '@ashlar/serialization';
import { ColumnBuilder } from '../column-builder.ts';
import { PairIds } from '../keys/row-ids.ts';
import { ValueIds } from '../keys/value-ids.ts';
import { vectorsOf } from '../vectors.ts';
import { type Accumulator, GroupRows } from './accumulator.ts';

export class DistinctAccumulator implements Accumulator {
  readonly stateWidth = 1;
  readonly #values: ValueIds;
  readonly #pairs = new PairIds();
  readonly #makeInner: (rows: GroupRows) => Accumulator;

  /** @param makeInner makes the aggregate that the distinct values are given to */
  constructor(aggregate: Aggregate, makeInner: (rows: GroupRows) => Accumulator) {
    this.#values = new ValueIds(aggregate.operand!.type);
    this.#makeInner = makeInner;
  }

  get bytes(): number {
    return this.#values.bytes + this.#pairs.bytes;
  }

  reserve(): void {
    // Pairs grow by themselves.
  }

  skip(): void {
    // A row that does not count brings no value.
  }

  add(group: number, tag: number, number: number, value: unknown): void {
    if (tag > Tag.NULL) this.#pairs.idOf(group, this.#values.idOf(tag, number, value), 'add');
  }

  /** The values of many rows at once. */
  addRows(groups: Int32Array, vector: Vector, selection: Uint16Array | undefined, count: number): void {
    for (let index = 0; index < count; index++) {
      const row = selection === undefined ? index : selection[index]!;
      const tag = vector.uniform ?? vector.tags![row]!;
      if (tag > Tag.NULL) this.#pairs.idOf(groups[index]!, this.#values.idAt(vector, row, tag), 'add');
    }
  }

  state(from: number, to: number): Vector[] {
    const { ids, starts } = this.#valuesByGroup(from, to);
    const builder = new ColumnBuilder('bytea');
    for (let group = 0; group < to - from; group++) {
      const start = starts[group]!;
      const end = starts[group + 1]!;
      if (start === end) {
        builder.appendNulls(1);
        continue;
      }
      const column = this.#values.stored.gather(ids, start, end);
      builder.appendValue(Tag.BYTES, 0, encodeColumns({ length: end - start, columns: [column] }));
    }
    return [builder.slice(0, to - from)];
  }

  addState(group: number, columns: readonly Vector[], row: number): void {
    const column = columns[0]!;
    if ((column.uniform ?? column.tags![row]!) <= Tag.NULL) return;
    const values = vectorsOf(decodeColumns(column.values![row] as Uint8Array))[0]!;
    for (let index = 0; index < values.length; index++) {
      const tag = values.uniform ?? values.tags![index]!;
      this.#pairs.idOf(group, this.#values.idAt(values, index, tag), 'add');
    }
  }

  result(from: number, to: number): Vector {
    const { ids, starts } = this.#valuesByGroup(from, to);
    const rows = new GroupRows();
    const inner = this.#makeInner(rows);
    rows.reserve(to - from);
    inner.reserve(to - from);
    const { tags, numbers, values } = this.#values.stored;
    for (let group = 0; group < to - from; group++) {
      for (let at = starts[group]!; at < starts[group + 1]!; at++) {
        const id = ids[at]!;
        rows.counts[group]!++;
        inner.add(group, tags[id]!, numbers[id]!, values?.[id]);
      }
    }
    return inner.result(0, to - from);
  }

  /** Value ids of groups [from, to), group after group; those of group g lie at starts[g - from] .. starts[g - from + 1]. */
  #valuesByGroup(from: number, to: number): { readonly ids: Int32Array; readonly starts: Int32Array } {
    const pairs = this.#pairs;
    const starts = new Int32Array(to - from + 1);
    for (let pair = 0; pair < pairs.size; pair++) {
      const group = pairs.left(pair) - from;
      if (group >= 0 && group < to - from) starts[group + 1]!++;
    }
    for (let group = 0; group < to - from; group++) starts[group + 1]! += starts[group]!;
    const ids = new Int32Array(starts[to - from]!);
    const next = starts.slice();
    for (let pair = 0; pair < pairs.size; pair++) {
      const group = pairs.left(pair) - from;
      if (group >= 0 && group < to - from) ids[next[group]!++] = pairs.right(pair);
    }
    return { ids, starts };
  }
}
