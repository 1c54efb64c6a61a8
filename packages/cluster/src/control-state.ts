/**
 * Control state: members, the partition table and the catalog of one grid, as one value and one pure step.
 *
 *   command -> step(state, command) -> { state', outcome }        or a GridError, and the state stays
 *
 * Whoever keeps the state (the embedded coordinator, later a consensus engine) applies the same steps in one order, so
 * that two coordinators cannot differ. No I/O, no clock, no chance.
 *
 * S1  tableVersion and catalogVersion never fall; a change raises one of them by exactly 1.
 * S2  The epoch of a partition rises whenever its primary (a member in one incarnation) changes, and never falls.
 * S3  A map id is never given twice (catalog.ts).
 * S4  Once complete, the table keeps its partitions' owners: a member that comes back under its name takes its own.
 */
import { type Epoch, GridError, type MemberAddress, type PartitionTable } from '@ashlar/core';
import { type Catalog, type CatalogChange, createMap, dropMap, putModule, removeModule } from './catalog.ts';
import { type CatalogCommand, checkedCommand } from './command-check.ts';
import { assignPartitions } from './placement.ts';

/** A member process: a restarted one has another incarnation and nothing of what the old one held. */
export interface JoinedMember extends MemberAddress {
  readonly incarnation: string;
}

export interface ControlState extends Catalog {
  readonly gridId: string;
  readonly partitionCount: number;
  /** Members the table waits for. */
  readonly expectedMembers: number;
  readonly tableVersion: number;
  readonly members: readonly JoinedMember[];
  /** Empty until the expected members have joined. */
  readonly owners: readonly (readonly number[])[];
  readonly epochs: readonly Epoch[];
  /** Epochs of this grid start above it: the highest ever given, kept on disk by the coordinator. */
  readonly epochFloor: number;
}

export type ControlCommand = { readonly kind: 'join'; readonly member: JoinedMember } | CatalogCommand;

export function emptyState(options: {
  gridId: string;
  partitionCount: number;
  expectedMembers: number;
  epochFloor: number;
  mapIdFloor: number;
}): ControlState {
  return { ...options, tableVersion: 0, members: [], owners: [], epochs: [], catalogVersion: 0, maps: [], modules: [] };
}

/**
 * Applies one command. Creating what is there already, with the same settings, changes nothing and is no error.
 *
 * @param command  one that changes the catalog may be anything: it is checked before the state changes
 * @throws GridError MAP_CONFLICT, INVALID_NAME, INVALID_ARGUMENT, OVERLOADED (too many maps or modules)
 */
export function step(state: ControlState, command: ControlCommand): ControlState {
  if (command.kind === 'join') return join(state, command.member);
  const change = changeOf(state, checkedCommand(command));
  return change === undefined ? state : { ...state, ...change };
}

function changeOf(catalog: Catalog, command: CatalogCommand): CatalogChange {
  switch (command.kind) {
    case 'createMap':
      return createMap(catalog, command.name, command.options);
    case 'dropMap':
      return dropMap(catalog, command.name, command.mapId);
    case 'putModule':
      return putModule(catalog, command.module);
    case 'removeModule':
      return removeModule(catalog, command.name);
  }
}

/** The table as clients and members route by it. */
export function tableOf(state: ControlState): PartitionTable {
  const { tableVersion, gridId, members, expectedMembers, owners, epochs } = state;
  return { tableVersion, gridId, members, expectedMembers, owners, epochs };
}

function join(state: ControlState, member: JoinedMember): ControlState {
  const index = state.members.findIndex((known) => known.id === member.id);
  if (index >= 0) return rejoin(state, index, member);
  if (state.owners.length > 0) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `the grid is complete: its table is fixed over ${state.members.length} members`,
      {
        hint: `start '${member.id}' under the name of a member that left, or start the grid with more expected members`,
      },
    );
  }
  const members = [...state.members, member];
  const joined = { ...state, members, tableVersion: state.tableVersion + 1 };
  if (members.length < state.expectedMembers) return joined;
  const owners = assignPartitions(
    members.map(({ id }) => id),
    state.partitionCount,
    1,
  );
  const epoch = (state.epochFloor + 1) as Epoch;
  return { ...joined, owners, epochs: owners.map(() => epoch), epochFloor: epoch };
}

/** The same member again changes nothing; a new incarnation takes its partitions at new epochs, empty. */
function rejoin(state: ControlState, index: number, member: JoinedMember): ControlState {
  const known = state.members[index]!;
  if (known.incarnation === member.incarnation) return state;
  const epoch = (state.epochFloor + 1) as Epoch;
  return {
    ...state,
    members: state.members.with(index, member),
    epochs: state.epochs.map((old, partition) => (state.owners[partition]?.[0] === index ? epoch : old)),
    epochFloor: state.owners.length > 0 ? epoch : state.epochFloor,
    tableVersion: state.tableVersion + 1,
  };
}
