import type { Worker } from 'node:worker_threads';
import { jest } from '@jest/globals';
import { ControlBlock } from './control-block.ts';
import type { Breach } from './deaths.ts';
import { Watchdog, type WatchedLimits } from './watchdog.ts';

const WALL_MS = 100;
/** What a step may have beyond its wall clock, and the look that sees it begin. */
const PATIENCE_MS = WALL_MS * 0.25 + 2;

interface Task {
  readonly number: number;
  readonly limits: WatchedLimits;
  readonly worker: { readonly control: ControlBlock; readonly thread: Worker } | undefined;
}

interface Heap {
  readonly used_heap_size: number;
  readonly external_memory: number;
}

let tasks: Task[];
let breaches: [task: number, breach: Breach][];
let watchdog: Watchdog<Task>;
let control: ControlBlock;
let heap: () => Promise<Heap>;
let asked: number;
/** Time that passes without any timer: the main thread is busy. */
let busyMs: number;

beforeEach(() => {
  jest.useFakeTimers();
  busyMs = 0;
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + busyMs);
  [tasks, breaches, asked, control] = [[], [], 0, new ControlBlock()];
  heap = async () => ({ used_heap_size: 0, external_memory: 0 });
  watchdog = new Watchdog<Task>({
    tasks: () => tasks,
    limitsOf: ({ limits }) => limits,
    workerOf: ({ worker }) => worker,
    taskNumberOf: ({ number }) => number,
    onBreach: (task, breach) => {
      breaches.push([task.number, breach]);
      tasks = tasks.filter((other) => other !== task);
    },
  });
});

afterEach(() => {
  watchdog.stop();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** Puts a task under watch. @param isTaken  false: it waits for a worker */
function watch(number: number, limits: WatchedLimits, isTaken = true): void {
  const getHeapStatistics = (): Promise<Heap> => {
    asked++;
    return heap();
  };
  const thread = { getHeapStatistics } as unknown as Worker;
  tasks.push({ number, limits, worker: isTaken ? { control, thread } : undefined });
  watchdog.start();
}

describe('the wall clock of a step', () => {
  it('is over after its time, and not before', () => {
    watch(1, { wallMs: WALL_MS });
    control.begin(1);
    jest.advanceTimersByTime(WALL_MS - 1);
    expect(breaches).toEqual([]);
    jest.advanceTimersByTime(PATIENCE_MS + 1);
    expect(breaches).toEqual([[1, { limit: 'wall', allowed: WALL_MS, used: expect.any(Number) }]]);
    expect(breaches[0]![1].used).toBeGreaterThanOrEqual(WALL_MS);
  });

  it('begins anew with every step that is reported', () => {
    watch(1, { wallMs: WALL_MS });
    control.begin(1);
    for (let step = 0; step < 10; step++) {
      control.beat();
      jest.advanceTimersByTime(WALL_MS * 0.7);
    }
    expect(breaches).toEqual([]);
    jest.advanceTimersByTime(WALL_MS + PATIENCE_MS);
    expect(breaches).toHaveLength(1);
  });

  it('does not run while the task waits for a worker, or its worker runs another task', () => {
    watch(1, { wallMs: WALL_MS }, false);
    watch(2, { wallMs: WALL_MS });
    control.begin(3);
    jest.advanceTimersByTime(WALL_MS * 10);
    control.end();
    jest.advanceTimersByTime(WALL_MS * 10);
    expect(breaches).toEqual([]);
  });

  it('does not run while the task waits for us', () => {
    let isWaiting = true;
    watch(1, { wallMs: WALL_MS, isWaiting: () => isWaiting });
    control.begin(1);
    jest.advanceTimersByTime(WALL_MS * 10);
    expect(breaches).toEqual([]);
    isWaiting = false;
    jest.advanceTimersByTime(WALL_MS + PATIENCE_MS);
    expect(breaches).toHaveLength(1);
  });

  it('does not count time in which the main thread answered nobody', () => {
    watch(1, { wallMs: WALL_MS });
    control.begin(1);
    jest.advanceTimersByTime(10);
    busyMs += WALL_MS * 10;
    jest.advanceTimersByTime(WALL_MS / 2);
    expect(breaches).toEqual([]);
    jest.advanceTimersByTime(WALL_MS / 2 + PATIENCE_MS);
    expect(breaches).toHaveLength(1);
  });

  it('is each task’s own', () => {
    watch(1, { wallMs: WALL_MS * 3 });
    watch(2, {});
    control.begin(1);
    jest.advanceTimersByTime(WALL_MS * 2);
    expect(breaches).toEqual([]);
    jest.advanceTimersByTime(WALL_MS * 2);
    expect(breaches.map(([task]) => task)).toEqual([1]);
  });
});

describe('the memory of a task', () => {
  const POLLS_MS = 100;

  it('is what lies on the heap and beside it, and may be as much as is allowed', async () => {
    heap = async () => ({ used_heap_size: 60, external_memory: 40 });
    watch(1, { memoryMax: 100 });
    control.begin(1);
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(asked).toBeGreaterThan(1);
    expect(breaches).toEqual([]);
    heap = async () => ({ used_heap_size: 60, external_memory: 41 });
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(breaches[0]).toEqual([1, { limit: 'memory', allowed: 100, used: 101 }]);
  });

  it('is not asked for again before the answer is there', async () => {
    const { promise, resolve } = Promise.withResolvers<Heap>();
    heap = () => promise;
    watch(1, { memoryMax: 100 });
    control.begin(1);
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(asked).toBe(1);
    resolve({ used_heap_size: 0, external_memory: 0 });
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(asked).toBeGreaterThan(1);
  });

  it('is nobody’s when the thread has ended', async () => {
    heap = () => Promise.reject(new Error('ERR_WORKER_NOT_RUNNING'));
    watch(1, { memoryMax: 100 });
    control.begin(1);
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(breaches).toEqual([]);
  });

  it('is not looked at before the task runs', async () => {
    watch(1, { memoryMax: 100 });
    control.begin(2);
    await jest.advanceTimersByTimeAsync(POLLS_MS);
    expect(asked).toBe(0);
  });
});

describe('the timer', () => {
  it('is there only while something runs', () => {
    expect(jest.getTimerCount()).toBe(0);
    watch(1, { wallMs: WALL_MS });
    watchdog.start();
    expect(jest.getTimerCount()).toBe(1);
    tasks = [];
    jest.advanceTimersByTime(WALL_MS);
    expect(jest.getTimerCount()).toBe(0);
    watch(2, { wallMs: WALL_MS });
    control.begin(2);
    jest.advanceTimersByTime(WALL_MS + PATIENCE_MS);
    expect(breaches.map(([task]) => task)).toEqual([2]);
  });

  it('does not come back after stop()', () => {
    watch(1, { wallMs: WALL_MS });
    control.begin(1);
    watchdog.stop();
    watchdog.start();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(WALL_MS * 10);
    expect(breaches).toEqual([]);
  });
});
