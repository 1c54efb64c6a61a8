/** What callers hand in, looked at before anything is made of it. */
import type { Condition, MapOptions, PutOptions } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import type { OperationExtras } from '@ashlar/routing';

const PORT_MAX = 0xffff;
const PARTS_MAX = 0xffff;
/** Deadlines are versions: microseconds below 2^53. A hundred years end in good time. */
const DURATION_MAX_MS = 100 * 365 * 86_400_000;

/** @throws GridError INVALID_ARGUMENT */
export function checkSeeds(seeds: readonly string[]): void {
  if (!Array.isArray(seeds) || seeds.length === 0) {
    throw new GridError('INVALID_ARGUMENT', 'seeds is a list of at least one host:port');
  }
  for (const seed of seeds) {
    const port = typeof seed === 'string' ? /^[^\s:].*:(\d{1,5})$/.exec(seed)?.[1] : undefined;
    if (port !== undefined && Number(port) <= PORT_MAX) continue;
    throw new GridError('INVALID_ARGUMENT', `the seed ${JSON.stringify(seed)} is no host:port`, {
      hint: '127.0.0.1:7710, or [::1]:7710',
    });
  }
}

/** @throws GridError INVALID_NAME: not even text; which texts are names is the grid's to say */
export function checkMapName(name: unknown): asserts name is string {
  if (typeof name === 'string') return;
  throw new GridError('INVALID_NAME', `a map's name is a string, not ${typeName(name)}`);
}

/** @throws GridError INVALID_ARGUMENT */
export function checkMapOptions({ affinityParts, ttlMs, maxIdleMs }: MapOptions): void {
  if (affinityParts !== undefined && !isWholeUpTo(affinityParts, PARTS_MAX)) {
    throw new GridError('INVALID_ARGUMENT', `affinityParts is ${affinityParts}: a whole number of key parts is wanted`);
  }
  checkDuration('ttlMs', ttlMs);
  checkDuration('maxIdleMs', maxIdleMs);
}

/** @throws GridError INVALID_ARGUMENT */
export function extrasOf(options: (PutOptions & Condition) | undefined): OperationExtras | undefined {
  if (options === undefined) return undefined;
  const { ttlMs, ifVersion } = options;
  if (ttlMs === undefined && ifVersion === undefined) return undefined;
  checkDuration('ttlMs', ttlMs);
  if (ifVersion !== undefined && !isWholeUpTo(ifVersion, Number.MAX_SAFE_INTEGER)) {
    throw new GridError('INVALID_ARGUMENT', `ifVersion is ${ifVersion}: the version of an entry is wanted`);
  }
  return { ttlMs, ifVersion };
}

/** @throws GridError INVALID_ARGUMENT */
export function checkIterable(what: string, items: unknown): void {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return;
  throw new GridError('INVALID_ARGUMENT', `${what} takes an iterable, not ${typeName(items)}`);
}

/** @throws GridError INVALID_ARGUMENT */
export function checkStatement(text: unknown): asserts text is string | TemplateStringsArray {
  if (typeof text === 'string' || (Array.isArray(text) && 'raw' in text)) return;
  throw new GridError('INVALID_ARGUMENT', `a statement is text or a tagged template, not ${typeName(text)}`);
}

function checkDuration(name: string, ms: number | undefined): void {
  if (ms === undefined || (typeof ms === 'number' && ms > 0 && ms <= DURATION_MAX_MS)) return;
  throw new GridError('INVALID_ARGUMENT', `${name} is ${ms}: a positive number of milliseconds is wanted`, {
    hint: `at most ${DURATION_MAX_MS}; leave it out for entries that stay`,
  });
}

function isWholeUpTo(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function typeName(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
