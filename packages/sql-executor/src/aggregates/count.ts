/** count(*), count(x). */
import { GridError } from '@ashlar/core';
import { type Aggregate, Tag, type Vector } from '@ashlar/expressions';
import { ColumnBuilder, vectorOfLanes } from '../column-builder.ts';
import { type Accumulator, type GroupRows, grown } from './accumulator.ts';

/** A vector of whole numbers. */
export function countVector(counts: Float64Array): Vector {
  return vectorOfLanes('float8', new Uint8Array(counts.length).fill(Tag.INT), counts, undefined);
}

export class CountAccumulator implements Accumulator {
  readonly stateWidth = 1;
  skipped = new Float64Array(16);
  readonly #rows: GroupRows;
  readonly #aggregate: Aggregate;

  constructor(aggregate: Aggregate, rows: GroupRows) {
    this.#aggregate = aggregate;
    this.#rows = rows;
  }

  get bytes(): number {
    return this.skipped.byteLength;
  }

  reserve(groups: number): void {
    this.skipped = grown(this.skipped, groups);
  }

  add(group: number, tag: number): void {
    if (tag <= Tag.NULL) this.skipped[group]!--;
  }

  skip(group: number): void {
    this.skipped[group]!--;
  }

  state(from: number, to: number): Vector[] {
    return [countVector(this.#counts(from, to))];
  }

  addState(group: number, columns: readonly Vector[], row: number): void {
    this.skipped[group]! += columns[0]!.numbers![row]!;
  }

  /** int8 as bigints, as that type's vectors are; every other type as whole numbers. */
  result(from: number, to: number): Vector {
    const counts = this.#counts(from, to);
    const { type } = this.#aggregate;
    if (counts.some((count) => count > Number.MAX_SAFE_INTEGER)) {
      throw new GridError('NUMERIC_OVERFLOW', 'a count beyond 2^53');
    }
    const builder = new ColumnBuilder(type);
    const isBigint = type === 'int8';
    const tag = isBigint ? Tag.BIGINT : type === 'float8' || type === 'any' ? Tag.NUMBER : Tag.INT;
    for (const count of counts) builder.appendValue(tag, count, isBigint ? BigInt(count) : undefined);
    return builder.slice(0, counts.length);
  }

  #counts(from: number, to: number): Float64Array {
    const rows = this.#rows.counts;
    return Float64Array.from({ length: to - from }, (_, index) => rows[from + index]! + this.skipped[from + index]!);
  }
}
