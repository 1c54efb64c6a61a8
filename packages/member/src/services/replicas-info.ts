/** Who holds which partition, as operators see it: members by their names. Pure. */
import { type GridView, isReplicated, type ReplicatedTable, type TableState } from '@ashlar/cluster';
import { memberOfReplica, type PartitionReplicas, type ReplicaId, replicaIdOf } from '@ashlar/core';
import type { GetReplicasResponse, PartitionInfo } from '@ashlar/transport';

const NOBODY = '';

export function replicasOf({ self, table }: Pick<GridView, 'self' | 'table'>): GetReplicasResponse {
  const { tableVersion, backups, minInSync, members } = table;
  const isAlive = livingOf(table);
  return {
    ...{ memberId: self, tableVersion, backups, minInSync },
    members: members.map(({ id, address, zone, incarnation }) => ({
      ...{ id, address, zone, incarnation, alive: isAlive.has(replicaIdOf(id, incarnation)) },
    })),
    partitions: partitionsOf(table),
  };
}

/** Without copies nobody is expired: who is not awaited has been heard of. */
function livingOf(table: TableState): ReadonlySet<ReplicaId> {
  const living = isReplicated(table)
    ? table.replicas.members.filter(({ isAlive }) => isAlive).map(({ replica }) => replica)
    : table.members
        .filter(({ id }) => !table.awaited.includes(id))
        .map(({ id, incarnation }) => replicaIdOf(id, incarnation));
  return new Set(living);
}

function partitionsOf(table: TableState): readonly PartitionInfo[] {
  if (!isReplicated(table)) return table.owners.map((owners, partition) => ownedBy(table, owners, partition));
  if (table.owners.length === 0) return [];
  const present = presentIn(table);
  return table.replicas.partitions.map((row) => rowOf(row, present));
}

function ownedBy({ members, epochs }: TableState, owners: readonly number[], partition: number): PartitionInfo {
  const names = owners.map((index) => members[index]!.id);
  return {
    ...{ phase: names.length > 0 ? 'serving' : 'lost', epoch: epochs[partition]!, primary: names[0] ?? NOBODY },
    ...{ inSync: names, gone: [], wanted: names },
  };
}

/** The processes that joined last. */
function presentIn({ members }: ReplicatedTable): ReadonlySet<ReplicaId> {
  return new Set(members.map(({ id, incarnation }) => replicaIdOf(id, incarnation)));
}

function rowOf(
  { phase, epoch, primary, inSync, wanted }: PartitionReplicas,
  present: ReadonlySet<ReplicaId>,
): PartitionInfo {
  return {
    ...{ phase, epoch, wanted, inSync: inSync.map(memberOfReplica) },
    primary: primary === undefined ? NOBODY : memberOfReplica(primary),
    gone: inSync.filter((replica) => !present.has(replica)).map(memberOfReplica),
  };
}
