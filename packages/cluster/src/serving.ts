/**
 * Who says whether this member serves a partition, where members replicate: the table names a primary, but only the member itself
 * knows whether it has got there, and whether its leases cover this moment.
 *
 *   table names it -> promoted: `epochOf` -> every look: `refusalOf` ... -> deposed, leaving: `epochOf` is 0 again
 *
 * serving V1  `epochOf` says in which epoch the member is the primary; it changes only when `GridView.servingChanged` follows.
 * serving V2  `readRefusal` and `writeRefusal` are of the moment. `admits` may be some milliseconds old: who reads by it looks once
 *             more before the answer leaves.
 */
import type { Epoch, GridError, Version } from '@ashlar/core';
import type { TableState } from './table-state.ts';

export interface Serving {
  /** A table has come; called before anybody else hears of it. */
  onTable(table: TableState): void;
  /** Epoch in which the member is the primary of the partition; 0: it is not. */
  epochOf(partition: number): Epoch | 0;
  /** Whether the partition could be read a moment ago (serving V2): for every operation of a batch. */
  admits(partition: number): boolean;
  /** Why nothing of the partition can be answered now; undefined: it can. */
  readRefusal(partition: number): GridError | undefined;
  /** Why the partition takes no writes now; undefined: it does. */
  writeRefusal(partition: number): GridError | undefined;
  /** The version above which nothing of the partition may be opened, or told as complete; 0: nothing at all. */
  ceilingOf(partition: number): Version;
  /**
   * Whether every partition that was served when `servedChanges` stood at that has been since, and may be read now: one look
   * for all of them, made before answers leave. False says only that each is to be looked at by itself.
   */
  isAllServedSince(changes: number): boolean;
  /** Counts the ends of service of partitions. */
  readonly servedChanges: number;
}
