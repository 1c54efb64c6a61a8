/**
 * The table: the members of a grid and who owns which partition at which epoch, as one value with a version of its own, and
 * its pure steps. No I/O, no clock, no chance.
 *
 *   joined, withMember, notAwaiting: table -> table'                 or a GridError, and the table stays
 *
 * table-state T1  tableVersion never falls, and a change raises it by exactly 1. A grid that is taken over from a member
 *                 (rebuild.ts) goes on further above.
 * table-state T2  The epoch of a partition rises whenever its primary (a member in one incarnation) changes, and never
 *                 falls; epochFloor is the highest ever given.
 * table-state T3  Once complete, the table keeps its partitions' owners: a member that comes back under its name takes its
 *                 own.
 */
import { assert, type Epoch, GridError, type MemberAddress, type MemberId, type PartitionTable } from '@ashlar/core';
import { assignPartitions } from './placement.ts';

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
}

/** The table of a grid that has nothing yet but its name. */
export function emptyTable(
  options: Pick<TableState, 'gridId' | 'partitionCount' | 'expectedMembers' | 'epochFloor'>,
): TableState {
  return { ...options, tableVersion: 0, members: [], owners: [], epochs: [], awaited: [] };
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
  return completed({ ...table, members: [...table.members, member], tableVersion: table.tableVersion + 1 });
}

/** The table with owners for its partitions, once all expected members are there. */
function completed(table: TableState): TableState {
  const { members, expectedMembers, partitionCount, epochFloor } = table;
  if (members.length < expectedMembers) return table;
  const owners = assignPartitions(
    members.map(({ id }) => id),
    partitionCount,
    1,
  );
  const epoch = (epochFloor + 1) as Epoch;
  return { ...table, owners, epochs: owners.map(() => epoch), epochFloor: epoch };
}

/** A member of the table is there, in this incarnation: a new one takes its partitions at new epochs, empty. */
export function withMember(table: TableState, member: JoinedMember): TableState {
  const index = table.members.findIndex(({ id }) => id === member.id);
  assert(index >= 0, () => `member '${member.id}' is not in the table`);
  const isSame = table.members[index]!.incarnation === member.incarnation;
  const awaited = table.awaited.filter((id) => id !== member.id);
  if (isSame && awaited.length === table.awaited.length) return table;
  const tableVersion = table.tableVersion + 1;
  if (isSame) return { ...table, awaited, tableVersion };
  const epoch = (table.epochFloor + 1) as Epoch;
  return {
    ...{ ...table, awaited, tableVersion },
    members: table.members.with(index, member),
    epochs: table.epochs.map((old, partition) => (table.owners[partition]?.[0] === index ? epoch : old)),
    epochFloor: table.owners.length > 0 ? epoch : table.epochFloor,
  };
}

/** Members that have not come by now are lost, not awaited. */
export function notAwaiting(table: TableState): TableState {
  const { awaited, tableVersion } = table;
  return awaited.length === 0 ? table : { ...table, awaited: [] as MemberId[], tableVersion: tableVersion + 1 };
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
    before.owners.length === 0 || after.owners === before.owners,
    'table-state T3: owners of a complete table change',
  );
  assert(after.epochs.length === after.owners.length, 'table-state T2: a partition has no epoch');
  for (const [partition, epoch] of after.epochs.entries()) assertEpoch(partition, epoch, after, before);
}

function assertEpoch(partition: number, epoch: Epoch, after: TableState, before: TableState): void {
  const old = before.epochs[partition] ?? before.epochFloor;
  const isSame = before.owners.length > 0 && isSamePrimary(partition, after, before);
  assert(
    epoch <= after.epochFloor && (isSame ? epoch >= old : epoch > old),
    () => `table-state T2: partition ${partition} has epoch ${epoch} after ${old}`,
  );
}

function isSamePrimary(partition: number, after: TableState, before: TableState): boolean {
  const [now, then] = [primaryIn(after, partition), primaryIn(before, partition)];
  return now?.id === then?.id && now?.incarnation === then?.incarnation;
}

function primaryIn({ owners, members }: TableState, partition: number): JoinedMember | undefined {
  const index = owners[partition]?.[0];
  return index === undefined ? undefined : members[index];
}
