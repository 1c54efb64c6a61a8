/**
 * Where a fragment's rows come from. The storage-backed source reads snapshots of partitions; tests read arrays.
 */

import type { PartitionId, Version } from '@ashlar/core';
import type { EvalContext } from '@ashlar/expressions';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { ColumnOffer } from '@ashlar/storage';
import type { Rows } from './rows.ts';

export type ScanNode = Extract<FragmentNode, { kind: 'Scan' }>;

/** Rows of one chunk that the snapshot sees and the scan's filter passes; lanes are valid until the next chunk. */
export interface ScannedRows extends Rows {
  /** The chunk's number in its partition. */
  readonly chunk: number;
  /** Rows that were looked at to find them. */
  readonly rowsScanned: number;
}

export interface ScanRequest {
  readonly scan: ScanNode;
  readonly partition: PartitionId;
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  readonly evaluation: EvalContext;
  /** Columns that may be LATE: not read, but for the rows that are asked of `late`. */
  readonly late: readonly boolean[] | undefined;
  /** Chunks before it are left out. */
  readonly fromChunk: number;
}

/** Columns that a source made on the way, for main to publish, and the leased runs of pages that it did not need. */
export interface SourceYield {
  readonly columnOffers: readonly ColumnOffer[];
  readonly unusedPages: readonly Int32Array[];
}

export interface RowSource {
  /** Columns are those of the scan, in its order; chunks without rows may be left out. */
  scan(request: ScanRequest): Iterable<ScannedRows>;
  /**
   * Called after rows were read and before anything made of them is delivered.
   *
   * @throws GridError SNAPSHOT_EXPIRED when what was read may not be what the snapshot held
   */
  checkAlive(): void;
  /** Called once, when all partitions of the task are read or the task failed. */
  finish(): SourceYield;
}
