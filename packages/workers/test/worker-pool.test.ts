import { setTimeout as sleep } from 'node:timers/promises';
import { GridError } from '@ashlar/core';
import {
  IndexAllocator,
  keepLoopsInterruptible,
  USER_HEAP_BACKSTOP,
  WorkerPool,
  type WorkerPoolOptions,
  WorkerPools,
} from '../src/index.ts';
import { isLaterTask, TASK_NUMBER_MAX } from '../src/protocol.ts';

const entry = new URL('./worker-entry.ts', import.meta.url);
const open: { close(): Promise<void> }[] = [];

interface Fixture {
  readonly pool: WorkerPool;
  readonly indexes: IndexAllocator;
  readonly gone: number[];
}

function makePool(options: Partial<WorkerPoolOptions> = {}): Fixture {
  const indexes = new IndexAllocator(8);
  const gone: number[] = [];
  const pool = new WorkerPool({
    name: 'test',
    entry,
    threads: 1,
    store: new SharedArrayBuffer(4),
    workerIndexes: indexes,
    onWorkerGone: (index) => gone.push(index),
    queueMax: 100,
    ...options,
  });
  open.push(pool);
  return { pool, indexes, gone };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

beforeAll(keepLoopsInterruptible);
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

describe('a worker pool', () => {
  it('answers tasks, attaching each worker once', async () => {
    const { pool } = makePool({ threads: 2 });
    const tasks = Array.from({ length: 20 }, (_, index) => pool.run('echo', { index }).result);
    expect(await Promise.all(tasks)).toEqual(Array.from({ length: 20 }, (_, index) => ({ index })));
    expect(await pool.run<number>('attachments', undefined).result).toBeLessThanOrEqual(2);
  });

  it('moves results that are marked to be moved', async () => {
    const { pool } = makePool();
    expect(await pool.run('move', undefined).result).toEqual({ bytes: new Uint8Array(8).fill(7) });
  });

  it('carries messages both ways, also those posted before the task runs, and all of them before the result', async () => {
    const { pool } = makePool();
    const seen: unknown[] = [];
    const task = pool.run<number>('converse', 3, { onMessage: (message) => seen.push(message) });
    for (const number of [1, 2, 3]) task.post(number);
    expect(await task.result).toBe(6);
    expect(seen).toEqual(['ready']);
    const emitted: unknown[] = [];
    await pool.run('emit', 1000, { onMessage: (message) => emitted.push(message) }).result;
    expect(emitted).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  });

  it('carries errors as they are and wraps those of our own making', async () => {
    const { pool } = makePool();
    await expect(pool.run('refuse', undefined).result).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: 'make it',
      details: { map: 'm' },
    });
    await expect(pool.run('fail', undefined).result).rejects.toMatchObject({ code: 'INTERNAL', message: 'a bug' });
    await expect(pool.run('unheardOf', undefined).result).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(pool.run('echo', () => 1).result).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await pool.run('echo', 1).result).toBe(1);
  });

  it('refuses what its queue cannot hold', async () => {
    const { pool } = makePool({ queueMax: 2 });
    const kept = [1, 2, 3].map((index) => pool.run('echo', index).result);
    await expect(pool.run('echo', 4).result).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true });
    expect(await Promise.all(kept)).toEqual([1, 2, 3]);
  });

  it('rejects everything when it closes', async () => {
    const { pool, gone, indexes } = makePool();
    await pool.run('echo', 1).result;
    const running = pool.run('loop', undefined).result;
    const waiting = pool.run('echo', 2).result;
    const results = Promise.allSettled([running, waiting]);
    await pool.close();
    expect((await results).map((one) => one.status === 'rejected' && one.reason.code)).toEqual([
      'SHUTTING_DOWN',
      'SHUTTING_DOWN',
    ]);
    await expect(pool.run('echo', 3).result).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(gone).toEqual([0]);
    expect(indexes.freeCount).toBe(8);
  });

  it('tells those who wait when its entry file cannot be loaded', async () => {
    const { pool } = makePool({ entry: new URL('./no-such-entry.ts', import.meta.url) });
    await expect(pool.run('echo', 1).result).rejects.toMatchObject({ code: 'USER_CODE_FAILED' });
  });
});

