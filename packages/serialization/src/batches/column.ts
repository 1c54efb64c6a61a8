/**
 * Columns of rows as they lie in memory on either side of the wire. The executor's vectors have this very shape, so that
 * nothing is converted between a kernel and the codec.
 */

/** SQL types as text; the same words as everywhere else in the grid. */
export const COLUMN_TYPES = [
  'any',
  'null',
  'boolean',
  'int4',
  'int8',
  'float8',
  'numeric',
  'text',
  'bytea',
  'timestamptz',
  'date',
  'interval',
  'json',
] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/**
 * What one value is. Where it lies: lane `numbers` (BOOLEAN as 0/1, NUMBER, INT, TIMESTAMP and DATE as milliseconds since
 * 1970) or lane `values` (BIGINT, DECIMAL, TEXT, BYTES, INTERVAL, JSON). The numbers are on the wire: never reused.
 */
export const ValueTag = {
  MISSING: 0,
  NULL: 1,
  BOOLEAN: 2,
  NUMBER: 3,
  INT: 4,
  TIMESTAMP: 5,
  DATE: 6,
  BIGINT: 7,
  DECIMAL: 8,
  TEXT: 9,
  BYTES: 10,
  INTERVAL: 11,
  JSON: 12,
} as const;
export type ValueTag = (typeof ValueTag)[keyof typeof ValueTag];

/** One column. Made once, then read only. */
export interface Column {
  readonly type: ColumnType;
  readonly length: number;
  /** The tag that every row has, or undefined when rows differ (nulls included): then `tags` says. */
  readonly uniform: ValueTag | undefined;
  /** tags[row]; present when `uniform` is undefined. */
  readonly tags: Uint8Array | undefined;
  readonly numbers: Float64Array | undefined;
  readonly values: readonly unknown[] | undefined;
  /** Text rows by code: dictionary[codes[row]]. */
  readonly codes: Uint8Array | Uint16Array | undefined;
  readonly dictionary: readonly string[] | undefined;
}

export interface ColumnRows {
  readonly length: number;
  readonly columns: readonly Column[];
}

/** A span of months, days and time, which do not convert into one another. */
export interface IntervalParts {
  readonly months: number;
  readonly days: number;
  /** Milliseconds; whole microseconds. */
  readonly milliseconds: number;
}
