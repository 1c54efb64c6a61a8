/** How many entries of a map lie in the partitions that this member serves: copies of others' partitions are not counted. */
import type { GridView } from '@ashlar/cluster';
import type { MapId } from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';

export function servedEntries(
  store: Pick<MemberStore, 'entryCount'>,
  control: Pick<GridView, 'table' | 'ownPartitions'>,
  id: MapId,
): number {
  if (control.table.backups === 0) return store.entryCount(id);
  return control.ownPartitions.reduce((total, partition) => total + store.entryCount(id, partition), 0);
}
