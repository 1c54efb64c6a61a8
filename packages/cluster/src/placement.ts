/**
 * Placement: which member owns which partition, by rendezvous hashing (highest random weight), so that a member that
 * joins takes only the partitions it wins and nothing moves between the others.
 *
 * Plain rendezvous over 256 partitions is uneven by some ten per cent; a cap of ceil(partitions / members) primaries a
 * member, filled in the order of the weights, evens it out and still moves little.
 *
 * placement P1  A partition's owners are different members.
 * placement P2  No member is primary of more than ceil(partitions / members).
 *
 * @see Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998
 * @see Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", 2016
 */
import { assert, GridError, type MemberId } from '@ashlar/core';

const { imul } = Math;

/** owners[partition] = indexes of members: primary first, then backups. */
export type Owners = readonly (readonly number[])[];

/**
 * @param members  live members, in any order: the result does not depend on it (but for the indexes)
 * @param partitionCount  partitions of the grid
 * @param copies   owners wanted per partition, counting the primary; capped at members.length
 * @returns owners[partition]; length is partitionCount
 * @throws GridError INVALID_ARGUMENT when `members` is empty
 */
export function assignPartitions(members: readonly MemberId[], partitionCount: number, copies: number): Owners {
  assert(copies >= 1, 'placement P1: a partition has at least its primary');
  if (members.length === 0) throw new GridError('INVALID_ARGUMENT', 'no members to place partitions on');
  const primaryLimit = Math.ceil(partitionCount / members.length);
  const primaries = new Uint32Array(members.length);
  const owners: number[][] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    const ranked = rank(members, partition);
    const primary = ranked.find((member) => primaries[member]! < primaryLimit);
    assert(primary !== undefined, 'placement P2: all members have their share, and a partition is left');
    primaries[primary]!++;
    const backups = ranked.filter((member) => member !== primary).slice(0, copies - 1);
    owners.push([primary, ...backups]);
  }
  return owners;
}

/** Indexes of members by falling weight for a partition; equal weights by name. */
function rank(members: readonly MemberId[], partition: number): number[] {
  const weights = members.map((member) => weigh(member, partition));
  return members
    .map((_, index) => index)
    .sort((a, b) => weights[b]! - weights[a]! || (members[a]! < members[b]! ? -1 : 1));
}

/** FNV-1a over the name, then the partition mixed in with Murmur3's finaliser: 32 bits. */
function weigh(member: MemberId, partition: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < member.length; at++) hash = imul(hash ^ member.charCodeAt(at), 0x01000193);
  hash = imul(hash ^ (partition + 1), 0x9e3779b1);
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
