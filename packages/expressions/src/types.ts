/**
 * SQL types, and how values of them lie in a vector.
 *
 * A path of a document has no declared type: its static type is `any`, and every value brings its own tag. A number in
 * such a path is double precision however it is encoded; a bigint is int8. Only declared columns, literals and results
 * of functions have a static type.
 */

/** `any`: decided row by row by the value's tag. `null`: the type of a bare NULL. */
export type SqlType =
  | 'boolean'
  | 'int4'
  | 'int8'
  | 'float8'
  | 'numeric'
  | 'text'
  | 'bytea'
  | 'timestamptz'
  | 'date'
  | 'interval'
  | 'json'
  | 'any'
  | 'null';

/**
 * The run-time tag of one value. Where a value lies: lane `numbers` (BOOLEAN as 0/1, NUMBER, INT, TIMESTAMP and DATE as
 * milliseconds since 1970) or lane `values` (BIGINT as bigint, DECIMAL as Decimal, TEXT as string, BYTES as Uint8Array,
 * INTERVAL as Interval, JSON as decoded object or array).
 */
export const Tag = {
  /** The path is not in the document. SQL sees NULL. */
  MISSING: 0,
  NULL: 1,
  BOOLEAN: 2,
  /** float8. */
  NUMBER: 3,
  /** int4 or a literal integer within 2^53: exact in a double. */
  INT: 4,
  TIMESTAMP: 5,
  DATE: 6,
  /** int8. */
  BIGINT: 7,
  /** numeric. */
  DECIMAL: 8,
  TEXT: 9,
  BYTES: 10,
  INTERVAL: 11,
  JSON: 12,
} as const;
export type Tag = (typeof Tag)[keyof typeof Tag];

/** Rows of one column: at most BATCH_ROWS. Made once by a kernel, then read only. */
export interface Vector {
  readonly type: SqlType;
  readonly length: number;
  /** The tag that every row has, or undefined when rows differ (nulls included): then `tags` says. */
  readonly uniform: Tag | undefined;
  /** tags[row]; present when `uniform` is undefined. */
  readonly tags: Uint8Array | undefined;
  /** Rows whose value lies in the number lane; length >= `length` when present. */
  readonly numbers: Float64Array | undefined;
  /** Rows whose value does not: values[row]. Absent when `dictionary` serves the rows. */
  readonly values: readonly unknown[] | undefined;
  /** Text rows by code: dictionary[codes[row]]; one dictionary a chunk, so a group or a predicate works by code. */
  readonly codes: Uint8Array | Uint16Array | undefined;
  readonly dictionary: readonly string[] | undefined;
}

/** The most rows a batch has; the size of a full slot chunk. */
export const BATCH_ROWS = 4096;

/** Columns of equal length: what flows between operators. */
export interface Batch {
  readonly length: number;
  readonly columns: readonly Vector[];
}
