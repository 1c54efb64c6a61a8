/**
 * The one step of a grid's control state, a pair of values: the table and the catalog.
 *
 *   command -> step({ table, catalog }, command) -> { table', catalog' }        or a GridError, and both stay
 *
 * Whoever keeps the pair (the embedded coordinator, a consensus engine by compare-and-set) applies the same steps in one
 * order, so that two coordinators cannot differ. No I/O, no clock, no chance.
 *
 * step S1  A value that a command does not change is the same object afterwards; a command that changes nothing gives the
 *          pair back. A keeper has to compare and set only what is another object.
 * step S2  A command changes one of the two values, but for a grid that is taken over from a member (rebuild.ts).
 * step S3  The result follows from the input by the rules of table-state and catalog-state (asserted).
 */
import { assert, type ReplicaChange } from '@ashlar/core';
import {
  assertCatalogFollows,
  type CatalogChange,
  type CatalogState,
  createMap,
  dropMap,
  emptyCatalog,
  putModule,
  removeModule,
} from './catalog-state.ts';
import { type CatalogCommand, checkedCommand } from './command-check.ts';
import { isLost, refuseOther, takeOver } from './rebuild.ts';
import { isReplicated, withChanges } from './replicas/replicated-table.ts';
import {
  assertTableFollows,
  emptyTable,
  type JoinedMember,
  joined,
  notAwaiting,
  recovered,
  type TableState,
} from './table-state.ts';

/** Table and catalog of one grid. */
export interface ControlState {
  readonly table: TableState;
  readonly catalog: CatalogState;
}

export type TableCommand =
  /** `held`: the grid that the member is in, as far as it knows. */
  | { readonly kind: 'join'; readonly member: JoinedMember; readonly held?: ControlState | undefined }
  /** Members that have not come by now are lost, not awaited. */
  | { readonly kind: 'stopAwaiting' }
  /** An operator accepts that partitions of a grid without copies are lost; those that are not are passed over. */
  | { readonly kind: 'recover'; readonly partitions: readonly number[] }
  /** Changes of rows, each by itself: those that do not fit any more are passed over. */
  | { readonly kind: 'replicas'; readonly changes: readonly ReplicaChange[] };

export type ControlCommand = TableCommand | CatalogCommand;

export function emptyState(
  options: Parameters<typeof emptyTable>[0] & Parameters<typeof emptyCatalog>[0],
): ControlState {
  const { mapIdFloor, ...table } = options;
  return { table: emptyTable(table), catalog: emptyCatalog({ gridId: table.gridId, mapIdFloor }) };
}

const TABLE_COMMANDS: ReadonlySet<ControlCommand['kind']> = new Set<TableCommand['kind']>([
  'join',
  'stopAwaiting',
  'recover',
  'replicas',
]);

/** Whether a command changes the table; otherwise it changes the catalog. */
export function isTableCommand(command: ControlCommand): command is TableCommand {
  return TABLE_COMMANDS.has(command.kind);
}

/**
 * Applies one command. Creating what is there already, with the same settings, changes nothing and is no error.
 *
 * @param command  one that changes the catalog may be anything: it is checked before the state changes
 * @throws GridError MAP_CONFLICT, INVALID_NAME, INVALID_ARGUMENT, OVERLOADED (too many maps or modules), GRID_CONFLICT
 */
export function step(state: ControlState, command: ControlCommand): ControlState {
  if (isTableCommand(command)) return tableStep(state, command);
  const { catalog } = state;
  const change = changeOf(catalog, checkedCommand(command));
  if (change === undefined) return state;
  const after = { ...catalog, ...change };
  assertCatalogFollows(after, catalog);
  return { ...state, catalog: after };
}

function tableStep(state: ControlState, command: TableCommand): ControlState {
  if (command.kind === 'stopAwaiting') return withTable(state, notAwaiting(state.table));
  if (command.kind === 'recover') return withTable(state, recovered(state.table, command.partitions));
  if (command.kind === 'replicas') return withTable(state, changed(state.table, command.changes));
  const { member, held } = command;
  if (isReplicated(state.table)) {
    if (held !== undefined) refuseOther(state, held, member.id);
    return withTable(state, joined(state.table, member));
  }
  const isRebuilt = held !== undefined && isLost(state, held, member.id);
  const base = isRebuilt ? takeOver(state, held, member.id) : state;
  return withTable(base, joined(base.table, member));
}

function changed(table: TableState, changes: readonly ReplicaChange[]): TableState {
  return isReplicated(table) ? withChanges(table, changes) : table;
}

/** step S1, S3 */
function withTable(state: ControlState, table: TableState): ControlState {
  if (table === state.table) return state;
  assertTableFollows(table, state.table);
  assert(table.gridId === state.catalog.gridId, 'step S2: table and catalog are of two grids');
  return { ...state, table };
}

function changeOf(catalog: CatalogState, command: CatalogCommand): CatalogChange {
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
