/**
 * State of one aggregate for every group: counts, sums, extremes.
 *
 *   row -> add(group, value) or a kernel's loop over the lanes -> state columns -> addState on the merging side -> result
 *
 * accumulator A1  Lanes are indexed by group; reserve(n) is called before a group below n is touched, and may replace every
 *                 lane.
 * accumulator A2  Rows of a group are counted once for all aggregates, in `rows`. An aggregate keeps `skipped`, the rows
 *                 that its count leaves out, as a negative number: count = rows + skipped. A merged state adds to `skipped`
 *                 alone.
 * accumulator A3  state() and addState() are a pair: merging the states of any split of the rows gives what all rows at once
 *                 give.
 */
import type { Vector } from '@ashlar/expressions';

/** Rows counted per group, shared by the accumulators of one aggregation. */
export class GroupRows {
  counts = new Float64Array(16);

  reserve(groups: number): void {
    this.counts = grown(this.counts, groups);
  }
}

export interface Accumulator {
  reserve(groups: number): void;
  /** A row's value, by tag and lane; a null counts as skipped. */
  add(group: number, tag: number, number: number, value: unknown): void;
  /** A row that FILTER leaves out. */
  skip(group: number): void;
  /** How many columns a state has. */
  readonly stateWidth: number;
  /** States of groups [from, to). */
  state(from: number, to: number): Vector[];
  addState(group: number, columns: readonly Vector[], row: number): void;
  /** Results of groups [from, to). */
  result(from: number, to: number): Vector;
  /** Estimated bytes held. */
  readonly bytes: number;
}

/** `lane` with room for `groups`: itself, or a copy at least twice as long. */
export function grown<Lane extends Float64Array | Uint8Array>(lane: Lane, groups: number): Lane {
  if (groups <= lane.length) return lane;
  const longer = new (lane.constructor as new (length: number) => Lane)(Math.max(groups, lane.length * 2));
  longer.set(lane);
  return longer;
}
