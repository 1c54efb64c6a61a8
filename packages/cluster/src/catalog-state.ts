/**
 * The catalog: maps and modules of a grid, as one value with a version of its own, and its pure steps over what was checked
 * (command-check.ts). It holds the name of a module and the hash of its bundle; bundles lie apart (bundles.ts), so
 * that the value stays small however much code is deployed.
 *
 *   createMap, dropMap, putModule, removeModule -> catalog'          or a GridError, and the catalog stays
 *
 * catalog-state C1  A map id is never given twice: ids count up from mapIdFloor, which outlives maps, and the coordinator
 *                   where a keeper has it.
 * catalog-state C2  A listener belongs to one map, not to a name: to the one of its name when its module was deployed, or
 *                   else to the first that is made after that. When that map is dropped the listener has ended; a
 *                   deployment binds it anew.
 * catalog-state C3  catalogVersion never falls, and a change raises it by exactly 1; so does mapIdFloor never fall. A grid
 *                   that is taken over from a member (rebuild.ts) goes on further above.
 */
import { assert, GridError, type MapId } from '@ashlar/core';
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
  /** Name of the map whose changes a listener gets; empty for other kinds. */
  readonly map: string;
  /** Id of that map (catalog-state C2); 0: none yet. */
  readonly mapId: MapId;
}

export interface CatalogedModule {
  readonly name: string;
  /** SHA-256 of the bundle, hex. */
  readonly hash: string;
  /** Characters of the bundle: one ES module as text. */
  readonly bundleCharacters: number;
  readonly exports: readonly CatalogedExport[];
  /** 0: the member's default. */
  readonly wallMs: number;
  /** 0: the member's default. */
  readonly heapBytes: number;
  /** Grows with every deployment under the name. */
  readonly generation: number;
}

export interface CatalogState {
  /** The grid whose catalog it is: that of another one is neither older nor newer. */
  readonly gridId: string;
  /** Grows with every change of the catalog, and with nothing else. */
  readonly catalogVersion: number;
  /** The highest map id ever given; kept on disk by the coordinator, as the epoch floor is. */
  readonly mapIdFloor: number;
  readonly maps: readonly CatalogedMap[];
  readonly modules: readonly CatalogedModule[];
}

const NO_MAP = 0 as MapId;
const MAPS_MAX = 4096;
const MODULES_MAX = 256;
/** Most characters of all bundles together: every member holds them in memory. */
export const BUNDLE_CHARACTERS_MAX = 8 << 20;

export function emptyCatalog({ gridId, mapIdFloor }: Pick<CatalogState, 'gridId' | 'mapIdFloor'>): CatalogState {
  return { gridId, catalogVersion: 0, mapIdFloor, maps: [], modules: [] };
}

/** The hashes of the bundles that a catalog refers to. */
export function bundleHashesOf({ modules }: Pick<CatalogState, 'modules'>): ReadonlySet<string> {
  return new Set(modules.map(({ hash }) => hash));
}

/** @throws AssertionError when `after` cannot result from `before` by a step (catalog-state C1, C3) */
export function assertCatalogFollows(after: CatalogState, before: CatalogState): void {
  assert(after.gridId === before.gridId, 'catalog-state C3: a step of the catalog leaves its grid');
  assert(
    after.catalogVersion === before.catalogVersion + 1,
    () => `catalog-state C3: version ${after.catalogVersion} follows ${before.catalogVersion}`,
  );
  assert(after.mapIdFloor >= before.mapIdFloor, 'catalog-state C3: the floor of map ids falls');
  const known = new Map(before.maps.map(({ id, name }) => [id, name]));
  for (const { id, name } of after.maps) {
    const isKnown = known.get(id) === name;
    assert(
      id <= after.mapIdFloor && (isKnown || id > before.mapIdFloor),
      () => `catalog-state C1: map id ${id} of '${name}' is given twice`,
    );
  }
}

/** The fields of the catalog that a step changes; undefined: none. */
export type CatalogChange = Partial<Omit<CatalogState, 'gridId'>> | undefined;

/** @throws GridError MAP_CONFLICT, OVERLOADED */
export function createMap(catalog: CatalogState, name: string, options: MapSettings): CatalogChange {
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
export function dropMap(
  { catalogVersion, maps }: CatalogState,
  name: string,
  mapId: number | undefined,
): CatalogChange {
  const isMeant = (map: CatalogedMap): boolean => map.name === name && (mapId === undefined || map.id === mapId);
  if (!maps.some(isMeant)) return undefined;
  return { catalogVersion: catalogVersion + 1, maps: maps.filter((map) => !isMeant(map)) };
}

/** @throws GridError OVERLOADED */
export function putModule(catalog: CatalogState, module: ModuleCommand): CatalogChange {
  const known = catalog.modules.find(({ name }) => name === module.name);
  if (known !== undefined && isSameModule(known, module)) return undefined;
  if (known === undefined && catalog.modules.length >= MODULES_MAX) {
    throw new GridError('OVERLOADED', `a grid holds at most ${MODULES_MAX} modules`);
  }
  const others = catalog.modules.filter(({ name }) => name !== module.name);
  const { bundle, ...facts } = module;
  const characters = charactersOf([...others, { hash: facts.hash, bundleCharacters: bundle.length }]);
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
  const put = { ...facts, bundleCharacters: bundle.length, exports, generation: catalogVersion };
  return { catalogVersion, modules: [...others, put] };
}

/** Characters of all bundles; one that several modules share counts once. */
function charactersOf(modules: readonly Pick<CatalogedModule, 'hash' | 'bundleCharacters'>[]): number {
  const byHash = new Map(modules.map(({ hash, bundleCharacters }) => [hash, bundleCharacters]));
  return [...byHash.values()].reduce((sum, characters) => sum + characters, 0);
}

/** The map that a listener gets at its deployment (catalog-state C2). */
function idOf({ kind, map: name }: ModuleCommand['exports'][number], maps: readonly CatalogedMap[]): MapId {
  return kind === 'listener' ? (maps.find((map) => map.name === name)?.id ?? NO_MAP) : NO_MAP;
}

/** The same code under the same limits, and no listeners in it: those that ended (catalog-state C2) or are in quarantine begin anew. */
function isSameModule(known: CatalogedModule, module: ModuleCommand): boolean {
  const isSame = known.hash === module.hash && known.wallMs === module.wallMs && known.heapBytes === module.heapBytes;
  return isSame && known.exports.every(({ kind }) => kind !== 'listener');
}

export function removeModule({ catalogVersion, modules }: CatalogState, name: string): CatalogChange {
  if (!modules.some((module) => module.name === name)) return undefined;
  return { catalogVersion: catalogVersion + 1, modules: modules.filter((module) => module.name !== name) };
}
