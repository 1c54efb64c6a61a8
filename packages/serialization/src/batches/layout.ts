/**
 * Bytes of a result batch: columns in Arrow's memory layout behind a small header of our own.
 *
 *   header    u32 magic "ALB1" · u32 rows · u16 columns · u16 nodes · u32 buffers
 *   nodes     each column and, after it, its children, depth first:
 *             u8 type · u8 layout · u8 tag · u8 children · u32 length · u32 nulls · u32 buffers
 *   buffers   u32 offset from the start of the batch · u32 bytes      in the order of the nodes
 *   body      the buffers, each at a multiple of 8, zero-padded to one
 *
 * layout B1  Numbers are little-endian. The body begins at a multiple of 8, so views fit where the batch itself is aligned.
 * layout B2  A node's first buffer is its validity bitmap (Arrow: bit set = not null, least significant first), of 0 bytes
 *            when there are no nulls; NULLS and DENSE_UNION have none.
 * layout B3  A reader checks every offset, length and code against the batch before it makes a view: any bytes are either
 *            read or refused as CORRUPT_DATA.
 */
import { GridError } from '@ashlar/core';

export const BATCH_MAGIC = 0x31424c41;
export const HEADER_BYTES = 16;
export const NODE_BYTES = 16;
export const BUFFER_BYTES = 8;
export const ALIGNMENT = 8;

/** The most rows of one batch that a reader accepts. */
export const BATCH_ROWS_MAX = 1 << 24;

/** How a node's buffers lie (after validity). Arrow's name of each is in the package README. */
export const Layout = {
  /** No buffers: all rows are null. */
  NULLS: 0,
  /** One bitmap. */
  BOOLEAN: 1,
  INT32: 2,
  INT64: 3,
  FLOAT64: 4,
  /** u32 offsets (length + 1), UTF-8 bytes. */
  UTF8: 5,
  /** u32 offsets (length + 1), bytes. */
  BINARY: 6,
  /** u16 indexes; one child: the dictionary as UTF8. */
  DICTIONARY: 7,
  /** i8 type ids (a row's tag), i32 offsets into the child with that tag; a child a tag that occurs. */
  DENSE_UNION: 8,
  /** 16 bytes a row: i32 months, i32 days, i64 microseconds: SQL's interval has no room for them as nanoseconds. */
  MONTH_DAY_MICRO: 9,
} as const;
export type Layout = (typeof Layout)[keyof typeof Layout];

export interface Node {
  readonly type: number;
  readonly layout: number;
  readonly tag: number;
  readonly children: number;
  readonly length: number;
  readonly nulls: number;
  readonly buffers: number;
}

/** The next multiple of ALIGNMENT. */
export function aligned(bytes: number): number {
  return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
}

export function bitmapBytes(rows: number): number {
  return (rows + 7) >>> 3;
}

export function corruptBatch(reason: string): GridError {
  return new GridError('CORRUPT_DATA', `the bytes are not a result batch: ${reason}`);
}
