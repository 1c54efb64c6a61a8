/**
 * The catalog's half of the control state: maps and modules, as pure steps over what was checked (command-check.ts).
 *
 *   createMap, dropMap, putModule, removeModule -> catalog'          or a GridError, and the catalog stays
 *
 * C1  A map id is never given twice: ids count up from mapIdFloor, which outlives maps, and the coordinator where a
 *     keeper has it.
 * C2  A listener belongs to one map, not to a name: to the one of its name when its module was deployed, or else to the
 *     first that is made after that. When that map is dropped the listener has ended; a deployment binds it anew.
 */
import { GridError, type MapId } from '@ashlar/core';
import type { ModuleCommand } from './command-check.ts';

export interface CatalogedMap {
  readonly id: MapId;
  readonly name: string;
  /** 0: all elements of the key. */
  readonly affinityParts: number;
  /** 0: none. */
  readonly ttlMs: number;
  /** 0: none. */
  readonly maxIdleMs: number;
}

export interface MapSettings {
  readonly affinityParts: number;
  readonly ttlMs: number;
  readonly maxIdleMs: number;
}

export const DEFAULT_MAP_SETTINGS: MapSettings = { affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };

export interface CatalogedExport {
  readonly name: string;
  /** processor, job, listener */
  readonly kind: string;
  /** Of a listener: the name of the map whose changes it gets; else empty. */
  readonly map: string;
  /** Of a listener: that map (C2); 0: none yet. */
  readonly mapId: MapId;
}

export interface CatalogedModule {
  readonly name: string;
  /** SHA-256 of the bundle, hex. */
  readonly hash: string;
  /** One ES module as text. */
  readonly bundle: string;
  readonly exports: readonly CatalogedExport[];
  /** 0: the member's default. */
  readonly wallMs: number;
  /** 0: the member's default. */
  readonly heapBytes: number;
  /** Grows with every deployment under the name. */
  readonly generation: number;
}

export interface Catalog {
  readonly catalogVersion: number;
  /** The highest map id ever given: kept on disk by the coordinator, as the epoch floor is. */
  readonly mapIdFloor: number;
  readonly maps: readonly CatalogedMap[];
  readonly modules: readonly CatalogedModule[];
}

const NO_MAP = 0 as MapId;
const MAPS_MAX = 4096;
const MODULES_MAX = 256;
/** All bundles together: the state must fit into one message. */
const BUNDLE_CHARACTERS_MAX = 8 << 20;

/** What differs of the catalog afterwards; undefined: nothing. */
export type CatalogChange = Partial<Catalog> | undefined;

/** @throws GridError MAP_CONFLICT, OVERLOADED */
export function createMap(catalog: Catalog, name: string, options: MapSettings): CatalogChange {
  const known = catalog.maps.find((map) => map.name === name);
  if (known !== undefined) {
    checkSameSettings(known, options);
    return undefined;
  }
  if (catalog.maps.length >= MAPS_MAX) throw new GridError('OVERLOADED', `a grid holds at most ${MAPS_MAX} maps`);
  const id = (catalog.mapIdFloor + 1) as MapId;
  return {
    catalogVersion: catalog.catalogVersion + 1,
    mapIdFloor: id,
    maps: [...catalog.maps, { id, name, ...options }],
    modules: catalog.modules.map((module) => boundTo(module, name, id)),
  };
}

function checkSameSettings(known: CatalogedMap, wanted: MapSettings): void {
  for (const option of ['affinityParts', 'ttlMs', 'maxIdleMs'] as const) {
    if (wanted[option] === known[option]) continue;
    throw new GridError('MAP_CONFLICT', `map '${known.name}' has ${option} ${known[option]}, not ${wanted[option]}`, {
      hint: 'options are fixed when a map is created: define it with the same ones everywhere',
      details: { map: known.name, option, has: known[option], wanted: wanted[option] },
    });
  }
}

/** The module with its listeners that wait for a map of the name bound to it. */
function boundTo(module: CatalogedModule, name: string, id: MapId): CatalogedModule {
  const isWaiting = ({ kind, map, mapId }: CatalogedExport): boolean =>
    kind === 'listener' && map === name && mapId === NO_MAP;
  if (!module.exports.some(isWaiting)) return module;
  return { ...module, exports: module.exports.map((one) => (isWaiting(one) ? { ...one, mapId: id } : one)) };
}

/** @param mapId  only the map with this id; undefined: whichever has the name */
export function dropMap({ catalogVersion, maps }: Catalog, name: string, mapId: number | undefined): CatalogChange {
  const isMeant = (map: CatalogedMap): boolean => map.name === name && (mapId === undefined || map.id === mapId);
  if (!maps.some(isMeant)) return undefined;
  return { catalogVersion: catalogVersion + 1, maps: maps.filter((map) => !isMeant(map)) };
}

/** @throws GridError OVERLOADED */
export function putModule(catalog: Catalog, module: ModuleCommand): CatalogChange {
  const known = catalog.modules.find(({ name }) => name === module.name);
  if (known !== undefined && isSameModule(known, module)) return undefined;
  if (known === undefined && catalog.modules.length >= MODULES_MAX) {
    throw new GridError('OVERLOADED', `a grid holds at most ${MODULES_MAX} modules`);
  }
  const others = catalog.modules.filter(({ name }) => name !== module.name);
  const characters = others.reduce((sum, { bundle }) => sum + bundle.length, module.bundle.length);
  if (characters > BUNDLE_CHARACTERS_MAX) {
    throw new GridError(
      'OVERLOADED',
      `the modules of a grid may have ${BUNDLE_CHARACTERS_MAX} characters, not ${characters}`,
      {
        hint: 'undeploy what is not used, and keep big libraries out of user code',
        details: { characters, limit: BUNDLE_CHARACTERS_MAX },
      },
    );
  }
  const catalogVersion = catalog.catalogVersion + 1;
  const exports = module.exports.map((one) => ({ ...one, mapId: idOf(one, catalog.maps) }));
  return { catalogVersion, modules: [...others, { ...module, exports, generation: catalogVersion }] };
}

/** The map that a listener gets at its deployment (C2). */
function idOf({ kind, map: name }: ModuleCommand['exports'][number], maps: readonly CatalogedMap[]): MapId {
  return kind === 'listener' ? (maps.find((map) => map.name === name)?.id ?? NO_MAP) : NO_MAP;
}

/** The same code under the same limits, and no listeners in it: those that ended (C2) or are in quarantine begin anew. */
function isSameModule(known: CatalogedModule, module: ModuleCommand): boolean {
  const isSame = known.hash === module.hash && known.wallMs === module.wallMs && known.heapBytes === module.heapBytes;
  return isSame && known.exports.every(({ kind }) => kind !== 'listener');
}

export function removeModule({ catalogVersion, modules }: Catalog, name: string): CatalogChange {
  if (!modules.some((module) => module.name === name)) return undefined;
  return { catalogVersion: catalogVersion + 1, modules: modules.filter((module) => module.name !== name) };
}
