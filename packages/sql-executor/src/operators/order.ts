/**
 * The order of buffered rows by sort keys, and a stable sort that can be cancelled.
 *
 * order O1  compare(a, b) is a total order but for equal keys; the sort keeps equal rows in the order they came.
 */
import { compareAcrossKinds, compareText, compareValues, type OddRows, Tag, valueAt } from '@ashlar/expressions';
import { exprText, type SortKey } from '@ashlar/sql-plan';
import type { ColumnBuilder } from '../column-builder.ts';
import { isMixed, kindsOfTags, noteMixedOrder } from '../kinds.ts';

export type Compare = (a: number, b: number) => number;

/** Rows sorted by insertion before runs are merged. */
const INSERTION_RUN = 16;
/** Rows merged between two looks at the cancel flag. */
const CANCEL_ROWS = 65_536;

/**
 * Compares rows of `keys` columns by their index, as `order` says.
 *
 * @param oddRows  counts where a key mixes kinds, which then are ordered too; undefined: comparing them is TYPE_MISMATCH
 */
export function comparatorOf(
  keys: readonly ColumnBuilder[],
  order: readonly SortKey[],
  oddRows: OddRows | undefined,
): Compare {
  const parts = keys.map((key, index) => keyComparator(key, order[index]!, oddRows));
  const [first, second] = parts;
  if (first === undefined) return () => 0;
  if (second === undefined) return first;
  return (a, b) => {
    for (const compare of parts) {
      const result = compare(a, b);
      if (result !== 0) return result;
    }
    return 0;
  };
}

function keyComparator(key: ColumnBuilder, sortKey: SortKey, oddRows: OddRows | undefined): Compare {
  const { descending, nullsFirst } = sortKey;
  const compare = valueComparator(key, sortKey, oddRows);
  const { tags } = key;
  const nullSide = nullsFirst ? -1 : 1;
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const aIsNull = tags[a]! <= Tag.NULL;
    const bIsNull = tags[b]! <= Tag.NULL;
    if (aIsNull || bIsNull) return aIsNull === bIsNull ? 0 : aIsNull ? nullSide : -nullSide;
    return compare(a, b) * sign;
  };
}

/** Compares two rows that are not null, by the fastest way that the tags of all rows allow. */
function valueComparator(key: ColumnBuilder, sortKey: SortKey, oddRows: OddRows | undefined): Compare {
  const { numbers } = key;
  const tags = tagsOf(key);
  switch (domainOf(tags)) {
    case 'numbers':
      return (a, b) => {
        const left = numbers[a]!;
        const right = numbers[b]!;
        return left < right ? -1 : left > right ? 1 : compareValues(left, right);
      };
    case 'texts': {
      const texts = key.values as readonly string[];
      return (a, b) => compareText(texts[a]!, texts[b]!);
    }
    default: {
      const vector = key.slice(0, key.length);
      if (oddRows === undefined || !isMixed(kindsOfTags(tags))) {
        return (a, b) => compareValues(valueAt(vector, a), valueAt(vector, b));
      }
      noteMixedOrder(oddRows, sortKey, `ORDER BY ${exprText(sortKey.expr)}`);
      return (a, b) => compareAcrossKinds(valueAt(vector, a), valueAt(vector, b));
    }
  }
}

/** The set of tags, as bits. */
function tagsOf({ tags, length }: ColumnBuilder): number {
  let found = 0;
  for (let row = 0; row < length; row++) found |= 1 << tags[row]!;
  return found;
}

/** What all values that are not null have in common: one kind of number, text, or nothing. */
function domainOf(tags: number): 'numbers' | 'texts' | 'mixed' {
  const has = tags & ~((1 << Tag.NULL) | (1 << Tag.MISSING));
  if (has === 1 << Tag.TEXT) return 'texts';
  const oneKind = [(1 << Tag.NUMBER) | (1 << Tag.INT), (1 << Tag.TIMESTAMP) | (1 << Tag.DATE), 1 << Tag.BOOLEAN];
  return oneKind.some((kind) => (has & ~kind) === 0) ? 'numbers' : 'mixed';
}

/** Indexes 0 .. length - 1 in the order of `compare`, stable. */
export function sortedRows(length: number, compare: Compare, checkCancelled: () => void): Int32Array {
  let rows = Int32Array.from({ length }, (_, index) => index);
  for (let start = 0; start < length; start += INSERTION_RUN) {
    if (start % CANCEL_ROWS === 0) checkCancelled();
    insertionSort(rows, start, Math.min(start + INSERTION_RUN, length), compare);
  }
  let other = new Int32Array(length);
  let untilCheck = CANCEL_ROWS;
  for (let run = INSERTION_RUN; run < length; run *= 2) {
    for (let start = 0; start < length; start += run * 2) {
      const end = Math.min(start + run * 2, length);
      mergeRuns(rows, other, start, Math.min(start + run, length), end, compare);
      untilCheck -= end - start;
      if (untilCheck > 0) continue;
      checkCancelled();
      untilCheck = CANCEL_ROWS;
    }
    [rows, other] = [other, rows];
  }
  return rows;
}

function insertionSort(rows: Int32Array, start: number, end: number, compare: Compare): void {
  for (let index = start + 1; index < end; index++) {
    const row = rows[index]!;
    let at = index;
    while (at > start && compare(rows[at - 1]!, row) > 0) {
      rows[at] = rows[at - 1]!;
      at--;
    }
    rows[at] = row;
  }
}

/** Merges the sorted runs [start, middle) and [middle, end) of `from` into `to`. */
function mergeRuns(
  from: Int32Array,
  to: Int32Array,
  start: number,
  middle: number,
  end: number,
  compare: Compare,
): void {
  if (middle >= end || compare(from[middle - 1]!, from[middle]!) <= 0) {
    to.set(from.subarray(start, end), start);
    return;
  }
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const takesLeft = right >= end || (left < middle && compare(from[left]!, from[right]!) <= 0);
    to[at] = takesLeft ? from[left++]! : from[right++]!;
  }
}
