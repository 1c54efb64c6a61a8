/** Kinds of values that have an order, or a sum, among each other. */
import { kindNoun, type OddRows, Tag } from '@ashlar/expressions';

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

/** 'text and numbers' */
export function kindsText(kinds: number): string {
  const nouns: string[] = [];
  for (let kind = 0; kind < KIND_OF_TAG.length; kind++) if ((kinds & (1 << kind)) !== 0) nouns.push(kindNoun(kind));
  return `${nouns.slice(0, -1).join(', ')}${nouns.length > 1 ? ' and ' : ''}${nouns.at(-1) ?? ''}`;
}

/** Says that `what` met several kinds and kept a total order over them. */
export function noteMixedOrder(oddRows: OddRows, site: unknown, what: string): void {
  oddRows.add(site, `${what} orders values of several kinds: by kind, then by value`, 0);
}
