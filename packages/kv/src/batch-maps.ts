/**
 * The maps of a batch: which ones its caller means, and whether they are those that have the names here.
 *
 *   reference -> known here as meant? -- yes --> run at once
 *                       \- no: this member is behind -> asks the coordinator \
 *                       \- no: the caller is behind --------------------------+-> reads: the map of the name
 *                       \- no: there is none -> the first mutation makes it   |   mutations: refused, MAP_DROPPED
 *
 * batch-maps M1  A mutation takes effect in the map it means, or nowhere: it means an id where its caller knows one.
 * batch-maps M2  Ids only grow, so that of two the older one is known.
 * batch-maps M3  Nothing is concluded from what this member does not know unless the coordinator was asked.
 * batch-maps M4  A map that cannot be had fails its own operations, and no others of the batch.
 */
import { type CatalogedMap, DEFAULT_MAP_SETTINGS, type GridView } from '@ashlar/cluster';
import { GridError, invalidName, isName, isSystemMap, MapDroppedError, systemMapRefusal } from '@ashlar/core';
import { openHere, type PresenceParts } from '@ashlar/partitions';
import { isMutation, type KvBatch, type MapReference } from '@ashlar/transport';

export interface BatchMaps {
  /** By map index: the map that has the name here; undefined: there is none, so reads find nothing. */
  readonly maps: readonly (CatalogedMap | undefined)[];
  /** By map index: why neither its reads nor its mutations are answered. Undefined: all are. */
  readonly failures: readonly (GridError | undefined)[] | undefined;
  /** By map index: why mutations of it are refused (batch-maps M1). Undefined: none are. */
  readonly refusals: readonly (GridError | undefined)[] | undefined;
}

/** The maps of a batch where all are known as the caller means them; undefined where it must wait. */
export function knownMaps({ maps }: KvBatch, { control, store }: PresenceParts): BatchMaps | undefined {
  const known: CatalogedMap[] = [];
  for (const reference of maps) {
    if (isSystemMap(reference.name)) return undefined;
    const map = control.maps.get(reference.name);
    const isReady = map !== undefined && isMeant(map, reference) && agrees(map, reference) && store.hasMap(map.id);
    if (!isReady) return undefined;
    known.push(map);
  }
  return { maps: known, failures: undefined, refusals: undefined };
}

/**
 * The maps of a batch, looked up and made where they have to be (batch-maps M4). What a map may fail with: MAP_CONFLICT,
 * INVALID_ARGUMENT, OUT_OF_MEMORY; LEASE_EXPIRED when this member is behind and cannot ask the coordinator.
 */
export async function mapsOf(batch: KvBatch, deps: PresenceParts): Promise<BatchMaps> {
  const writes = batch.opcodes.some(isMutation);
  const found = await Promise.allSettled(batch.maps.map((reference) => openedMapOf(reference, writes, deps)));
  const maps = found.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
  const failures = found.map((one) => (one.status === 'fulfilled' ? undefined : GridError.wrap(one.reason)));
  const refusals = batch.maps.map((reference, index) => refusalOf(reference, maps[index]));
  return { maps, failures: unlessEmpty(failures), refusals: unlessEmpty(refusals) };
}

function unlessEmpty(errors: readonly (GridError | undefined)[]): readonly (GridError | undefined)[] | undefined {
  return errors.some((error) => error !== undefined) ? errors : undefined;
}

async function openedMapOf(
  reference: MapReference,
  writes: boolean,
  deps: PresenceParts,
): Promise<CatalogedMap | undefined> {
  // No such map can be: nobody is asked.
  if (!isName(reference.name)) return undefined;
  const map = await mapOf(reference, writes && !isSystemMap(reference.name), deps);
  if (map !== undefined && !deps.store.hasMap(map.id)) openHere(map, deps);
  return map;
}

