/**
 * Pools of workers by the depth of a call: code that runs in pool d calls into pool d + 1, never into its own, so a
 * chain of calls never waits for a worker that it holds itself.
 *
 * worker-pools P1  A task of depth d runs in pool d; from CALL_DEPTH_COUNT on it is refused with CALL_DEPTH_EXCEEDED.
 * worker-pools P2  Each pool has threads and a queue of its own; the threads of a pool start with its first task.
 */
import { GridError } from '@ashlar/core';
import {
  type PoolStats,
  type RunOptions,
  type WorkerMemory,
  WorkerPool,
  type WorkerPoolOptions,
  type WorkerTask,
} from './worker-pool.ts';

/** 0: called from outside; 1 and 2: called by user code. */
export const CALL_DEPTH_COUNT = 3;

export interface WorkerPoolsOptions extends Omit<WorkerPoolOptions, 'threads' | 'eager'> {
  /** Threads of each pool: threads[depth]. */
  readonly threads: readonly [number, number, number];
}

export class WorkerPools {
  readonly #pools: readonly WorkerPool[];

  constructor(options: WorkerPoolsOptions) {
    this.#pools = options.threads.map(
      (threads, depth) => new WorkerPool({ ...options, name: `${options.name}-${depth}`, threads }),
    );
  }

  /** Runs a task in the pool of its depth. */
  run<T>(depth: number, kind: string, body: unknown, options: RunOptions = {}): WorkerTask<T> {
    const pool = this.#pools[depth];
    if (pool !== undefined) return pool.run<T>(kind, body, options);
    const refused = Promise.reject<T>(depthExceeded(depth));
    return { result: refused, post: () => undefined, kill: () => undefined };
  }

  /** One for each pool. */
  stats(): readonly PoolStats[] {
    return this.#pools.map((pool) => pool.stats());
  }

  /** What the workers of each pool hold. */
  memory(): Promise<readonly WorkerMemory[]>[] {
    return this.#pools.map((pool) => pool.memory());
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }
}

function depthExceeded(depth: number): GridError {
  return new GridError(
    'CALL_DEPTH_EXCEEDED',
    `calls from user code nest at most ${CALL_DEPTH_COUNT - 1} deep, not ${depth}`,
    {
      hint: 'return a write-set instead of calling on',
      details: { depth, depthMax: CALL_DEPTH_COUNT - 1 },
    },
  );
}
