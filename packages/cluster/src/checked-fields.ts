/**
 * Fields of a value from a file or a wire, each looked at before anybody relies on it. What is wrong is CORRUPT_DATA that says
 * what: the state that was to be taken over is damaged.
 */
import { GridError } from '@ashlar/core';

/** Most partitions of a grid, and most elements of a list that has no bound of its own. */
export const PARTITIONS_MAX = 4096;
/** Most characters of a name, an address or an incarnation. */
export const TEXT_MAX = 512;

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw damaged(`${what} is not an object`);
}

export function listOf(what: string, value: unknown, most = PARTITIONS_MAX): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value;
  throw damaged(`${what} is not a list of at most ${most}`);
}

export function countOf(what: string, value: unknown, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number;
  const shown = typeof value === 'object' && value !== null ? 'an object' : String(value);
  throw damaged(`${what} is ${shown}, not a whole number from 0 to ${most}`);
}

export function textOf(what: string, value: unknown, least = 1): string {
  if (typeof value === 'string' && value.length >= least && value.length <= TEXT_MAX) return value;
  throw damaged(`${what} is not text of ${least} to ${TEXT_MAX} characters`);
}

export function unique<T>(what: string, values: readonly T[]): ReadonlySet<T> {
  const set = new Set(values);
  if (set.size === values.length) return set;
  throw damaged(`two of its ${what} are the same`);
}

export function damaged(why: string): GridError {
  return new GridError('CORRUPT_DATA', `a control state is damaged: ${why}`);
}