describe('messages of tasks side by side', () => {
  it.each([1, 2, 4])('all belong to their task, with %i threads and sixteen callers', async (threads) => {
    const { pool } = makePool({ threads });
    const short: number[][] = [];
    const caller = async (): Promise<void> => {
      for (let round = 0; round < 300; round++) {
        const seen: unknown[] = [];
        await pool.run('emit', 3, { onMessage: (message) => seen.push(message) }).result;
        if (seen.length !== 3) short.push(seen as number[]);
      }
    };
    await Promise.all(Array.from({ length: 16 }, caller));
    expect(short).toEqual([]);
  });

  it('are complete while other tasks are killed, cancelled and die', async () => {
    const { pool } = makePool({ threads: 2 });
    let isDone = false;
    const short: unknown[][] = [];
    const caller = async (): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        const seen: unknown[] = [];
        await pool.run('emit', 5, { onMessage: (message) => seen.push(message) }).result;
        if (seen.length !== 5) short.push(seen);
      }
    };
    const trouble = async (): Promise<void> => {
      const codes = new Set<string>();
      while (!isDone) {
        const abort = new AbortController();
        const troubled = [
          pool.run('loop', undefined, { wallMs: 4 }),
          pool.run('exit', undefined),
          pool.run('untilCancelled', undefined, {
            ...{ signal: abort.signal, cancelFlag: true },
            onMessage: () => abort.abort(),
          }),
        ];
        await Promise.all(
          troubled.map(({ result }) => result.catch((error: { code: string }) => codes.add(error.code))),
        );
      }
      expect([...codes].sort()).toEqual(['CANCELLED', 'USER_CODE_FAILED', 'USER_CODE_TIMEOUT']);
    };
    const running = trouble();
    await Promise.all(Array.from({ length: 8 }, caller));
    isDone = true;
    await running;
    expect(short).toEqual([]);
  });

  it('of tasks that fail are all there before the failure', async () => {
    const { pool } = makePool({ threads: 2 });
    const outcomes = Array.from({ length: 100 }, async () => {
      const seen: unknown[] = [];
      await pool.run('emitAndFail', 3, { onMessage: (message) => seen.push(message) }).result.catch(() => undefined);
      return seen.length;
    });
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set([3]));
  });

  it('that are lost fail their task: its result would be short', async () => {
    const { pool } = makePool();
    const seen: unknown[] = [];
    const task = pool.run('loseFirst', 3, { onMessage: (message) => seen.push(message) });
    await expect(task.result).rejects.toMatchObject({ code: 'INTERNAL', details: { received: 2, posted: 3 } });
    expect(seen).toEqual([1, 2]);
    expect(await pool.run('echo', 1).result).toBe(1);
  });

  it('that their receiver refuses fail the task', async () => {
    const { pool } = makePool();
    const onMessage = (): void => {
      throw new GridError('CANCELLED', 'no more, thank you');
    };
    await expect(pool.run('emit', 3, { onMessage }).result).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await pool.run('echo', 1).result).toBe(1);
  });

  it('reach tasks whose numbers have begun again', () => {
    expect(isLaterTask(2, 1)).toBe(true);
    expect(isLaterTask(1, 2)).toBe(false);
    expect(isLaterTask(1, 1)).toBe(false);
    expect(isLaterTask(1, TASK_NUMBER_MAX)).toBe(true);
    expect(isLaterTask(TASK_NUMBER_MAX, 1)).toBe(false);
  });
});

