/**
 * The main thread's half of jobs: partitions to tasks, partial results back, progress, cancel.
 *
 * A job has no wall clock unless its module sets one (then it counts between two reports of progress). To give up, the
 * tasks are cancelled by a flag; a task that does not end within CANCEL_GRACE_MS loses its thread.
 */
import { assert, GridError, type MapId, type PartitionId, type TraceContext, type Version } from '@ashlar/core';
import type { RunOptions, WorkerPools, WorkerTask } from '@ashlar/workers';
import { jobAnswer, type OrRefused } from './crossing-errors.ts';
import { type ModuleRegistry, sourceOf } from './module-registry.ts';
import { type PackedBytes, packBytes, unpackBytes } from './packed-bytes.ts';
import type { JobMapTask, JobProgress, JobReduceTask } from './run-jobs.ts';

export interface JobMap {
  readonly module: string;
  readonly exportName: string;
  /** MessagePack; undefined: no arguments. */
  readonly args: Uint8Array | undefined;
  readonly mapId: MapId;
  /** Its name, for errors. */
  readonly map: string;
  readonly partitionIds: readonly PartitionId[];
  /** An open snapshot of this member's store; the caller keeps it open until map() ends. */
  readonly snapshotId: number;
  readonly version: Version;
}

export interface JobReduce {
  readonly module: string;
  readonly exportName: string;
  readonly args: Uint8Array | undefined;
  readonly partials: readonly (Uint8Array | undefined)[];
}

export interface JobOptions {
  readonly depth?: number;
  readonly signal?: AbortSignal | undefined;
  /** 0 .. 1 of the partitions of this call. */
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Keeps count of the tasks that run and do not wait for a thread. */
  readonly activity?: JobActivity | undefined;
  /** Takes room for partial results as they come; its failure ends the job. */
  readonly hold?: ((bytes: number) => Promise<void> | undefined) | undefined;
  /** The trace that user code runs in. */
  readonly trace?: TraceContext | undefined;
}

/** How much of a job is at work: one that only waits for threads makes no progress through no fault of its own. */
export interface JobActivity {
  tasksRunning: number;
}

const PARTITIONS_PER_TASK = 16;
const CANCEL_GRACE_MS = 500;

export class JobRunner {
  readonly #pools: WorkerPools;
  readonly #modules: ModuleRegistry;

  constructor(pools: WorkerPools, modules: ModuleRegistry) {
    this.#pools = pools;
    this.#modules = modules;
  }

  /**
   * Runs the job's map over partitions; partial results (MessagePack; undefined: none) aligned with partitionIds.
   *
   * @throws GridError of the first task that failed: UNKNOWN_MODULE, UNKNOWN_EXPORT, USER_CODE_*, PROCESSOR_REFUSED,
   *   SNAPSHOT_EXPIRED, MAP_DROPPED, INVALID_VALUE, CANCELLED, OVERLOADED; the other tasks are ended
   */
  async map(job: JobMap, options: JobOptions = {}): Promise<(Uint8Array | undefined)[]> {
    const module = this.#modules.resolve(job.module, job.exportName, 'job');
    const { exportName, args, mapId, map, snapshotId, version } = job;
    const shares: number[] = [];
    const tasks: WorkerTask<OrRefused<PackedBytes>>[] = [];
    const limits = { wallMs: module.limits.jobWallMs, memoryMax: module.limits.memoryMax };
    for (let first = 0; first < job.partitionIds.length; first += PARTITIONS_PER_TASK) {
      const partitionIds = job.partitionIds.slice(first, first + PARTITIONS_PER_TASK);
      const work = { exportName, args, mapId, map, partitionIds, snapshotId, version, trace: options.trace };
      const task: JobMapTask = { source: sourceOf(module), ...work };
      const index = tasks.length;
      const onMessage = (message: unknown): void => {
        if (shares[index] === undefined && options.activity !== undefined) options.activity.tasksRunning++;
        const { share } = message as JobProgress;
        shares[index] = share * partitionIds.length;
        // The first message says that the task has begun.
        if (share > 0)
          options.onProgress?.(shares.reduce((sum, share) => sum + (share ?? 0), 0) / job.partitionIds.length);
      };
      const running = this.#run<OrRefused<PackedBytes>>('job-map', task, { ...limits, onMessage }, options);
      const onEnd = (): void => {
        if (shares[index] !== undefined && options.activity !== undefined) options.activity.tasksRunning--;
      };
      running.result.then(onEnd, onEnd);
      tasks.push(running);
    }
    const packed = await allOrNone(tasks, async (one) => {
      const answer = jobAnswer(one);
      await options.hold?.(answer.bytes.length);
      return answer;
    });
    const partials = packed.flatMap((one) => unpackBytes(one));
    assert(partials.length === job.partitionIds.length, 'every partition has its partial result');
    return partials;
  }

  /** Merges partial results; the result as MessagePack, or undefined. Errors as of map(). */
  async reduce(job: JobReduce, options: JobOptions = {}): Promise<Uint8Array | undefined> {
    const module = this.#modules.resolve(job.module, job.exportName, 'job');
    const { exportName, args } = job;
    const { trace } = options;
    const task: JobReduceTask = {
      source: sourceOf(module),
      exportName,
      args,
      partials: packBytes(job.partials),
      trace,
    };
    const limits = { wallMs: module.limits.jobWallMs, memoryMax: module.limits.memoryMax };
    const { result } = this.#run<OrRefused<Uint8Array | undefined>>('job-reduce', task, limits, options);
    return jobAnswer(await result);
  }

  #run<T>(kind: string, task: object, limits: RunOptions, { depth = 0, signal }: JobOptions): WorkerTask<T> {
    const running = this.#pools.run<T>(depth, kind, task, { ...limits, signal, cancelFlag: true });
    if (signal === undefined) return running;
    const error = new GridError('CANCELLED', 'the job was cancelled');
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      timer = setTimeout(() => running.kill(error), CANCEL_GRACE_MS);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    running.result.then(settled, settled);
    return running;
  }
}

/** The results of `take` over all results; or the first error after the other tasks were ended. */
async function allOrNone<T, Taken>(
  tasks: readonly WorkerTask<T>[],
  take: (result: T) => Promise<Taken>,
): Promise<Taken[]> {
  try {
    return await Promise.all(tasks.map(async ({ result }) => take(await result)));
  } catch (error) {
    for (const task of tasks) task.kill(new GridError('CANCELLED', 'another part of the job failed'));
    await Promise.allSettled(tasks.map(({ result }) => result));
    throw error;
  }
}
