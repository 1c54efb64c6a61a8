/**
 * Tuples of values to dense ids: a group, a distinct row, a join key.
 *
 *   column 0 -> id a ┐
 *   column 1 -> id b ┴ (a, b) -> id ab ┐
 *   column 2 -> id c ------------------┴ (ab, c) -> id abc
 *
 * row-ids T1  Without columns there is one tuple, id 0.
 * row-ids T2  An id of the last step is the id of the tuple; each step keeps its pairs, so that ids turn back into values.
 */
import { assert } from '@ashlar/core';
import { BATCH_ROWS, type SqlType, type Vector } from '@ashlar/expressions';
import type { Evaluated } from '../rows.ts';
import { NumberIds } from './number-ids.ts';
import { type Unknown, ValueIds } from './value-ids.ts';

/** Ids of one column, and of one step's pairs, at most; so that a pair is a whole number below 2^53. */
const IDS_MAX = 2 ** 26;
/** Pairs of two small ids are small numbers, which NumberIds finds directly. */
const SMALL_SHIFT = 10;
const SMALL_IDS = 1 << SMALL_SHIFT;
/** Left ids that have a table by right id: one group, or few, with many distinct values. No other pair is small. */
const TABLED_LEFTS = 8;

/** Pairs of ids to dense ids. */
export class PairIds {
  readonly #ids = new NumberIds();
  /** tables[left][right] = id + 1, or 0; for pairs that are not small. */
  readonly #tables: Int32Array[] = Array.from({ length: TABLED_LEFTS }, () => new Int32Array(0));
  #size = 0;
  #lefts: Int32Array = new Int32Array(64);
  #rights: Int32Array = new Int32Array(64);

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    let bytes = this.#ids.bytes + this.#lefts.byteLength + this.#rights.byteLength;
    for (const table of this.#tables) bytes += table.byteLength;
    return bytes;
  }

  /** The id of (left, right); -1 when it is not known and not added, or when either is -1. */
  idOf(left: number, right: number, unknown: Unknown): number {
    if (left < 0 || right < 0) return -1;
    const isSmall = left < SMALL_IDS && right < SMALL_IDS;
    if (left < TABLED_LEFTS && !isSmall) return this.#tabledId(left, right, unknown);
    const pair = isSmall ? (left << SMALL_SHIFT) | right : left * IDS_MAX + right;
    const known = this.#ids.find(pair);
    if (known >= 0 || unknown === 'leave') return known;
    const id = this.#add(left, right);
    this.#ids.add(pair, id);
    return id;
  }

  #tabledId(left: number, right: number, unknown: Unknown): number {
    let table = this.#tables[left]!;
    const known = right < table.length ? table[right]! - 1 : -1;
    if (known >= 0 || unknown === 'leave') return known;
    if (right >= table.length) {
      table = new Int32Array(Math.max(right + 1, table.length * 2));
      table.set(this.#tables[left]!);
      this.#tables[left] = table;
    }
    const id = this.#add(left, right);
    table[right] = id + 1;
    return id;
  }

  /** Replaces the left ids by the ids of their pairs. */
  encode(lefts: Int32Array, rights: Int32Array, count: number, found: Int32Array, unknown: Unknown): void {
    if (lookUpPairs(lefts, rights, count, this.#ids.direct, found) < 0) {
      for (let row = 0; row < count; row++) {
        if (found[row]! < 0) found[row] = this.idOf(lefts[row]!, rights[row]!, unknown);
      }
    }
    for (let row = 0; row < count; row++) lefts[row] = found[row]!;
  }

  left(id: number): number {
    return this.#lefts[id]!;
  }

  right(id: number): number {
    return this.#rights[id]!;
  }

  #add(left: number, right: number): number {
    const id = this.#size++;
    assert(id < IDS_MAX, 'the memory budget ends a query before its ids do');
    if (id === this.#lefts.length) {
      this.#lefts = doubled(this.#lefts);
      this.#rights = doubled(this.#rights);
    }
    this.#lefts[id] = left;
    this.#rights[id] = right;
    return id;
  }
}

