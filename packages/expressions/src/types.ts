/**
 * SQL types, and how values of them lie in a vector.
 *
 * A path of a document has no declared type: its static type is `any`, and every value brings its own tag. A number in
 * such a path is double precision however it is encoded; a bigint is int8. Only declared columns, literals and results
 * of functions have a static type.
 */
import { type Column, type ColumnType, ValueTag } from '@ashlar/serialization';

/** `any`: decided row by row by the value's tag. `null`: the type of a bare NULL. */
export type SqlType = ColumnType;

/** The run-time tag of one value, and where it lies (serialization's batches). */
export const Tag = ValueTag;
export type Tag = ValueTag;

/** Rows of one column: at most BATCH_ROWS. Made once by a kernel, then read only. On the wire it is the same. */
export type Vector = Column;

/** The most rows a batch has; the size of a full slot chunk. */
export const BATCH_ROWS = 4096;

/** Columns of equal length: what flows between operators. */
export interface Batch {
  readonly length: number;
  readonly columns: readonly Vector[];
}
