/**
 * A copy of a partition on its way from the store that has it to one that has not:
 *
 *   openTransfer -> page 0, 1, ... last -> installPage -> finishInstall: a backup at `start.sequence`
 *
 * transfer X1  What is captured is captured in one step: pages hold exactly what was committed then, whatever is written since,
 *              each value with its version, deadline and the time of its last use. All maps are in it.
 * transfer X2  Pages come in order; each may be read again until the next one was, and is the same then.
 * transfer X3  The end of the log goes along, as far as the source still has it when it comes to that: answers, old values, what
 *              durable consumers hold, and the version before it.
 * transfer X4  It never stops writers: where they need the memory that it holds, it ends.
 */
import type { Sequence, Version } from '@ashlar/core';

/** Where a copy starts. */
export interface CopyStart {
  /** The last sequence that its entries include. */
  readonly sequence: Sequence;
  /** The version of that record: what is captured is what a snapshot at it sees. */
  readonly version: Version;
  /** The first sequence of the log that it carries, unless that is dropped meanwhile; `sequence + 1`: none. */
  readonly logFrom: Sequence;
}

export interface PartitionPage {
  /** 0, 1, 2 ... */
  readonly page: number;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** A copy that goes out. Main thread. */
export interface PartitionTransfer {
  readonly start: CopyStart;
  /**
   * @param page  the one that was read last, or the next one
   * @returns undefined: it has ended, because writers needed the memory (transfer X4), or the partition is not here any more
   */
  readPage(page: number): PartitionPage | undefined;
  /** Lets go of everything; more than once does no harm. */
  close(): void;
}

/** `later`: pages tell of maps that this member has not heard of; to be asked again once it has. */
export type InstallState = 'installed' | 'later';
