/**
 * A grid whose coordinator lost it, taken over from what a living member holds; and one that comes back from disk.
 *
 *   fresh coordinator, awaiting members <- join, with the state that the member holds -> that grid, at versions above
 *
 * rebuild B1  The coordinator may have given versions, epochs and map ids that no living member has heard of: what goes on
 *             does so GAP above what is known, so that none of them is given twice.
 * rebuild B2  A grid is taken over only where nothing is lost by it: by a coordinator whose own grid has no owners yet and
 *             whose members all belong to the other one. Otherwise the member is refused by name (GRID_CONFLICT).
 */
import { GridError, type MemberId } from '@ashlar/core';
import type { ControlState } from './step.ts';
import { nextVersion, type TableState, withMember } from './table-state.ts';

/** More changes than a coordinator can make while a living member hears of none of them. */
const GAP = 1024;

/** Whether a joining member holds a grid that the coordinator has lost. @throws GridError GRID_CONFLICT (rebuild B2) */
export function isLost(state: ControlState, held: ControlState, joiner: MemberId): boolean {
  // A grid that never was complete holds nothing.
  if (held.table.owners.length === 0) return false;
  const { gridId } = state.table;
  if (held.table.gridId === gridId) return isAhead(held, state);
  if (state.table.owners.length > 0) throw ofOther(state, held, joiner);
  return true;
}

/** No member leaves a grid that holds something. @throws GridError GRID_CONFLICT */
export function refuseOther(state: ControlState, held: ControlState, joiner: MemberId): void {
  const isOther = held.table.owners.length > 0 && held.table.gridId !== state.table.gridId;
  if (isOther) throw ofOther(state, held, joiner);
}

function ofOther(state: ControlState, held: ControlState, joiner: MemberId): GridError {
  return conflict(
    `member '${joiner}' holds grid ${held.table.gridId}, the coordinator has grid ${state.table.gridId}, which is complete`,
    'stop the member and start it again: it joins this grid, empty',
  );
}

function isAhead(held: ControlState, state: ControlState): boolean {
  return (
    held.table.tableVersion > state.table.tableVersion || held.catalog.catalogVersion > state.catalog.catalogVersion
  );
}

/**
 * The grid that a member holds, with the members that have joined since in it. Its bundles are no part of it: the
 * coordinator asks the members for those that it lacks.
 *
 * @throws GridError GRID_CONFLICT (rebuild B2)
 */
export function takeOver(state: ControlState, held: ControlState, joiner: MemberId): ControlState {
  checkTaken(state.table, held.table, joiner);
  const present = new Set<MemberId>([joiner, ...state.table.members.map(({ id }) => id)]);
  const table: TableState = {
    ...held.table,
    tableVersion: above(held.table.tableVersion, state.table.tableVersion),
    epochFloor: above(held.table.epochFloor, state.table.epochFloor),
    awaited: held.table.members.map(({ id }) => id).filter((id) => !present.has(id)),
  };
  const catalog = {
    ...held.catalog,
    catalogVersion: above(held.catalog.catalogVersion, state.catalog.catalogVersion),
    mapIdFloor: above(held.catalog.mapIdFloor, state.catalog.mapIdFloor),
  };
  return { table: state.table.members.reduce(withMember, table), catalog };
}

/** rebuild B1 */
export function above(held: number, known: number): number {
  return Math.max(held, known) + GAP;
}

/** @throws GridError GRID_CONFLICT: what a member holds does not fit those who are here (rebuild B2) */
export function checkTaken(table: TableState, held: TableState, joiner: MemberId): void {
  if (held.backups > 0 !== table.backups > 0) {
    throw conflict(
      `member '${joiner}' holds a grid of ${held.backups} backups, the coordinator was started for ${table.backups}`,
      `start the coordinator's member with cluster.backups=${held.backups}`,
    );
  }
  if (held.partitionCount !== table.partitionCount) {
    throw conflict(
      `member '${joiner}' holds a grid of ${held.partitionCount} partitions, the coordinator was started for ${table.partitionCount}`,
      `start the coordinator's member with cluster.partitionCount=${held.partitionCount}`,
    );
  }
  const unknown = table.members.find(({ id }) => held.members.every((member) => member.id !== id));
  if (unknown === undefined) return;
  throw conflict(
    `member '${joiner}' holds a grid of ${held.members.map(({ id }) => id).join(', ')}, to which '${unknown.id}' does not belong`,
    'start the member under the name that it had (--name)',
  );
}

/** A complete grid as it was read from disk: all of its members are awaited. */
export function restored({ table, catalog }: ControlState): ControlState {
  const awaited = table.members.map(({ id }) => id);
  return { table: nextVersion({ ...table, awaited }), catalog };
}

function conflict(message: string, hint: string): GridError {
  return new GridError('GRID_CONFLICT', message, { hint });
}
