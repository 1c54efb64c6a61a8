/** A partition as this member holds it: its log, its epoch, and the batches that are under way in it. */
import type { Epoch, PartitionId } from '@ashlar/core';
import { StagedBatches } from './batch/staged-batches.ts';
import type { WriteBatch } from './batch/write-batch.ts';
import type { PartitionLog } from './log/partition-log.ts';
import type { ReplicaTail } from './replica-tail.ts';
import { CapturedVersions } from './slots/captured-versions.ts';
import type { PartitionInstall } from './transfer/partition-install.ts';

/** Role of a member for a partition: it writes, or it keeps what another member writes. */
export type PartitionRole = 'primary' | 'backup';

export class Partition {
  readonly id: PartitionId;
  readonly log: PartitionLog;
  /** The records that a backup holds beyond its commit index. Undefined: this member is the primary. */
  tail: ReplicaTail | undefined = undefined;
  /** The copy that is being made of pages from another member; undefined: it is whole. */
  install: PartitionInstall | undefined = undefined;
  /** Entries are idle from here on at the earliest, in version units: a new primary has not seen who read them. */
  idleFloor = 0;
  /** From this version on whatever is written to the partition is written by this member, without a break; Infinity: it is a backup. */
  primarySince = Infinity;
  /** The batch that is staging here: no other may, so that a log holds each batch in one piece. */
  openBatch: WriteBatch | undefined = undefined;
  readonly staged = new StagedBatches<WriteBatch>();
  /** At which it is being read for other members. */
  readonly captured = new CapturedVersions();

  constructor(id: PartitionId, log: PartitionLog) {
    this.id = id;
    this.log = log;
  }

  get role(): PartitionRole {
    return this.tail === undefined ? 'primary' : 'backup';
  }

  /** The last sequence that is sealed: what may leave the member. */
  get sealedSequence(): number {
    return (this.openBatch?.firstSequenceIn(this) ?? this.log.nextSequence) - 1;
  }

  get epoch(): Epoch {
    return this.log.epoch as Epoch;
  }
}