/** Map ids to send to a caller that named others, or none; undefined: it named those that it got. */
export function mapIdsToTell({ maps }: KvBatch, got: BatchMaps['maps']): Uint32Array | undefined {
  for (let index = 0; index < maps.length; index++) {
    const id = got[index]?.id;
    if (id !== undefined && id !== maps[index]!.mapId) return Uint32Array.from(got, (map) => map?.id ?? 0);
  }
  return undefined;
}

function isMeant({ id }: CatalogedMap, { mapId, newerThan }: MapReference): boolean {
  return mapId === 0 ? id > newerThan : id === mapId;
}

function agrees(map: CatalogedMap, reference: MapReference): boolean {
  if (map.affinityParts !== reference.affinityParts) return false;
  return !reference.declared || (map.ttlMs === reference.ttlMs && map.maxIdleMs === reference.maxIdleMs);
}

/** Whether the caller knows of a later map, or of a later drop, than this member does (batch-maps M2). */
function isBehind({ maps, catalog }: GridView, { name, mapId, newerThan }: MapReference): boolean {
  const known = maps.get(name);
  return mapId > catalog.mapIdFloor || (mapId === 0 && known !== undefined && known.id <= newerThan);
}

async function mapOf(
  reference: MapReference,
  writes: boolean,
  { control }: PresenceParts,
): Promise<CatalogedMap | undefined> {
  const { name, affinityParts, declared, ttlMs, maxIdleMs, mapId } = reference;
  if (isBehind(control, reference)) await catchUp(reference, control);
  const known = control.maps.get(name);
  const settings = declared ? { affinityParts, ttlMs, maxIdleMs } : DEFAULT_MAP_SETTINGS;
  let map = known;
  const isWanted = mapId === 0 || known?.id === mapId;
  if (writes && isWanted) map = await control.mapFor(name, settings, declared);
  else if (map === undefined && isWanted) map = await mapToRead(reference, control);
  if (map === undefined || map.affinityParts === affinityParts) return map;
  throw new GridError('MAP_CONFLICT', `map '${name}' has affinityParts ${map.affinityParts}, not ${affinityParts}`, {
    hint: 'options are fixed when a map is created',
    details: { map: name, option: 'affinityParts', affinityParts: map.affinityParts },
  });
}

/** Undefined: there is no such map. @throws GridError LEASE_EXPIRED when that cannot be known (batch-maps M3) */
async function mapToRead(reference: MapReference, control: GridView): Promise<CatalogedMap | undefined> {
  try {
    return await control.mapNamed(reference.name);
  } catch (error) {
    if (GridError.is(error, 'UNKNOWN_MAP')) return undefined;
    throw behind(reference, control, error);
  }
}

/** Asks the coordinator (batch-maps M3). @throws GridError LEASE_EXPIRED: another try, later or elsewhere, may go well */
async function catchUp(reference: MapReference, control: GridView): Promise<void> {
  try {
    await control.refresh();
  } catch (error) {
    throw behind(reference, control, error);
  }
  if (isBehind(control, reference)) throw behind(reference, control, undefined);
}

function behind({ name, mapId, newerThan }: MapReference, control: GridView, cause: unknown): GridError {
  return new GridError('LEASE_EXPIRED', `member '${control.self}' does not know the newest map '${name}' yet`, {
    hint: 'try again: it cannot reach the coordinator at this moment',
    details: { map: name, mapId: mapId || newerThan },
    cause,
  });
}

function refusalOf(reference: MapReference, map: CatalogedMap | undefined): GridError | undefined {
  const { name, mapId } = reference;
  if (!isName(name)) return invalidName('map', name);
  if (isSystemMap(name)) return systemMapRefusal(name);
  if (mapId === 0 || map?.id === mapId) return undefined;
  return new MapDroppedError(name, { mapId, now: map?.id ?? 0 });
}

/** What a mutation gets whose map was dropped while it waited. */
export function droppedMap({ name, id }: CatalogedMap, { maps }: GridView): GridError {
  return new MapDroppedError(name, { mapId: id, now: maps.get(name)?.id ?? 0 });
}
