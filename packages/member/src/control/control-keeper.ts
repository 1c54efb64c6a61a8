/**
 * Keeps table and catalog in one file, written whole with its digest, synced, renamed over the old one, and the rename
 * synced; and each bundle in a file of its own that never changes.
 *
 *   coordinator.json:   { format, digest, state: { table, catalog } }      the digest is the SHA-256 of the state's JSON
 *   bundles/HASH.mjs    the text of a bundle                               its SHA-256 is its name
 *
 * What is read is checked field by field: a file that is damaged is refused, never taken for a new grid. A bundle that is
 * damaged or gone is no loss: the members that run it have it.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  bundleHash,
  type ControlKeeper,
  type ControlState,
  checkedState,
  type GridFloors,
  NO_KEEPER,
} from '@ashlar/cluster';
import { GridError } from '@ashlar/core';

const FILE = 'coordinator.json';
const BUNDLES = 'bundles';
const BUNDLE_ENDING = '.mjs';
const FORMAT = 4;
/** The file format of grids without copies: as today's, with less in the table. */
const FORMAT_WITHOUT_COPIES = 3;
/** The file format that held everything in one value, bundles included. */
const FORMAT_WITH_BUNDLES = 2;
const FORMATS: readonly unknown[] = [FORMAT, FORMAT_WITHOUT_COPIES, FORMAT_WITH_BUNDLES];

/** Without a directory nothing is kept: a restarted coordinator goes on with what its members hold. */
export function controlKeeper(directory: string): ControlKeeper {
  if (directory === '') return NO_KEEPER;
  const file = join(directory, FILE);
  const bundles = join(directory, BUNDLES);
  const fileOf = (hash: string): string => join(bundles, `${hash}${BUNDLE_ENDING}`);
  return {
    load: () => load(file, (hash, text) => writeWhole(bundles, fileOf(hash), text)),
    save: (state) => save(directory, file, state),
    loadBundle: (hash) => loadBundle(fileOf(hash), hash),
    saveBundle: (hash, text) => writeWhole(bundles, fileOf(hash), text),
    keepBundles: (hashes) => keepBundles(bundles, hashes),
  };
}

function loadBundle(file: string, hash: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return bundleHash(text) === hash ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Removes all other bundles; a file that cannot be removed now does no harm. */
function keepBundles(directory: string, hashes: ReadonlySet<string>): void {
  try {
    for (const name of readdirSync(directory)) {
      if (!hashes.has(name.slice(0, -BUNDLE_ENDING.length))) rmSync(join(directory, name), { force: true });
    }
  } catch {
    // No bundle has been kept yet.
  }
}

type SaveBundle = (hash: string, text: string) => void;

function load(file: string, saveBundle: SaveBundle): ControlState | GridFloors | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GridError('INVALID_CONFIG', `${file} cannot be read: ${(error as Error).message}`);
  }
  const kept = parse(text);
  if (kept === undefined) throw damaged(file, 'it is not a JSON object');
  return kept['format'] === undefined ? floorsOf(file, kept) : stateOf(file, kept, saveBundle);
}

type Fields = Readonly<Record<string, unknown>>;

/** Files of the first releases: no format, no state; the very first have no map id floor. */
function floorsOf(file: string, { gridId, epochFloor, mapIdFloor = 0 }: Fields): GridFloors {
  if (typeof gridId === 'string' && gridId !== '' && isCount(epochFloor) && isCount(mapIdFloor)) {
    return { gridId, epochFloor, mapIdFloor };
  }
  throw damaged(file, 'it lacks the id or the epoch of its grid');
}

function stateOf(file: string, { format, digest, state }: Fields, saveBundle: SaveBundle): ControlState {
  if (!FORMATS.includes(format)) {
    throw new GridError('INVALID_CONFIG', `${file} has format ${String(format)}, this release reads up to ${FORMAT}`, {
      hint: 'start the release that wrote it',
    });
  }
  if (digest !== digestOf(JSON.stringify(state) ?? '')) throw damaged(file, 'its digest is not that of its state');
  try {
    return checkedState(format === FORMAT_WITH_BUNDLES ? split(state as Fields, saveBundle) : state);
  } catch (error) {
    throw damaged(file, GridError.wrap(error).message);
  }
}

/** Splits one value that includes the bundles into table and catalog, and puts the bundles into files of their own. */
function split(state: Fields, saveBundle: SaveBundle): Fields {
  const { gridId, catalogVersion, mapIdFloor, maps, modules, ...table } = state;
  const apart = (modules as readonly Fields[]).map(({ bundle, ...module }) => {
    const text = String(bundle);
    const hash = bundleHash(text);
    saveBundle(hash, text);
    return { ...module, hash, bundleCharacters: text.length };
  });
  return { table: { gridId, ...table }, catalog: { gridId, catalogVersion, mapIdFloor, maps, modules: apart } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

function damaged(file: string, why: string): GridError {
  return new GridError('CORRUPT_DATA', `${file} is damaged: ${why}`, {
    hint: 'restore it; or remove it: the grid is then rebuilt from its living members, or begins anew',
  });
}

function save(directory: string, file: string, state: ControlState): void {
  const text = JSON.stringify(state);
  writeWhole(directory, file, `{"format":${FORMAT},"digest":"${digestOf(text)}","state":${text}}\n`);
}

/** Writes a file: when it returns the new content is on disk as a whole, otherwise the old one is. */
function writeWhole(directory: string, file: string, text: string): void {
  const next = `${file}.next`;
  try {
    mkdirSync(directory, { recursive: true });
    const descriptor = openSync(next, 'w');
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, file);
    syncDirectory(directory);
  } catch (error) {
    throw new GridError('INVALID_CONFIG', `${file} cannot be written: ${(error as Error).message}`, {
      hint: 'cluster.dataDirectory has to be a directory that the member may write to; nothing was changed',
      cause: error,
    });
  }
}

/** Syncs the directory: only then is the rename itself on disk. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
