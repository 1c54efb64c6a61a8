/**
 * How a moment becomes a snapshot: what has to be decided before a version may be read, and who calls back then.
 *
 *   pin (everything from now on is kept) -> all at or below the version are decided -> the pin is raised to the version
 *
 * snapshot-opening O1  A snapshot is opened at a version when no batch at or below it is undecided in what it reads.
 * snapshot-opening O2  The clock has observed the version by then, so no batch that is sealed later is at or below it.
 */
import { assert, GridError, type PartitionId, type Version } from '@ashlar/core';
import type { WriteBatch } from './batch/write-batch.ts';
import { assertVersion } from './edge-asserts.ts';
import type { StoreCore } from './store-core.ts';

export interface PinnedSnapshot {
  readonly id: number;
  readonly version: Version;
}

const NO_BATCHES: ReadonlySet<WriteBatch> = new Set();

/** As MemberStore.pin(). */
export function pin(core: StoreCore): PinnedSnapshot {
  const version = core.clock.now();
  return { id: core.snapshots.pin(version), version };
}

/** As MemberStore.resolvedVersion(). */
export function resolvedVersion(core: StoreCore): Version {
  const lowest = core.sealed.first;
  return (lowest === undefined ? core.clock.now() : lowest.version - 1) as Version;
}

/**
 * The batches at or below the version that are not decided. O(1) where nothing is sealed.
 *
 * @param partitions  those that are asked about; omitted: all
 */
export function undecidedAt(
  core: StoreCore,
  version: Version,
  partitions?: readonly PartitionId[],
): ReadonlySet<WriteBatch> {
  assertVersion(version);
  const { sealed } = core;
  if (sealed.size === 0) return NO_BATCHES;
  if (partitions === undefined) return new Set(sealed.upTo(version));
  const undecided = new Set<WriteBatch>();
  const add = (batch: WriteBatch): void => {
    undecided.add(batch);
  };
  for (const partition of partitions) core.partitions[partition]?.staged.visitUpTo(version, add);
  return undecided;
}

/** As MemberStore.whenDecided(). */
export function whenDecided(
  core: StoreCore,
  version: Version,
  partitions: readonly PartitionId[] | undefined,
  tell: () => void,
): boolean {
  const undecided = undecidedAt(core, version, partitions);
  let left = undecided.size;
  const one = (): void => {
    left -= 1;
    if (left === 0) tell();
  };
  for (const batch of undecided) batch.whenDecided(one);
  return left === 0;
}

/** As MemberStore.openAt(). */
export function openAt(core: StoreCore, id: number, version: Version, partitions?: readonly PartitionId[]): void {
  core.clock.observe(version);
  assert(
    undecidedAt(core, version, partitions).size === 0,
    'snapshot-opening O1: a snapshot is opened when all at or below its version is committed',
  );
  core.snapshots.raise(id, version);
}

/** As MemberStore.openSnapshot(). */
export function openSnapshot(core: StoreCore): PinnedSnapshot {
  const pinned = pin(core);
  if (undecidedAt(core, pinned.version).size > 0) {
    core.snapshots.close(pinned.id);
    throw new GridError('OVERLOADED', 'writes at or below the snapshot are not committed yet', {
      hint: 'pin, wait for the commits, then open at the version',
    });
  }
  core.snapshots.raise(pinned.id, pinned.version);
  return pinned;
}
