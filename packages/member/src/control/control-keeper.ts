/** Keeps grid id, epoch floor and map id floor in a file: written whole, synced, then renamed over the old one. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlKeeper, KeptControl } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';

const FILE = 'coordinator.json';

/** Without a directory nothing is kept, and a restarted coordinator starts a new grid. */
export function controlKeeper(directory: string): ControlKeeper {
  if (directory === '') return { load: () => undefined, save: () => undefined };
  const file = join(directory, FILE);
  return { load: () => load(file), save: (kept) => save(directory, file, kept) };
}

function load(file: string): KeptControl | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  // Files of the first release have no map id floor.
  const { gridId, epochFloor, mapIdFloor = 0 } = parse(text);
  if (typeof gridId === 'string' && isCount(epochFloor) && isCount(mapIdFloor))
    return { gridId, epochFloor, mapIdFloor };
  throw new GridError('CORRUPT_DATA', `${file} is damaged`, { hint: 'restore it, or remove it to start a new grid' });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parse(text: string): { gridId?: unknown; epochFloor?: unknown; mapIdFloor?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function save(directory: string, file: string, kept: KeptControl): void {
  mkdirSync(directory, { recursive: true });
  const next = `${file}.next`;
  const descriptor = openSync(next, 'w');
  try {
    writeSync(descriptor, `${JSON.stringify(kept)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(next, file);
}
