/** When entries expire: from the time to live that a write carries to the deadline that the store is given. */
import { GridError, isTtlNumber, TTL_DEFAULT, TTL_KEEP, TTL_MAX_MS, TTL_NEVER } from '@ashlar/core';
import { NO_DEADLINE } from '@ashlar/storage';

/**
 * The deadline to write, in version units; 0: the map's default.
 *
 * @param ttl     see core's time-to-live.ts
 * @param now     the clock
 * @param before  the deadline of the entry that is there (0: none); undefined: there is no entry
 * @throws GridError INVALID_ARGUMENT
 */
export function deadlineOf(ttl: number, now: number, before: number | undefined): number {
  if (ttl === TTL_DEFAULT) return 0;
  if (ttl === TTL_KEEP) return before === undefined ? 0 : keptDeadline(before);
  if (ttl === TTL_NEVER) return NO_DEADLINE;
  if (isTtlNumber(ttl)) return now + Math.ceil(ttl * 1000);
  throw new GridError('INVALID_ARGUMENT', `a time to live of ${ttl} ms: positive, at most ${TTL_MAX_MS} is expected`);
}

/** What to write so that the deadline of an entry stays as it is. */
export function keptDeadline(before: number): number {
  return before === 0 ? NO_DEADLINE : before;
}
