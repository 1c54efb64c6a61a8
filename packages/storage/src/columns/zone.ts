/**
 * Zone maps: what a column chunk can contain, so that a scan skips chunks in which no row can meet a condition.
 *
 * zone Z1  `mayMatch` answers false only when no filled slot can make the condition TRUE; in doubt it answers true.
 */
import { ValueTag } from '@ashlar/serialization';
import type { RegionView } from './region-view.ts';

/** A condition `column operator value` that every row must meet; times in milliseconds, booleans as 0 or 1. */
export type ColumnBound =
  | {
      readonly operator: '=' | '<' | '<=' | '>' | '>=';
      readonly kind: 'number' | 'time' | 'boolean';
      readonly value: number;
    }
  | { readonly operator: '='; readonly kind: 'text'; readonly value: string }
  | { readonly operator: 'isNull' | 'isNotNull' };

const NULL_TAGS = (1 << ValueTag.MISSING) | (1 << ValueTag.NULL);
const TAG_OF_KIND: Readonly<Record<string, ValueTag>> = {
  number: ValueTag.NUMBER,
  time: ValueTag.TIMESTAMP,
  boolean: ValueTag.BOOLEAN,
  text: ValueTag.TEXT,
};

/** Whether a filled slot of the region may meet the condition. */
export function mayMatch(region: RegionView, bound: ColumnBound): boolean {
  const values = region.tagMask & ~NULL_TAGS;
  if (!('kind' in bound)) return bound.operator === 'isNull' ? region.nulls > 0 : values !== 0;
  if (values === 0) return false;
  // other kinds of values may compare too, or be an error that the kernel has to raise
  if (values !== 1 << TAG_OF_KIND[bound.kind]!) return true;
  if (bound.kind === 'text') return region.dictionary?.includes(bound.value) ?? true;
  return mayMatchNumber(region, bound.operator, bound.value);
}

function mayMatchNumber(region: RegionView, operator: '=' | '<' | '<=' | '>' | '>=', value: number): boolean {
  if (Number.isNaN(value)) return true;
  switch (operator) {
    case '=':
      return region.min <= value && region.max >= value;
    case '<':
      return region.min < value;
    case '<=':
      return region.min <= value;
    // NaN is above every number
    case '>':
      return region.hasNaN || region.max > value;
    default:
      return region.hasNaN || region.max >= value;
  }
}
