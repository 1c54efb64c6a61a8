/**
 * Lanes of workers by the depth of a call: code that runs in lane d calls into lane d + 1, never into its own, so a
 * chain of calls never waits for a worker that it holds itself.
 *
 * lanes L1  A task of depth d runs in lane d; from LANE_COUNT on it is refused with CALL_DEPTH_EXCEEDED.
 * lanes L2  Each lane has threads and a queue of its own; the threads of a lane start with its first task.
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
export const LANE_COUNT = 3;

export interface WorkerLanesOptions extends Omit<WorkerPoolOptions, 'threads' | 'eager'> {
  /** Threads of each lane: threads[depth]. */
  readonly threads: readonly [number, number, number];
}

export class WorkerLanes {
  readonly #lanes: readonly WorkerPool[];

  constructor(options: WorkerLanesOptions) {
    this.#lanes = options.threads.map(
      (threads, depth) => new WorkerPool({ ...options, name: `${options.name}-${depth}`, threads }),
    );
  }

  /** Runs a task in the lane of its depth. */
  run<T>(depth: number, kind: string, body: unknown, options: RunOptions = {}): WorkerTask<T> {
    const lane = this.#lanes[depth];
    if (lane !== undefined) return lane.run<T>(kind, body, options);
    const refused = Promise.reject<T>(depthExceeded(depth));
    return { result: refused, post: () => undefined, kill: () => undefined };
  }

  /** One for each lane. */
  stats(): readonly PoolStats[] {
    return this.#lanes.map((lane) => lane.stats());
  }

  /** What the workers of each lane hold. */
  memory(): Promise<readonly WorkerMemory[]>[] {
    return this.#lanes.map((lane) => lane.memory());
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }
}

function depthExceeded(depth: number): GridError {
  return new GridError(
    'CALL_DEPTH_EXCEEDED',
    `calls from user code nest at most ${LANE_COUNT - 1} deep, not ${depth}`,
    {
      hint: 'return a write-set instead of calling on',
      details: { depth, depthMax: LANE_COUNT - 1 },
    },
  );
}
