/** Kinds of values that have an order, or a sum, among each other. */
import { type OddRows, Tag, type Vector } from '@ashlar/expressions';
import type { Rows } from './rows.ts';

const NUMBERS: readonly number[] = [Tag.NUMBER, Tag.INT, Tag.BIGINT, Tag.DECIMAL];
const TIMES: readonly number[] = [Tag.TIMESTAMP, Tag.DATE];

/** One tag for all that compare: numbers are NUMBER, times TIMESTAMP. */
const KIND_OF_TAG = Uint8Array.from({ length: 32 }, (_, tag) => {
  if (NUMBERS.includes(tag)) return Tag.NUMBER;
  return TIMES.includes(tag) ? Tag.TIMESTAMP : tag;
});

export function kindOfTag(tag: number): number {
  return KIND_OF_TAG[tag]!;
}

/** The set of kinds, as bits, of a set of tags, as bits; NULL is none. */
export function kindsOfTags(tags: number): number {
  let kinds = 0;
  for (let tag = Tag.NULL + 1; tag < KIND_OF_TAG.length; tag++)
    if ((tags & (1 << tag)) !== 0) kinds |= 1 << kindOfTag(tag);
  return kinds;
}

/** Whether a set has more than one kind. */
export function isMixed(kinds: number): boolean {
  return (kinds & (kinds - 1)) !== 0;
}

/** The kinds of the selected values of a column, as bits. */
export function kindsOf({ uniform, tags }: Vector, { selection, count }: Pick<Rows, 'selection' | 'count'>): number {
  if (uniform !== undefined) return count === 0 ? 0 : kindsOfTags(1 << uniform);
  let found = 0;
  for (let index = 0; index < count; index++) found |= 1 << tags![selection === undefined ? index : selection[index]!]!;
  return kindsOfTags(found);
}

/** Says that `what` met several kinds and kept a total order over them. */
export function noteMixedOrder(oddRows: OddRows, site: unknown, what: string): void {
  oddRows.add(site, `${what} orders values of several kinds: by kind, then by value`, 0);
}
