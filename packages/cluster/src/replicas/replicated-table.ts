/**
 * The table of a grid whose partitions are held in copies: the replica table, and what callers read out of it.
 *
 *   members, replicas (rows) -> owners, epochs, lost, silent
 *
 * replicated-table D1  `replicas.version` is `tableVersion`: whatever changes the table raises both, so that an epoch is the
 *                      version of the one table that members and clients know.
 * replicated-table D2  Owners, epochs and lost partitions follow from the rows, in this place only: a partition is owned by who
 *                      serves it, primary first, the other members of its set behind it. While nobody does it has no owners. So do
 *                      the silent members, who are taken for dead.
 * replicated-table D3  The replica that is registered for a member is the process that joined last under its name. Rows may
 *                      name earlier ones: nobody is sent to those.
 */
import {
  assert,
  type MemberId,
  memberOfReplica,
  type PartitionReplicas,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  replicaIdOf,
} from '@ashlar/core';
import { assignPartitions } from '../placement.ts';
import type { JoinedMember, TableState } from '../table-state.ts';
import { stepReplicas } from './replica-step.ts';

/** A table whose grid holds its partitions in copies. */
export type ReplicatedTable = TableState & { readonly replicas: ReplicaTable };

export function isReplicated(table: TableState): table is ReplicatedTable {
  return table.replicas !== undefined;
}

/**
 * Steps the rows.
 *
 * @param changes  those that do not fit any more are passed over; a process that is not the one which joined registers nobody
 * @returns the table itself when nothing changes
 */
export function withChanges(table: ReplicatedTable, changes: readonly ReplicaChange[]): TableState {
  const joined = new Set(table.members.map(({ id, incarnation }) => replicaIdOf(id, incarnation)));
  const ours = changes.filter((change) => change.kind !== 'register' || joined.has(change.replica));
  const { table: replicas } = stepReplicas(table.replicas, ours);
  return replicas === table.replicas ? table : withReplicas(table, replicas);
}

/**
 * A member is in the table as this process: it is registered, in the place of what was registered under its name, and where the
 * expected members are all there the partitions are handed out.
 *
 * @param table  with the member in it; its version is yet that of before
 */
export function withRegistered(table: ReplicatedTable, { id, incarnation }: JoinedMember): TableState {
  const { replicas: before } = table;
  const replica = replicaIdOf(id, incarnation);
  const known = before.members.find((one) => memberOfReplica(one.replica) === id)?.replica;
  const registers: ReplicaChange = { kind: 'register', replica, replaces: known === replica ? undefined : known };
  const registered = stepReplicas(before, [registers]).table;
  const { table: after } = stepReplicas(before, [registers, ...creationsOf(registered, table)]);
  // The table changes also where the rows do not.
  return withReplicas(table, { ...after, version: before.version + 1 });
}

/** The next table, with what follows from its rows (replicated-table D1, D2). */
export function withReplicas(table: TableState, replicas: ReplicaTable): TableState {
  const { version } = replicas;
  const silent = silentOf(replicas);
  return {
    ...table,
    ...ownersBy(replicas, table.members),
    silent,
    replicas,
    tableVersion: version,
    epochFloor: version,
  };
}

/** Members that the coordinator has not heard of in time: nobody is asked for what they hold. */
function silentOf({ members }: ReplicaTable): readonly MemberId[] | undefined {
  const silent = members.filter(({ isAlive }) => !isAlive).map(({ replica }) => memberOfReplica(replica));
  return silent.length === 0 ? undefined : silent;
}

/** What callers read out of the rows (replicated-table D2). */
export function ownersBy(
  { partitions }: ReplicaTable,
  members: readonly JoinedMember[],
): Pick<TableState, 'owners' | 'epochs' | 'lost'> {
  if (partitions.every(({ phase }) => phase === 'unassigned')) return { owners: [], epochs: [], lost: [] };
  const indexes = new Map(members.map(({ id, incarnation }, index) => [replicaIdOf(id, incarnation), index]));
  const lost: number[] = [];
  for (const [partition, { phase }] of partitions.entries()) if (phase === 'lost') lost.push(partition);
  return {
    owners: partitions.map((row) => ownersOf(row, indexes)),
    epochs: partitions.map(({ epoch }) => epoch),
    lost,
  };
}

function ownersOf(
  { phase, primary, inSync }: PartitionReplicas,
  indexes: ReadonlyMap<ReplicaId, number>,
): readonly number[] {
  const first = phase === 'serving' ? indexes.get(primary!) : undefined;
  if (first === undefined) return NOBODY;
  const backups = inSync.flatMap((replica) => (replica === primary ? [] : (indexes.get(replica) ?? [])));
  return [first, ...backups];
}

const NOBODY: readonly number[] = [];

/** The rows of a grid whose expected members are there; none: they are not yet, or the partitions have been handed out. */
function creationsOf(replicas: ReplicaTable, { expectedMembers, backups }: TableState): ReplicaChange[] {
  const living = replicas.members.filter(({ isAlive }) => isAlive).map(({ replica }) => replica);
  if (living.length < expectedMembers || replicas.partitions.some(({ phase }) => phase !== 'unassigned')) return [];
  const names: MemberId[] = living.map(memberOfReplica);
  const placed = assignPartitions(names, replicas.partitions.length, Math.min(backups + 1, living.length));
  return replicas.partitions.map(({ epoch, revision }, partition): ReplicaChange => {
    const inSync = placed[partition]!.map((index) => living[index]!);
    return {
      ...{ kind: 'create', partition, epoch, revision, primary: inSync[0]! },
      ...{ inSync, wanted: inSync.map(memberOfReplica) },
    };
  });
}

/** @throws AssertionError when table and rows disagree (replicated-table D1-D3) */
export function assertReplicated(table: ReplicatedTable): void {
  const { replicas, tableVersion, members, partitionCount, epochs, owners } = table;
  assert(replicas.version === tableVersion, 'replicated-table D1: the rows have another version than the table');
  assert(replicas.partitions.length === partitionCount, 'replicated-table D1: the rows are of another number');
  assert(epochs.length === owners.length, 'replicated-table D2: a partition has no epoch');
  for (const { replica } of replicas.members) {
    const member = members.find(({ id }) => id === memberOfReplica(replica));
    assert(
      member !== undefined && replicaIdOf(member.id, member.incarnation) === replica,
      'replicated-table D3: another process is registered than the one that joined',
    );
  }
}
