/**
 * Checks a table or a catalog from a file or a wire field by field before anybody relies on it.
 *
 * state-check V1  What comes out could have come about by steps: sizes agree, indexes lie within, floors lie above what was
 *                 given.
 */
import { type Epoch, GridError, type MapId, type MemberId, type ReplicaTable, replicaIdOf } from '@ashlar/core';
import { BUNDLE_CHARACTERS_MAX, type CatalogedMap, type CatalogedModule, type CatalogState } from './catalog-state.ts';
import { countOf, damaged, fieldsOf, listOf, PARTITIONS_MAX, textOf, unique } from './checked-fields.ts';
import { checkedCommand, checkedModule } from './command-check.ts';
import { checkedReplicaTable } from './replicas/replica-check.ts';
import { withReplicas } from './replicas/replicated-table.ts';
import type { ControlState } from './step.ts';
import type { JoinedMember, TableState } from './table-state.ts';

const MEMBERS_MAX = 64;

/** @throws GridError CORRUPT_DATA with what is wrong */
export function checkedState(value: unknown): ControlState {
  const fields = fieldsOf(value, 'the state');
  const table = checkedTable(fields['table']);
  const catalog = checkedCatalog(fields['catalog']);
  if (table.gridId !== catalog.gridId) throw damaged('its table and its catalog are of two grids');
  return { table, catalog };
}

/** @throws GridError CORRUPT_DATA with what is wrong */
export function checkedTable(value: unknown): TableState {
  const fields = fieldsOf(value, 'the table');
  const members = listOf('members', fields['members'], MEMBERS_MAX).map(memberOf);
  const ids = unique(
    'members',
    members.map(({ id }) => id),
  );
  const partitionCount = countOf('partitionCount', fields['partitionCount'], PARTITIONS_MAX);
  const epochFloor = countOf('epochFloor', fields['epochFloor']);
  const owners = ownersOf(fields['owners'], partitionCount, members.length);
  const replicas = fields['replicas'];
  const table: TableState = {
    ...{ partitionCount, epochFloor, members, owners, lost: lostBy(owners), replicas: undefined },
    backups: countOf('backups', fields['backups'] ?? 0, MEMBERS_MAX),
    minInSync: countOf('minInSync', fields['minInSync'] ?? 1, MEMBERS_MAX),
    gridId: textOf('gridId', fields['gridId']),
    run: textOf('run', fields['run'] ?? '', 0),
    expectedMembers: countOf('expectedMembers', fields['expectedMembers'], MEMBERS_MAX),
    tableVersion: countOf('tableVersion', fields['tableVersion']),
    epochs: epochsOf(fields['epochs'], owners.length, epochFloor),
    awaited: listOf('awaited', fields['awaited'] ?? [], MEMBERS_MAX).map((id) => {
      if (ids.has(id as MemberId)) return id as MemberId;
      throw damaged('it awaits a member that it does not have');
    }),
  };
  return replicas === undefined || replicas === null ? table : withCopies(table, checkedReplicaTable(replicas));
}

/** A table with the rows that came with it; what follows from them is worked out anew. */
function withCopies(table: TableState, replicas: ReplicaTable): TableState {
  if (replicas.version !== table.tableVersion) throw damaged('its rows have another version than it has');
  if (replicas.partitions.length !== table.partitionCount) throw damaged('it has rows of another number of partitions');
  const joined = new Set(table.members.map(({ id, incarnation }) => replicaIdOf(id, incarnation)));
  if (replicas.members.every(({ replica }) => joined.has(replica))) return withReplicas(table, replicas);
  throw damaged('another process is registered than the one that joined');
}

/** @throws GridError CORRUPT_DATA with what is wrong */
export function checkedCatalog(value: unknown): CatalogState {
  const fields = fieldsOf(value, 'the catalog');
  const mapIdFloor = countOf('mapIdFloor', fields['mapIdFloor']);
  const modules = listOf('modules', fields['modules']).map((module) => moduleOf(module, mapIdFloor));
  unique(
    'modules',
    modules.map(({ name }) => name),
  );
  return {
    mapIdFloor,
    modules,
    gridId: textOf('gridId', fields['gridId']),
    catalogVersion: countOf('catalogVersion', fields['catalogVersion']),
    maps: mapsOf(fields['maps'], mapIdFloor),
  };
}

function memberOf(value: unknown): JoinedMember {
  const { id, address, httpAddress, zone, incarnation } = fieldsOf(value, 'a member');
  return {
    id: textOf('id of a member', id) as MemberId,
    address: textOf('address of a member', address),
    httpAddress: textOf('httpAddress of a member', httpAddress, 0),
    zone: textOf('zone of a member', zone, 0),
    incarnation: textOf('incarnation of a member', incarnation),
  };
}

function ownersOf(value: unknown, partitionCount: number, memberCount: number): number[][] {
  const owners = listOf('owners', value, PARTITIONS_MAX);
  if (owners.length !== 0 && owners.length !== partitionCount) {
    throw damaged(`it has owners of ${owners.length} of ${partitionCount} partitions`);
  }
  return owners.map((row) => listOf('owners of a partition', row, memberCount).map((one) => indexOf(one, memberCount)));
}

/** Without copies; with them it is worked out of the rows. */
function lostBy(owners: readonly (readonly number[])[]): number[] {
  return [...owners.keys()].filter((partition) => owners[partition]!.length === 0);
}

function indexOf(value: unknown, length: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < length) return value as number;
  throw damaged(`an owner is member ${String(value)} of ${length}`);
}

function epochsOf(value: unknown, partitions: number, floor: number): Epoch[] {
  const epochs = listOf('epochs', value, PARTITIONS_MAX);
  if (epochs.length !== partitions) throw damaged(`it has ${epochs.length} epochs of ${partitions} partitions`);
  return epochs.map((epoch) => countOf('an epoch', epoch, floor) as Epoch);
}

function mapsOf(value: unknown, mapIdFloor: number): CatalogedMap[] {
  const maps = listOf('maps', value).map((one): CatalogedMap => {
    const { id, name, ...options } = fieldsOf(one, 'a map');
    const made = asOurs(() => checkedCommand({ kind: 'createMap', name, options }));
    if (made.kind !== 'createMap') throw damaged('a map is none');
    return { id: countOf('a map id', id, mapIdFloor) as MapId, name: made.name, ...made.options };
  });
  unique(
    'maps',
    maps.map(({ name }) => name),
  );
  unique(
    'map ids',
    maps.map(({ id }) => id),
  );
  return maps;
}

function moduleOf(value: unknown, mapIdFloor: number): CatalogedModule {
  const fields = fieldsOf(value, 'a module');
  const module = asOurs(() => checkedModule(fields));
  const ids = listOf('exports of a module', fields['exports']).map((one) => fieldsOf(one, 'an export')['mapId']);
  return {
    ...module,
    bundleCharacters: countOf('the length of a bundle', fields['bundleCharacters'], BUNDLE_CHARACTERS_MAX),
    exports: module.exports.map((exported, index) => ({
      ...exported,
      mapId: countOf('the map of an export', ids[index], mapIdFloor) as MapId,
    })),
    generation: countOf('the generation of a module', fields['generation']),
  };
}

/** Turns the errors of a step into CORRUPT_DATA: what a step would refuse is damage here. */
function asOurs<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw damaged(GridError.wrap(error).message);
  }
}
