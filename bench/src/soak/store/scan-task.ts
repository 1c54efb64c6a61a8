/** A task of a scanning thread and its result. Plain data. */
import type { ColumnOffer, StoreHandle } from '@ashlar/storage';

export interface ScanSetting {
  readonly handle: StoreHandle;
  readonly workerIndex: number;
  readonly mapId: number;
  readonly partitionCount: number;
  readonly keyCount: number;
  /** Numbers of the columns key, n, x, label, fill. */
  readonly columnNumbers: readonly number[];
  /** Distinguishes the regions of all threads, past ones too. */
  readonly firstSerial: number;
}

export interface ScanTask {
  readonly version: number;
  /** A map that may be dropped while it is read; its rows are all of the write that has its number. */
  readonly passingMap: number;
  /** Lent for columns to be built in. */
  readonly pages: readonly Int32Array[];
}

export interface ScanAnswer {
  /** The write seen of each key, 0: none; the same by columns. */
  readonly seen: Int32Array;
  readonly seenByColumns: Int32Array;
  readonly rows: number;
  readonly passingRows: number;
  readonly lookups: number;
  /** The first few faults. */
  readonly faults: readonly string[];
  readonly offers: readonly ColumnOffer[];
  readonly unusedPages: readonly Int32Array[];
}

export const COLUMNS = ['key', 'n', 'x', 'label', 'fill'] as const;
