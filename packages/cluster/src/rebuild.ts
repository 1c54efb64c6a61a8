/**
 * A grid whose coordinator lost it, taken over from what a living member holds; and one that comes back from disk.
 *
 *   fresh coordinator, awaiting members <- join, with the state that the member holds -> that grid, at versions above
 *
 * B1  The coordinator may have given versions, epochs and map ids that no living member has heard of: what goes on does so
 *     GAP above what is known, so that none of them is given twice.
 * B2  A grid is taken over only where nothing is lost by it: by a coordinator whose own grid has no owners yet and whose
 *     members all belong to the other one. Otherwise the member is refused by name (GRID_CONFLICT).
 */
import { type Epoch, GridError, type MemberId } from '@ashlar/core';
import type { ControlState, JoinedMember } from './control-state.ts';

/** More changes than a coordinator makes while a member that lives hears of none. */
const GAP = 1024;

/** Whether a joining member holds a grid that the coordinator has lost. @throws GridError GRID_CONFLICT (B2) */
export function isLost(state: ControlState, held: ControlState, joiner: MemberId): boolean {
  // What never was complete holds nothing.
  if (held.owners.length === 0) return false;
  if (held.gridId === state.gridId) return isAhead(held, state);
  if (state.owners.length > 0) {
    throw conflict(
      `member '${joiner}' holds grid ${held.gridId}, the coordinator has grid ${state.gridId}, which is complete`,
      'stop the member and start it again: it joins this grid, empty',
    );
  }
  return true;
}

function isAhead(held: ControlState, state: ControlState): boolean {
  return held.tableVersion > state.tableVersion || held.catalogVersion > state.catalogVersion;
}

/** The grid that a member holds, with the members that have joined since in it. @throws GridError GRID_CONFLICT (B2) */
export function takeOver(state: ControlState, held: ControlState, joiner: MemberId): ControlState {
  if (held.partitionCount !== state.partitionCount) {
    throw conflict(
      `member '${joiner}' holds a grid of ${held.partitionCount} partitions, the coordinator was started for ${state.partitionCount}`,
      `start the coordinator's member with cluster.partitionCount=${held.partitionCount}`,
    );
  }
  const unknown = state.members.find(({ id }) => held.members.every((member) => member.id !== id));
  if (unknown !== undefined) {
    throw conflict(
      `member '${joiner}' holds a grid of ${held.members.map(({ id }) => id).join(', ')}, to which '${unknown.id}' does not belong`,
      'start the member under the name that it had (--name)',
    );
  }
  const present = new Set<MemberId>([joiner, ...state.members.map(({ id }) => id)]);
  const taken: ControlState = {
    ...held,
    tableVersion: Math.max(held.tableVersion, state.tableVersion) + GAP,
    catalogVersion: Math.max(held.catalogVersion, state.catalogVersion) + GAP,
    epochFloor: Math.max(held.epochFloor, state.epochFloor) + GAP,
    mapIdFloor: Math.max(held.mapIdFloor, state.mapIdFloor) + GAP,
    awaited: held.members.map(({ id }) => id).filter((id) => !present.has(id)),
  };
  return state.members.reduce(withMember, taken);
}

/** A complete grid as the disk has it: everybody is awaited. */
export function restored(kept: ControlState): ControlState {
  return { ...kept, awaited: kept.members.map(({ id }) => id), tableVersion: kept.tableVersion + 1 };
}

/** A member of the table is there, in this incarnation: a new one takes its partitions at new epochs, empty. */
export function withMember(state: ControlState, member: JoinedMember): ControlState {
  const index = state.members.findIndex(({ id }) => id === member.id);
  const isSame = state.members[index]!.incarnation === member.incarnation;
  const awaited = state.awaited.filter((id) => id !== member.id);
  if (isSame && awaited.length === state.awaited.length) return state;
  const tableVersion = state.tableVersion + 1;
  if (isSame) return { ...state, awaited, tableVersion };
  const epoch = (state.epochFloor + 1) as Epoch;
  return {
    ...{ ...state, awaited, tableVersion },
    members: state.members.with(index, member),
    epochs: state.epochs.map((old, partition) => (state.owners[partition]?.[0] === index ? epoch : old)),
    epochFloor: state.owners.length > 0 ? epoch : state.epochFloor,
  };
}

function conflict(message: string, hint: string): GridError {
  return new GridError('GRID_CONFLICT', message, { hint });
}
