/** What hangs on a batch that is sealed and not decided yet. */
import { type Epoch, GridError, type PartitionId, StaleEpochError } from '@ashlar/core';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import type { ProcessorCall } from './processor-call.ts';

/** Stands for the epoch of a partition that was not here. */
const NEVER = 0 as Epoch;

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

/**
 * Whether the partition of a call is as it was when the call came (processor-calls P5).
 *
 * @throws StaleEpochError: nothing was sealed
 */
export function checkEpoch({ partition, epoch }: ProcessorCall, store: Pick<MemberStore, 'epochOf'>): void {
  const now = store.epochOf(partition);
  if (now === undefined || now !== epoch) throw new StaleEpochError(partition, epoch ?? NEVER, now ?? NEVER);
}

/** Whether no batch is free, or another one is staging in the partition: both pass by themselves. */
export function isBlocked(error: unknown): boolean {
  return GridError.is(error, 'OVERLOADED');
}
