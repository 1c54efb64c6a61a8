/** What hangs on a batch that is sealed and not decided yet. */
import { GridError, type PartitionId } from '@ashlar/core';
import type { WriteBatch } from '@ashlar/storage';

/** Whether what was staged in the partition, or seen there, is undone: nothing that was derived from it may be answered. */
export function isVoid(batch: WriteBatch, partition: PartitionId): boolean {
  return batch.state === 'aborted' || batch.lostPartitions.includes(partition);
}

/** A change was sealed, then its partition was lost. */
export function changeInDoubt(partition: PartitionId): GridError {
  return new GridError('IN_DOUBT', `partition ${partition} was lost before the processor's change was confirmed`, {
    hint: 'read the entry, then decide whether to call again',
    details: { partitionId: partition },
  });
}

/** Nothing was sealed, and what the call read was lost with its partition. */
export function readLost(partition: PartitionId): GridError {
  return new GridError('STALE_EPOCH', `partition ${partition} was lost, and with it what the processor had read`, {
    hint: 'call it again: it has changed nothing',
    details: { partitionId: partition },
  });
}

/** Whether no batch is free, or another one is staging in the partition: both pass by themselves. */
export function isBlocked(error: unknown): boolean {
  return GridError.is(error, 'OVERLOADED');
}
