/**
 * The table: the members of a grid and who owns which partition at which epoch, as one value with a version of its own, and
 * its pure steps. No I/O, no clock, no chance.
 *
 *   joined, withMember, notAwaiting, recovered: table -> table'      or a GridError, and the table stays
 *
 * A grid without copies keeps its partitions with their owners (T3). One with copies (replicas/replicated-table.ts) has a row a
 * partition, which says who owns it.
 *
 * table-state T1  tableVersion never falls, and a change raises it by exactly 1. A grid that is taken over from a member
 *                 (rebuild.ts) goes on further above.
 * table-state T2  The epoch of a partition rises whenever its primary (a member in one incarnation) changes, and never
 *                 falls; epochFloor is the highest ever given.
 * table-state T3  Without copies, once complete, a partition is owned by one process. When another one joins under the name of
 *                 its member it is lost, and owned by nobody; it begins anew, where placement has it, only by an operator's word.
 */
import {
  assert,
  type Epoch,
  GridError,
  type MemberAddress,
  type PartitionTable,
  type ReplicaTable,
} from '@ashlar/core';
import { assignPartitions } from './placement.ts';
import { emptyReplicaTable } from './replicas/replica-step.ts';
import { assertReplicated, isReplicated, withRegistered, withReplicas } from './replicas/replicated-table.ts';

/** A member process: a restarted one has another incarnation and nothing of what the old one held. */
export interface JoinedMember extends MemberAddress {
  readonly incarnation: string;
}

/** The partition table by which clients and members route, with what the coordinator needs to continue it. */
export interface TableState extends PartitionTable {
  readonly partitionCount: number;
  readonly members: readonly JoinedMember[];
  /** Epochs of this grid start above it: the highest ever given, kept on disk by the coordinator. */
  readonly epochFloor: number;
  /** Copies wanted of a partition beside its primary's. */
  readonly backups: number;
  /** Copies in sync, the primary's counted, without which no write is acknowledged. */
  readonly minInSync: number;
  /** Who holds which partition in which role; undefined: the grid holds one copy of each, and nothing takes over. */
  readonly replicas: ReplicaTable | undefined;
  /**
   * The run of the coordinator that made this value: one that is started again is another. Empty: an engine made it that loses
   * nothing.
   */
  readonly run: string;
}

/** What a grid is made with, for good. */
export type GridSettings = Pick<TableState, 'partitionCount' | 'expectedMembers' | 'backups' | 'minInSync'>;

/** The table of a grid that has nothing yet but its name. */
export function emptyTable(
  options: GridSettings & Pick<TableState, 'gridId' | 'epochFloor'> & { readonly run?: string },
): TableState {
  const table: TableState = {
    ...{
      run: '',
      ...options,
      tableVersion: 0,
      members: [],
      owners: [],
      epochs: [],
      lost: [],
      awaited: [],
      replicas: undefined,
    },
  };
  if (options.backups === 0) return table;
  // Epochs are versions of the table: both begin above whatever was given before.
  return withReplicas(table, { ...emptyReplicaTable(options.partitionCount), version: options.epochFloor });
}

/**
 * A member asks for its place.
 *
 * @throws GridError INVALID_ARGUMENT when the table is complete without it (table-state T3)
 */
export function joined(table: TableState, member: JoinedMember): TableState {
  if (table.members.some(({ id }) => id === member.id)) return withMember(table, member);
  if (table.owners.length > 0) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `the grid is complete: its table is fixed over ${table.members.length} members`,
      {
        hint: `start '${member.id}' under the name of a member that left, or start the grid with more expected members`,
      },
    );
  }
  const members = [...table.members, member];
  if (isReplicated(table)) return withRegistered({ ...table, members }, member);
  return completed({ ...table, members, tableVersion: table.tableVersion + 1 });
}

/** The table with owners for its partitions, once all expected members are there. */
function completed(table: TableState): TableState {
  const { members, expectedMembers, epochFloor } = table;
  if (members.length < expectedMembers) return table;
  const owners = placed(table);
  const epoch = (epochFloor + 1) as Epoch;
  return { ...table, owners, epochs: owners.map(() => epoch), epochFloor: epoch };
}

/** Who owns what without copies, by the names of the members: always the same. */
function placed({ members, partitionCount }: TableState): TableState['owners'] {
  return assignPartitions(
    members.map(({ id }) => id),
    partitionCount,
    1,
  );
}

