/** The paths that the documents of a map have, over the whole grid: each member asks its query workers. */
import type { MapId, MemberId, PartitionId, Version } from '@ashlar/core';
import { decodeValue } from '@ashlar/serialization';
import type { MemberParts } from '../member-parts.ts';
import type { GridSnapshots } from '../snapshots/grid-snapshots.ts';
import type { DocumentPaths } from '../sql/planning.ts';
import type { PathsTask } from '../sql/query-tasks.ts';

export async function findGridPaths(
  map: { readonly id: MapId; readonly name: string },
  signal: AbortSignal,
  parts: MemberParts,
  snapshots: GridSnapshots,
): Promise<DocumentPaths> {
  const { control, peers } = parts;
  const members = control.table.members.map(({ id }) => id);
  const snapshot = await snapshots.open(members, 0 as Version, signal);
  try {
    const found = await Promise.all(
      [...snapshot.ids].map(([member, snapshotId]) =>
        member === control.self
          ? findLocalPaths(map.id, snapshotId, snapshot.version, signal, parts)
          : remotePaths(member, map.id, snapshotId, snapshot.version),
      ),
    );
    return distinct(found.flat());
  } finally {
    snapshot.release();
  }

  async function remotePaths(
    member: MemberId,
    mapId: MapId,
    snapshotId: number,
    version: Version,
  ): Promise<DocumentPaths> {
    const { members: service } = peers.to(member, control.table);
    const { body } = await service.findPaths({ mapId, snapshotId, version }, { signal });
    return decodeValue(body) as DocumentPaths;
  }
}

/** On this member; every thread of the pool keeps what it found, so one task does all partitions. */
export async function findLocalPaths(
  mapId: MapId,
  snapshotId: number,
  snapshotVersion: Version,
  signal: AbortSignal,
  { control, queryPool }: MemberParts,
): Promise<DocumentPaths> {
  const task: PathsTask = { mapId, partitions: control.ownPartitions as PartitionId[], snapshotId, snapshotVersion };
  return queryPool.run<DocumentPaths>('paths', task, { signal, cancelFlag: true }).result;
}

function distinct(paths: DocumentPaths): DocumentPaths {
  const seen = new Map(paths.map((path) => [JSON.stringify(path), path]));
  return [...seen.values()];
}