function doubled(lane: Int32Array): Int32Array {
  const longer = new Int32Array(lane.length * 2);
  longer.set(lane);
  return longer;
}

/** Ids of pairs of small ids to `found`, -1 for others; negative when there is such a row. Calls nothing. */
function lookUpPairs(
  lefts: Int32Array,
  rights: Int32Array,
  count: number,
  direct: Int32Array,
  found: Int32Array,
): number {
  const mask = direct.length - 1;
  let unseen = 0;
  for (let row = 0; row < count; row++) {
    const left = lefts[row]!;
    const right = rights[row]!;
    const pair = (left << SMALL_SHIFT) | right;
    // Negative ids and large ones set bits that no small pair has.
    const isSmall = ((left | right) & -SMALL_IDS) === 0 && pair <= mask;
    const id = isSmall ? direct[pair & mask]! : -1;
    found[row] = id;
    unseen |= id;
  }
  return unseen;
}

export class RowIds {
  readonly columns: readonly ValueIds[];
  readonly #steps: readonly PairIds[];
  #rights = new Int32Array(0);
  #found = new Int32Array(0);
  #isEmpty = true;

  constructor(types: readonly SqlType[]) {
    this.columns = types.map((type) => new ValueIds(type));
    this.#steps = types.slice(1).map(() => new PairIds());
  }

  get size(): number {
    if (this.columns.length === 0) return this.#isEmpty ? 0 : 1;
    return (this.#steps.at(-1) ?? this.columns[0]!).size;
  }

  get bytes(): number {
    let bytes = 0;
    for (const column of this.columns) bytes += column.bytes;
    for (const step of this.#steps) bytes += step.bytes;
    return bytes;
  }

  /** Makes tuple 0 of no columns known: an aggregate without GROUP BY has a row even without input. */
  addEmptyTuple(): void {
    this.#isEmpty = false;
  }

  /** Writes the id of each row's tuple to `out`; -1 where it is not known and not added, or nulls never match. */
  encode(rows: Evaluated, out: Int32Array, unknown: Unknown = 'add', nulls: 'value' | 'never' = 'value'): void {
    const { vectors, selection, count } = rows;
    if (count > 0) this.#isEmpty = false;
    if (vectors.length === 0) {
      out.fill(0, 0, count);
      return;
    }
    this.columns[0]!.encode(vectors[0]!, selection, count, out, unknown, nulls);
    if (this.#steps.length === 0) return;
    if (this.#rights.length < count) {
      this.#rights = new Int32Array(Math.max(count, BATCH_ROWS));
      this.#found = new Int32Array(this.#rights.length);
    }
    this.#steps.forEach((step, index) => {
      this.columns[index + 1]!.encode(vectors[index + 1]!, selection, count, this.#rights, unknown, nulls);
      step.encode(out, this.#rights, count, this.#found, unknown);
    });
  }

  /** Tuples [from, to) as vectors, one a column. */
  vectors(from: number, to: number): Vector[] {
    if (this.columns.length === 1) return [this.columns[0]!.stored.slice(from, to)];
    return this.gather(Int32Array.from({ length: to - from }, (_, index) => from + index));
  }

  /** Some tuples as vectors, one a column. */
  gather(tuples: Int32Array): Vector[] {
    const count = tuples.length;
    const ids = this.columns.map(() => new Int32Array(count));
    for (let index = 0; index < count; index++) {
      let id = tuples[index]!;
      for (let column = ids.length - 1; column > 0; column--) {
        const step = this.#steps[column - 1]!;
        ids[column]![index] = step.right(id);
        id = step.left(id);
      }
      if (ids.length > 0) ids[0]![index] = id;
    }
    return this.columns.map((column, index) => column.stored.gather(ids[index]!, 0, count));
  }
}
