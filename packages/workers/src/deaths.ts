/** The error that the caller of a task gets when the worker thread in which it ran dies. */
import { GridError } from '@ashlar/core';

/** A limit that the watchdog found exceeded. */
export interface Breach {
  readonly limit: 'wall' | 'memory';
  /** Milliseconds or bytes. */
  readonly allowed: number;
  readonly used: number;
}

/** The errors of a pool's role. */
export interface DeathWords {
  breached(breach: Breach): GridError;
  outOfMemory(cause: unknown): GridError;
  /** The thread ended without a kill of ours. */
  lost(reason: string, cause: unknown): GridError;
}

export const USER_DEATHS: DeathWords = {
  breached: ({ limit, allowed, used }) =>
    limit === 'wall'
      ? new GridError('USER_CODE_TIMEOUT', `user code ran longer than ${allowed} ms and was stopped`, {
          hint: 'raise limits.wallMs of the module, or do less in one call',
          details: { limitMs: allowed },
        })
      : new GridError('USER_CODE_OUT_OF_MEMORY', `user code took ${used} bytes of memory and was stopped`, {
          hint: 'raise limits.heapBytes of the module, or keep less in memory',
          details: { limitBytes: allowed, usedBytes: used },
        }),
  outOfMemory: (cause) =>
    new GridError('USER_CODE_OUT_OF_MEMORY', 'user code reached the heap limit of its worker and was stopped', {
      cause,
    }),
  lost: (reason, cause) => new GridError('USER_CODE_FAILED', `user code ended its worker thread: ${reason}`, { cause }),
};

export const QUERY_DEATHS: DeathWords = {
  breached: ({ limit, allowed, used }) =>
    limit === 'wall'
      ? new GridError('DEADLINE_EXCEEDED', `the query ran longer than ${allowed} ms`, { details: { limitMs: allowed } })
      : new GridError('QUERY_MEMORY_EXCEEDED', `the query took ${used} bytes of memory`, {
          details: { limitBytes: allowed, usedBytes: used },
        }),
  outOfMemory: (cause) =>
    new GridError('QUERY_MEMORY_EXCEEDED', 'the query reached the heap limit of its worker', { cause }),
  lost: (reason, cause) => new GridError('WORKER_LOST', `the query's worker thread ended: ${reason}`, { cause }),
};

/** What piscina rejected with, in the pool's words. */
export function deathOf(error: unknown, words: DeathWords): GridError {
  const { name, code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    name?: unknown;
    code?: unknown;
    message?: unknown;
  };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return words.outOfMemory(error);
  if (name === 'DataCloneError') {
    return new GridError('INTERNAL', `a task cannot be posted to a worker: ${String(message)}`, { cause: error });
  }
  return words.lost(String(message ?? error), error);
}
