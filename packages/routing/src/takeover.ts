/** Whether what one member could not answer is about to be answered by another one. Pure. */
import { type GridError, type MemberId, type PartitionId, type PartitionTable, primaryOf } from '@ashlar/core';
import { hasStandIn } from './partition-moves.ts';

/**
 * A member that was asked could not reach another one, or found no primary for a partition; nothing was changed. By the newest
 * table all that the missing one was primary of has somebody who stands in for it, or is in other hands already.
 */
export function mayTakeOver({ code, details }: GridError, table: PartitionTable): boolean {
  if (code !== 'MEMBER_UNREACHABLE' || details === undefined) return false;
  const { partition, member } = details;
  if (typeof partition === 'number') return true;
  return typeof member === 'string' && standInsForAllOf(table, member as MemberId);
}

function standInsForAllOf(table: PartitionTable, member: MemberId): boolean {
  if (table.owners.length === 0) return false;
  return table.owners.every((_, partition) => {
    return primaryOf(table, partition as PartitionId)?.id !== member || hasStandIn(table, partition);
  });
}
