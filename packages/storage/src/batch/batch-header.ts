/** How a batch of writes is begun, and the deadline of a put that is to have none. */
import type { Epoch } from '@ashlar/core';
import type { RecordHeader } from '../log/log-record.ts';

/**
 * What the records of a batch say beside their operation. All but the epoch may be changed between operations. Without a
 * catalog version they name the one that MemberStore.stampCatalog() gives.
 */
export interface BatchHeader extends Partial<RecordHeader> {
  /** The epoch that the caller expects of the partitions; omitted: the one that MemberStore.checkEpochs() gives. */
  readonly epoch?: Epoch;
  /**
   * A key that comes again (or was due and leaves its expiry first) is not staged: put() answers false, `wantsCut` says
   * so. The caller commits and stages it in a new batch, so that each write has a version and an event of its own.
   */
  readonly oncePerKey?: boolean;
  /** A durable consumer of logs writes it to get on: a log that it holds itself takes it, also when it is full. */
  readonly isProgress?: boolean;
}

/** Deadline of an entry that stays until it is removed, also where the map has a default. */
export const NO_DEADLINE = Number.POSITIVE_INFINITY;
