/** The columns that a scan asks for, and the vectors that it gets. */
import type { MapId, PartitionId } from '@ashlar/core';
import type { Column, ColumnType, Path } from '@ashlar/serialization';
import type { Ref } from '../memory/arena.ts';

/** Where a column's values come from: a path of the document, or the entry itself. */
export type ColumnSource =
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'key' }
  | { readonly kind: 'version' }
  /** When the value expires; NULL: it does not. */
  | { readonly kind: 'expires_at' }
  /** The whole document. */
  | { readonly kind: 'value' };

export interface ColumnSpec {
  readonly source: ColumnSource;
  /** The static type that the plan gives the column; it goes into the vector as it is. */
  readonly type: ColumnType;
  /** The column's number in its map (MemberStore.columnNumber); -1: never kept. */
  readonly columnNumber: number;
}

/** Rows of one chunk in lanes by slot number. Valid until the reader's next chunk; rows not asked for hold anything. */
export type ColumnVector = Column;

/** Rows by slot number, ascending; undefined: all slots below a count. */
export type SlotSelection = Uint16Array | undefined;

/** A region that a worker filled: for the main thread to publish, or to take its pages back. Structured-cloneable. */
export interface ColumnOffer {
  readonly mapId: MapId;
  readonly partitionId: PartitionId;
  readonly chunkIndex: number;
  /** The chunk that was read: a region belongs to no other. */
  readonly chunkRef: Ref;
  readonly columnNumber: number;
  readonly region: Ref;
  /** The lease that the region lies in. */
  readonly pages: Int32Array;
}
