/** A partition as this member holds it: its log, its epoch, and the batches that are under way in it. */
import type { Epoch, PartitionId } from '@ashlar/core';
import type { PartitionLog } from './partition-log.ts';
import type { WriteBatch } from './write-batch.ts';

export class Partition {
  readonly id: PartitionId;
  readonly log: PartitionLog;
  /** The batch that is staging here: no other may, so that a log holds each batch in one piece. */
  openBatch: WriteBatch | undefined = undefined;
  /** Batches that are neither committed nor aborted, in log order: they commit from the front, abort from the back. */
  readonly staged: WriteBatch[] = [];

  constructor(id: PartitionId, log: PartitionLog) {
    this.id = id;
    this.log = log;
  }

  get epoch(): Epoch {
    return this.log.epoch as Epoch;
  }
}
