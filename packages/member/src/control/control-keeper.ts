/**
 * Keeps the control state in a file: written whole with its digest, synced, renamed over the old one, and the rename synced.
 *
 *   coordinator.json:  { format, digest, state }      the digest is the SHA-256 of the state's JSON
 *
 * What is read is checked field by field: a file that is damaged is refused, never taken for a new grid.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ControlKeeper, type ControlState, checkedState, type GridFloors } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';

const FILE = 'coordinator.json';
const FORMAT = 2;

/** Without a directory nothing is kept: a restarted coordinator goes on with what its members hold. */
export function controlKeeper(directory: string): ControlKeeper {
  if (directory === '') return { load: () => undefined, save: () => undefined };
  const file = join(directory, FILE);
  return { load: () => load(file), save: (state) => save(directory, file, state) };
}

function load(file: string): ControlState | GridFloors | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GridError('INVALID_CONFIG', `${file} cannot be read: ${(error as Error).message}`);
  }
  const kept = parse(text);
  if (kept === undefined) throw damaged(file, 'it is not a JSON object');
  return kept['format'] === undefined ? floorsOf(file, kept) : stateOf(file, kept);
}

type Fields = Readonly<Record<string, unknown>>;

/** Files of the first releases: no format, no state; the very first have no map id floor. */
function floorsOf(file: string, { gridId, epochFloor, mapIdFloor = 0 }: Fields): GridFloors {
  if (typeof gridId === 'string' && gridId !== '' && isCount(epochFloor) && isCount(mapIdFloor)) {
    return { gridId, epochFloor, mapIdFloor };
  }
  throw damaged(file, 'it lacks the id or the epoch of its grid');
}

function stateOf(file: string, { format, digest, state }: Fields): ControlState {
  if (format !== FORMAT) {
    throw new GridError('INVALID_CONFIG', `${file} has format ${String(format)}, this release reads ${FORMAT}`, {
      hint: 'start the release that wrote it',
    });
  }
  if (digest !== digestOf(JSON.stringify(state) ?? '')) throw damaged(file, 'its digest is not that of its state');
  try {
    return checkedState(state);
  } catch (error) {
    throw damaged(file, GridError.wrap(error).message);
  }
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
  const next = `${file}.next`;
  try {
    mkdirSync(directory, { recursive: true });
    const descriptor = openSync(next, 'w');
    try {
      writeFileSync(descriptor, `{"format":${FORMAT},"digest":"${digestOf(text)}","state":${text}}\n`);
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

/** The rename itself is on disk only when the directory is. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
