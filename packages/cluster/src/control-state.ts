/**
 * Control state: members, the partition table and the catalog of one grid, as one value and one pure step.
 *
 *   command -> step(state, command) -> { state', outcome }        or a GridError, and the state stays
 *
 * Whoever keeps the state (the embedded coordinator, later a consensus engine) applies the same steps in one order, so
 * that two coordinators cannot differ. No I/O, no clock, no chance.
 *
 * S1  tableVersion and catalogVersion never fall; a change raises one of them by exactly 1. A grid that is taken over from a
 *     member (rebuild.ts) goes on further above.
 * S2  The epoch of a partition rises whenever its primary (a member in one incarnation) changes, and never falls.
 * S3  A map id is never given twice (catalog.ts).
 * S4  Once complete, the table keeps its partitions' owners: a member that comes back under its name takes its own.
 */
import { type Epoch, GridError, type MemberAddress, type MemberId, type PartitionTable } from '@ashlar/core';
import { type Catalog, type CatalogChange, createMap, dropMap, putModule, removeModule } from './catalog.ts';
import { type CatalogCommand, checkedCommand } from './command-check.ts';
import { assignPartitions } from './placement.ts';
import { isLost, takeOver, withMember } from './rebuild.ts';

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
  /** Members of the table that have not been heard of since the coordinator was started, and may come yet. */
  readonly awaited: readonly MemberId[];
}

export type ControlCommand =
  /** `held`: the grid that the member is in, as far as it knows. */
  | { readonly kind: 'join'; readonly member: JoinedMember; readonly held?: ControlState | undefined }
  /** Members that have not come by now are lost, not awaited. */
  | { readonly kind: 'stopAwaiting' }
  | CatalogCommand;

export function emptyState(options: {
  gridId: string;
  partitionCount: number;
  expectedMembers: number;
  epochFloor: number;
  mapIdFloor: number;
}): ControlState {
  const nothing = { members: [], owners: [], epochs: [], awaited: [], maps: [], modules: [] };
  return { ...options, ...nothing, tableVersion: 0, catalogVersion: 0 };
}

/**
 * Applies one command. Creating what is there already, with the same settings, changes nothing and is no error.
 *
 * @param command  one that changes the catalog may be anything: it is checked before the state changes
 * @throws GridError MAP_CONFLICT, INVALID_NAME, INVALID_ARGUMENT, OVERLOADED (too many maps or modules), GRID_CONFLICT
 */
export function step(state: ControlState, command: ControlCommand): ControlState {
  if (command.kind === 'join') return join(state, command.member, command.held);
  if (command.kind === 'stopAwaiting') return stopAwaiting(state);
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
  const { tableVersion, gridId, members, expectedMembers, awaited, owners, epochs } = state;
  return { tableVersion, gridId, members, expectedMembers, awaited, owners, epochs };
}

function join(state: ControlState, member: JoinedMember, held: ControlState | undefined): ControlState {
  const isRebuilt = held !== undefined && isLost(state, held, member.id);
  const base = isRebuilt ? takeOver(state, held, member.id) : state;
  if (base.members.some((known) => known.id === member.id)) return withMember(base, member);
  if (base.owners.length > 0) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `the grid is complete: its table is fixed over ${base.members.length} members`,
      {
        hint: `start '${member.id}' under the name of a member that left, or start the grid with more expected members`,
      },
    );
  }
  return completed({ ...base, members: [...base.members, member], tableVersion: base.tableVersion + 1 });
}

/** With owners for its partitions, once all expected members are there. */
function completed(state: ControlState): ControlState {
  const { members, expectedMembers, partitionCount, epochFloor } = state;
  if (members.length < expectedMembers) return state;
  const owners = assignPartitions(
    members.map(({ id }) => id),
    partitionCount,
    1,
  );
  const epoch = (epochFloor + 1) as Epoch;
  return { ...state, owners, epochs: owners.map(() => epoch), epochFloor: epoch };
}

function stopAwaiting(state: ControlState): ControlState {
  return state.awaited.length === 0 ? state : { ...state, awaited: [], tableVersion: state.tableVersion + 1 };
}