describe('limits of a worker', () => {
  it('stop a loop after its wall clock and replace the thread, whose number is free after its exit', async () => {
    const { pool, gone, indexes } = makePool();
    expect(await pool.run('who', undefined).result).toBe(0);
    await expect(pool.run('loop', undefined, { wallMs: 50 }).result).rejects.toMatchObject({
      code: 'USER_CODE_TIMEOUT',
      details: { limitMs: 50 },
    });
    expect(await pool.run('echo', 1).result).toBe(1);
    await until(() => gone.length === 1);
    expect(gone).toEqual([0]);
    expect(indexes.freeCount).toBe(7);
    expect(pool.stats()).toMatchObject({ killed: 1, busy: 0, queued: 0 });
  });

  it('do not count time in the queue, nor steps that were reported', async () => {
    const { pool } = makePool();
    const slow = pool.run('sleep', { ms: 300 });
    const behind = pool.run('echo', 'served', { wallMs: 100 });
    expect(await behind.result).toBe('served');
    await slow.result;
    expect(await pool.run('steps', { count: 8, ms: 40 }, { wallMs: 150 }).result).toBe('done');
  });

  it('stand still while the task waits for us', async () => {
    const { pool } = makePool();
    const waiting = pool.run('sleep', { ms: 250 }, { wallMs: 60, isWaiting: () => true });
    await expect(waiting.result).resolves.toBeUndefined();
  });

  it('do not count time in which the main thread answered nobody', async () => {
    const { pool } = makePool();
    const task = pool.run<number>('converse', 1, { wallMs: 150, onMessage: () => task.post(5) });
    await sleep(60);
    const until = performance.now() + 400;
    while (performance.now() < until);
    expect(await task.result).toBe(5);
  });

  it('stop heap growth and growth outside the heap', async () => {
    const { pool } = makePool({ resourceLimits: USER_HEAP_BACKSTOP });
    for (const kind of ['growHeap', 'growAtOnce', 'growBuffers']) {
      await expect(pool.run(kind, undefined, { memoryMax: 64 << 20 }).result).rejects.toMatchObject({
        code: 'USER_CODE_OUT_OF_MEMORY',
        details: { limitBytes: 64 << 20 },
      });
    }
    expect(await pool.run('echo', 1).result).toBe(1);
  });

  it('are told in the words of the pool: a query is not user code', async () => {
    const { pool } = makePool({ role: 'query' });
    await expect(pool.run('loop', undefined, { wallMs: 30 }).result).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await expect(pool.run('exit', undefined).result).rejects.toMatchObject({ code: 'WORKER_LOST', retryable: true });
  });

  it('leave the pool whole when the code ends its thread', async () => {
    const { pool } = makePool();
    await expect(pool.run('exit', undefined).result).rejects.toMatchObject({ code: 'USER_CODE_FAILED' });
    expect(await pool.run('echo', 1).result).toBe(1);
    expect(pool.stats().died).toBe(1);
  });

  it('survive an error that nobody awaits', async () => {
    const { pool } = makePool();
    expect(await pool.run('strayError', undefined).result).toBe('alive');
    expect(pool.stats().strayErrors).toBe(1);
  });
});

describe('giving up', () => {
  it('takes a waiting task out of the queue', async () => {
    const { pool } = makePool();
    const slow = pool.run('sleep', { ms: 50 });
    const abort = new AbortController();
    const waiting = pool.run('echo', 1, { signal: abort.signal });
    abort.abort();
    await expect(waiting.result).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(pool.stats().killed).toBe(0);
    await slow.result;
  });

  it('tells a running task by flag and keeps its thread', async () => {
    const { pool } = makePool();
    const abort = new AbortController();
    const onMessage = (): void => abort.abort();
    const task = pool.run('untilCancelled', undefined, { signal: abort.signal, cancelFlag: true, onMessage });
    await expect(task.result).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(pool.stats().killed).toBe(0);
    expect(await pool.run('who', undefined).result).toBe(0);
  });

  it('kills a running task that knows no flag', async () => {
    const { pool, gone } = makePool();
    await pool.run('echo', 1).result;
    const task = pool.run('loop', undefined);
    await sleep(20);
    task.kill(new GridError('CANCELLED', 'enough'));
    await expect(task.result).rejects.toMatchObject({ code: 'CANCELLED', message: 'enough' });
    await until(() => gone.length === 1);
  });

  it('works for twelve kills in a row', async () => {
    const { pool, gone, indexes } = makePool({ threads: 2 });
    for (let round = 0; round < 12; round++) {
      const killed = pool.run('loop', undefined, { wallMs: 4 }).result.catch((error: { code: string }) => error.code);
      expect(await pool.run('echo', round).result).toBe(round);
      expect(await killed).toBe('USER_CODE_TIMEOUT');
    }
    await until(() => gone.length === 12);
    expect(indexes.freeCount).toBeGreaterThanOrEqual(6);
  });
});

describe('pools', () => {
  it('serve a deeper call while the pool above is held, and refuse the fourth', async () => {
    const pools = new WorkerPools({
      name: 'pool',
      entry,
      threads: [1, 1, 1],
      store: new SharedArrayBuffer(4),
      workerIndexes: new IndexAllocator(8),
      onWorkerGone: () => undefined,
      queueMax: 10,
    });
    open.push(pools);
    const outer = pools.run<number>(0, 'converse', 1, {
      onMessage: () => {
        pools.run<number>(1, 'echo', 5).result.then((answer) => outer.post(answer));
      },
    });
    expect(await outer.result).toBe(5);
    await expect(pools.run(3, 'echo', 1).result).rejects.toMatchObject({ code: 'CALL_DEPTH_EXCEEDED' });
  });
});