/**
 * A member of the table is there, in this incarnation. A new one has nothing of what the old one held: without copies the
 * partitions of that one are lost.
 */
export function withMember(table: TableState, member: JoinedMember): TableState {
  const index = table.members.findIndex(({ id }) => id === member.id);
  assert(index >= 0, () => `member '${member.id}' is not in the table`);
  const isSame = table.members[index]!.incarnation === member.incarnation;
  const awaited = table.awaited.filter((id) => id !== member.id);
  if (isSame && awaited.length === table.awaited.length) return table;
  if (isReplicated(table)) {
    return withRegistered({ ...table, awaited, members: table.members.with(index, member) }, member);
  }
  const tableVersion = table.tableVersion + 1;
  if (isSame) return { ...table, awaited, tableVersion };
  const owners = table.owners.map((owned) => (owned[0] === index ? NOBODY : owned));
  const lost = [...owners.keys()].filter((partition) => owners[partition]!.length === 0);
  return { ...table, awaited, tableVersion, members: table.members.with(index, member), owners, lost };
}

/**
 * An operator accepts that partitions are lost: those begin anew, empty, at new epochs.
 *
 * @param partitions  those that are not lost are passed over
 */
export function recovered(table: TableState, partitions: readonly number[]): TableState {
  assert(!isReplicated(table), 'a grid with copies recovers partitions by a change of their rows');
  const begun = new Set(partitions.filter((partition) => table.lost.includes(partition)));
  if (begun.size === 0) return table;
  const byPlacement = placed(table);
  const epoch = (table.epochFloor + 1) as Epoch;
  return {
    ...{ ...table, tableVersion: table.tableVersion + 1, epochFloor: epoch },
    owners: table.owners.map((owned, partition) => (begun.has(partition) ? byPlacement[partition]! : owned)),
    epochs: table.epochs.map((old, partition) => (begun.has(partition) ? epoch : old)),
    lost: table.lost.filter((partition) => !begun.has(partition)),
  };
}

const NOBODY: readonly number[] = [];

/** Members that have not come by now are lost, not awaited. */
export function notAwaiting(table: TableState): TableState {
  return table.awaited.length === 0 ? table : nextVersion({ ...table, awaited: [] });
}

/** What changes beside owners raises the version of the table, too. */
export function nextVersion(table: TableState): TableState {
  const tableVersion = table.tableVersion + 1;
  return isReplicated(table)
    ? withReplicas(table, { ...table.replicas, version: tableVersion })
    : { ...table, tableVersion };
}

/** @throws AssertionError when `after` cannot result from `before` by a step (table-state T1-T3) */
export function assertTableFollows(after: TableState, before: TableState): void {
  assert(after.gridId === before.gridId, 'table-state T1: a step of the table leaves its grid');
  assert(
    after.tableVersion === before.tableVersion + 1,
    () => `table-state T1: version ${after.tableVersion} follows ${before.tableVersion}`,
  );
  assert(after.epochFloor >= before.epochFloor, 'table-state T2: the floor of epochs falls');
  assert(
    isReplicated(after) === isReplicated(before),
    'table-state T3: a grid cannot begin to hold copies, or cease to',
  );
  if (isReplicated(after)) {
    assertReplicated(after);
    return;
  }
  assert(
    before.owners.length === 0 || after.owners.length === before.owners.length,
    'table-state T3: the partitions of a complete table change',
  );
  assert(after.epochs.length === after.owners.length, 'table-state T2: a partition has no epoch');
  for (const [partition, epoch] of after.epochs.entries()) assertOwned(partition, epoch, after, before);
}

function assertOwned(partition: number, epoch: Epoch, after: TableState, before: TableState): void {
  const [now, then] = [primaryIn(after, partition), primaryIn(before, partition)];
  const isSame = now === undefined || (now.id === then?.id && now.incarnation === then.incarnation);
  assert(
    after.lost.includes(partition) === (now === undefined),
    'table-state T3: a partition is lost when nobody owns it, and then only',
  );
  assert(isSame || then === undefined, () => `table-state T3: partition ${partition} passes to another process`);
  const old = before.epochs[partition] ?? before.epochFloor;
  assert(
    epoch <= after.epochFloor && (isSame ? epoch === old : epoch > old),
    () => `table-state T2: partition ${partition} has epoch ${epoch} after ${old}`,
  );
}

function primaryIn({ owners, members }: TableState, partition: number): JoinedMember | undefined {
  const index = owners[partition]?.[0];
  return index === undefined ? undefined : members[index];
}
