/** Who owns which partition at which epoch: what clients route by and members check against. */
import { assert } from './assert.ts';
import { NoPrimaryError, PartitionLostError } from './errors.ts';
import type { Epoch, MemberId, PartitionId } from './ids.ts';

export interface MemberAddress {
  readonly id: MemberId;
  /** host:port of the gRPC door. */
  readonly address: string;
  /** host:port of the HTTP door (metrics, health). */
  readonly httpAddress: string;
  /** Members of one zone fail together; replicas go to different ones. */
  readonly zone: string;
}

export interface PartitionTable {
  /** Grows with every change of the table. */
  readonly tableVersion: number;
  readonly gridId: string;
  readonly members: readonly MemberAddress[];
  /** Members that the table waits for before partitions have owners. */
  readonly expectedMembers: number;
  /** Members that have not been heard of since the coordinator was started, and may come yet. */
  readonly awaited: readonly MemberId[];
  /** owners[partition] = indexes into `members`: primary first, then backups; empty while nobody serves it. */
  readonly owners: readonly (readonly number[])[];
  /** Partitions of which every copy is gone, ascending: nobody serves them before an operator has accepted the loss. */
  readonly lost: readonly number[];
  /** epochs[partition]. */
  readonly epochs: readonly Epoch[];
  /** Members that are taken for dead: the coordinator has not heard of them for too long. Absent: none is known to be. */
  readonly silent?: readonly MemberId[] | undefined;
}

/** Whether a member is taken for dead: whoever waits for its answer waits in vain. */
export function isSilent({ silent }: Pick<PartitionTable, 'silent'>, member: MemberId): boolean {
  return silent?.includes(member) === true;
}

/** The primary of a partition, or undefined while it has none. */
export function primaryOf(table: PartitionTable, partitionId: PartitionId): MemberAddress | undefined {
  const owners = table.owners[partitionId];
  assert(owners !== undefined, () => `partition ${partitionId} of ${table.owners.length}`);
  return owners[0] === undefined ? undefined : table.members[owners[0]];
}

/**
 * The primary of a partition, for who cannot go on without it.
 *
 * @throws GridError PARTITION_LOST; MEMBER_UNREACHABLE while nobody serves it: another primary is being found
 */
export function requirePrimary(table: PartitionTable, partitionId: PartitionId): MemberAddress {
  const primary = primaryOf(table, partitionId);
  if (primary !== undefined) return primary;
  if (table.lost.includes(partitionId)) throw new PartitionLostError([partitionId]);
  throw new NoPrimaryError(partitionId);
}

/** The partitions a member is primary of, ascending. */
export function primariesOf(table: PartitionTable, member: MemberId): PartitionId[] {
  const index = table.members.findIndex((candidate) => candidate.id === member);
  const mine: PartitionId[] = [];
  table.owners.forEach((owners, partition) => {
    if (index >= 0 && owners[0] === index) mine.push(partition as PartitionId);
  });
  return mine;
}
