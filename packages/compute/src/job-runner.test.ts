/** Jobs on a pool that the test plays: which tasks there are, and what becomes of them when one fails or is given up. */
import { GridError, type MapId, type PartitionId, type Version } from '@ashlar/core';
import type { RunOptions, WorkerPools } from '@ashlar/workers';
import { jest } from '@jest/globals';
import { type JobMap, type JobOptions, JobRunner } from './job-runner.ts';
import type { ModuleRegistry } from './module-registry.ts';
import { packBytes } from './packed-bytes.ts';
import type { JobMapTask, JobReduceTask } from './run-jobs.ts';

interface Task {
  readonly kind: string;
  readonly depth: number;
  readonly task: JobMapTask & JobReduceTask;
  readonly options: RunOptions;
  readonly killedWith: GridError[];
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

let tasks: Task[];
let runner: JobRunner;

const REGISTRY = {
  resolve: () => ({
    name: 'm',
    hash: 'h',
    text: new SharedArrayBuffer(0),
    exports: [],
    limits: { jobWallMs: 7, memoryMax: 9 },
  }),
} as unknown as ModuleRegistry;

beforeEach(() => {
  tasks = [];
  const pools = {
    run: (depth: number, kind: string, task: never, options: RunOptions) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const killedWith: GridError[] = [];
      tasks.push({ kind, depth, task, options, killedWith, resolve, reject });
      const kill = (error: GridError): void => {
        killedWith.push(error);
        reject(error);
      };
      return { result: promise, post: () => undefined, kill };
    },
  } as unknown as WorkerPools;
  runner = new JobRunner(pools, REGISTRY);
});

function jobOver(partitions: number): JobMap {
  return {
    ...{ module: 'm', exportName: 'job', args: undefined, mapId: 1 as MapId, map: 'orders', snapshotId: 3 },
    partitionIds: Array.from({ length: partitions }, (_, id) => id as PartitionId),
    version: 5 as Version,
  };
}

/** Answers a task with the number of each of its partitions. */
function answer({ task, resolve }: Task): void {
  resolve(packBytes(task.partitionIds.map((id) => Uint8Array.of(id))));
}

const map = (partitions: number, options: JobOptions = {}) => runner.map(jobOver(partitions), options);

describe('the map of a job', () => {
  it('asks for each partition once, and answers in their order whichever task ends first', async () => {
    const partials = map(40, { depth: 2 });
    expect(tasks.flatMap(({ task }) => task.partitionIds)).toEqual(Array.from({ length: 40 }, (_, id) => id));
    expect(tasks.length).toBeGreaterThan(1);
    for (const task of tasks.toReversed()) answer(task);
    expect((await partials).map((bytes) => bytes?.[0])).toEqual(Array.from({ length: 40 }, (_, id) => id));
    expect(tasks.every(({ kind, depth }) => kind === 'job-map' && depth === 2)).toBe(true);
    expect(tasks[0]!.options).toMatchObject({ wallMs: 7, memoryMax: 9, cancelFlag: true });
  });

  it('of no partition has no task', async () => {
    expect(await map(0)).toEqual([]);
    expect(tasks).toEqual([]);
  });

  it('fails with the first task that fails, once the others have ended', async () => {
    const partials = map(40);
    const failure = new GridError('SNAPSHOT_EXPIRED', 'gone');
    answer(tasks[0]!);
    tasks[1]!.reject(failure);
    await expect(partials).rejects.toBe(failure);
    expect(tasks[2]!.killedWith).toEqual([expect.objectContaining({ code: 'CANCELLED' })]);
  });

  it('fails where there is no room for its partial results', async () => {
    const full = new GridError('QUERY_MEMORY_EXCEEDED', 'full');
    const held: number[] = [];
    const partials = map(40, {
      hold: async (bytes) => {
        held.push(bytes);
        if (held.length === 2) throw full;
      },
    });
    for (const task of tasks) answer(task);
    await expect(partials).rejects.toBe(full);
    expect(held.slice(0, 2)).toEqual([16, 16]);
  });

  it('tells how far it is, over all its tasks, from nothing to all', async () => {
    const shares: number[] = [];
    const activity = { tasksRunning: 0 };
    const partials = map(20, { onProgress: (share) => shares.push(share), activity });
    const [first, second] = tasks;
    expect(activity.tasksRunning).toBe(0);
    first!.options.onMessage?.({ share: 0 });
    expect([activity.tasksRunning, shares]).toEqual([1, []]);
    first!.options.onMessage?.({ share: 0.5 });
    second!.options.onMessage?.({ share: 0 });
    first!.options.onMessage?.({ share: 1 });
    second!.options.onMessage?.({ share: 1 });
    expect(shares).toEqual([0.4, 0.8, 1]);
    expect(activity.tasksRunning).toBe(2);
    for (const task of tasks) answer(task);
    await partials;
    expect(activity.tasksRunning).toBe(0);
  });
});

describe('a job that is given up', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('loses the threads of tasks that do not end by themselves', async () => {
    const abort = new AbortController();
    const partials = map(40, { signal: abort.signal });
    const failed = expect(partials).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(tasks.every(({ options }) => options.signal === abort.signal)).toBe(true);
    abort.abort();
    expect(tasks.flatMap(({ killedWith }) => killedWith)).toEqual([]);
    await jest.advanceTimersByTimeAsync(500);
    expect(tasks.map(({ killedWith }) => killedWith.length > 0)).toEqual(tasks.map(() => true));
    await failed;
    expect(jest.getTimerCount()).toBe(0);
  });

  it('keeps the threads of tasks that end in time', async () => {
    const abort = new AbortController();
    const reduced = runner.reduce(
      { module: 'm', exportName: 'job', args: undefined, partials: [] },
      { signal: abort.signal },
    );
    const failed = expect(reduced).rejects.toMatchObject({ code: 'CANCELLED' });
    abort.abort();
    tasks[0]!.reject(new GridError('CANCELLED', 'by its flag'));
    await failed;
    await jest.advanceTimersByTimeAsync(1000);
    expect(tasks[0]!.killedWith).toEqual([]);
  });

  it('after its end is none', async () => {
    const abort = new AbortController();
    const partials = map(1, { signal: abort.signal });
    answer(tasks[0]!);
    await partials;
    abort.abort();
    await jest.advanceTimersByTimeAsync(1000);
    expect(tasks[0]!.killedWith).toEqual([]);
  });
});

describe('the reduce of a job', () => {
  it('has all partial results, those too that are none', async () => {
    const partials = [Uint8Array.of(1), undefined, Uint8Array.of(2, 3)];
    const result = runner.reduce({ module: 'm', exportName: 'job', args: Uint8Array.of(9), partials });
    expect(tasks[0]).toMatchObject({
      kind: 'job-reduce',
      depth: 0,
      task: { args: Uint8Array.of(9), partials: packBytes(partials) },
    });
    tasks[0]!.resolve(Uint8Array.of(6));
    expect(await result).toEqual(Uint8Array.of(6));
  });

  it('may have no result', async () => {
    const result = runner.reduce({ module: 'm', exportName: 'job', args: undefined, partials: [] });
    tasks[0]!.resolve(undefined);
    expect(await result).toBeUndefined();
  });
});
