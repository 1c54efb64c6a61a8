/**
 * How long an entry lives from a write on: as callers say it, and as one number between threads and in batches.
 *
 *   milliseconds > 0 · 0 'default': the map's, from now · -1 'keep': the deadline that the entry has · -2 'never'
 *
 * Where there is no entry (or none any more) there is nothing to keep: then 'keep' is 'default'.
 */
import { GridError } from './errors.ts';

/** Milliseconds from now, or by rule: what the entry has, what the map gives, no deadline. A map's `maxIdleMs` stands beside it. */
export type TimeToLive = number | 'keep' | 'default' | 'never';

export const TTL_DEFAULT = 0;
export const TTL_KEEP = -1;
export const TTL_NEVER = -2;

/** Deadlines are versions, microseconds below 2^53: a hundred years end in good time. */
export const TTL_MAX_MS = 100 * 365 * 86_400_000;

/**
 * The number that stands for a time to live.
 *
 * @param name  what the caller calls it
 * @throws GridError INVALID_ARGUMENT
 */
export function ttlNumber(given: unknown, name = 'ttlMs'): number {
  if (given === 'keep') return TTL_KEEP;
  if (given === 'default') return TTL_DEFAULT;
  if (given === 'never') return TTL_NEVER;
  if (typeof given === 'number' && given > 0 && given <= TTL_MAX_MS) return given;
  const type = given === null ? 'null' : typeof given;
  const shown = typeof given === 'string' ? `'${given.slice(0, 32)}'` : type === 'number' ? given : type;
  throw new GridError('INVALID_ARGUMENT', `${name} is ${shown}: a positive number of milliseconds is expected`, {
    hint: `at most ${TTL_MAX_MS}, or 'keep', 'default' or 'never'`,
  });
}

/** Whether a number from elsewhere stands for a time to live. */
export function isTtlNumber(ttl: number): boolean {
  return ttl === TTL_DEFAULT || ttl === TTL_KEEP || ttl === TTL_NEVER || (ttl > 0 && ttl <= TTL_MAX_MS);
}
