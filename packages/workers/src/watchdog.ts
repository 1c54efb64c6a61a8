/**
 * Limits of running tasks that only an observer can hold: wall clock and memory. One timer for a pool, and none while
 * nothing runs. The worker pays nothing: it stores a word a step, the watchdog sees whether the word moves.
 *
 * A step of `wallMs` is killed after wallMs to wallMs * 1.25 plus what the main thread is late.
 *
 * Why memory is polled, and V8's own limit (resourceLimits) is only a far backstop: V8 ends the whole process, not the
 * thread, when one call into a built-in goes from below the limit to far beyond it (measured at a limit of 32 MB:
 * `new Array(2e7).fill(1.5)`, `text.split('')`; also many survivors in one scavenge). With the backstop far away the
 * call returns, and the poll finds the breach.
 */
import type { Worker } from 'node:worker_threads';
import type { ControlBlock } from './control-block.ts';
import type { Breach } from './deaths.ts';

export interface WatchedLimits {
  readonly wallMs?: number | undefined;
  readonly memoryMax?: number | undefined;
  readonly isWaiting?: () => boolean;
}

export interface WatchdogOptions<Task> {
  readonly tasks: () => Iterable<Task>;
  readonly limitsOf: (task: Task) => WatchedLimits;
  readonly workerOf: (task: Task) => { readonly control: ControlBlock; readonly thread: Worker } | undefined;
  readonly taskNumberOf: (task: Task) => number;
  readonly onBreach: (task: Task, breach: Breach) => void;
}

/** The state of a task at the last look. */
interface Sight {
  progress: number;
  /** When it was seen to move; NaN before it began. */
  movedAtMs: number;
  isAskingMemory: boolean;
}

const LOOK_MS_MIN = 2;
const LOOK_MS_MAX = 50;
const MEMORY_POLL_MS = 20;

export class Watchdog<Task extends object> {
  readonly #options: WatchdogOptions<Task>;
  readonly #sights = new WeakMap<Task, Sight>();
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = 0;
  #isStopped = false;

  constructor(options: WatchdogOptions<Task>) {
    this.#options = options;
  }

  /** Called when something begins to run. Cheap while the watchdog is awake. */
  start(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#sleep(LOOK_MS_MIN);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    let pauseMs = Number.POSITIVE_INFINITY;
    // While the main thread was late it answered nobody: a task may have waited for it, so that time does not count.
    const lateMs = Math.max(0, performance.now() - this.#dueAtMs);
    for (const task of [...this.#options.tasks()]) pauseMs = Math.min(pauseMs, this.#lookAt(task, lateMs));
    if (!this.#isStopped && pauseMs !== Number.POSITIVE_INFINITY) this.#sleep(pauseMs);
  }

  #sleep(ms: number): void {
    this.#dueAtMs = performance.now() + ms;
    this.#timer = setTimeout(() => this.#look(), ms);
    this.#timer.unref();
  }

  /**
   * @param lateMs  how much later than intended this look is
   * @returns milliseconds until this task wants to be looked at again
   */
  #lookAt(task: Task, lateMs: number): number {
    const limits = this.#options.limitsOf(task);
    if (limits.wallMs === undefined && limits.memoryMax === undefined) return LOOK_MS_MAX;
    const worker = this.#options.workerOf(task);
    const nowMs = performance.now();
    const sight = this.#sightOf(task);
    const hasBegun = worker?.control.running === this.#options.taskNumberOf(task);
    if (worker !== undefined && hasBegun) {
      const { progress } = worker.control;
      if (Number.isNaN(sight.movedAtMs) || progress !== sight.progress || limits.isWaiting?.() === true) {
        sight.progress = progress;
        sight.movedAtMs = nowMs;
      } else sight.movedAtMs += lateMs;
      const stoodMs = nowMs - sight.movedAtMs;
      if (limits.wallMs !== undefined && stoodMs >= limits.wallMs) {
        this.#options.onBreach(task, { limit: 'wall', allowed: limits.wallMs, used: stoodMs });
        return LOOK_MS_MAX;
      }
      if (limits.memoryMax !== undefined) this.#askMemory(task, worker.thread, limits.memoryMax, sight);
    }
    const pauseMs = limits.memoryMax === undefined ? LOOK_MS_MAX : MEMORY_POLL_MS;
    return Math.max(LOOK_MS_MIN, Math.min(pauseMs, (limits.wallMs ?? Number.POSITIVE_INFINITY) / 4));
  }

  #sightOf(task: Task): Sight {
    let sight = this.#sights.get(task);
    if (sight === undefined) {
      sight = { progress: 0, movedAtMs: Number.NaN, isAskingMemory: false };
      this.#sights.set(task, sight);
    }
    return sight;
  }

  /** The answer comes by interrupt, also out of an endless loop. Shared memory is not in it: the arena does not count. */
  #askMemory(task: Task, thread: Worker, allowed: number, sight: Sight): void {
    if (sight.isAskingMemory) return;
    sight.isAskingMemory = true;
    thread.getHeapStatistics().then(
      ({ used_heap_size: heapBytes, external_memory: externalBytes }) => {
        sight.isAskingMemory = false;
        const used = heapBytes + externalBytes;
        if (used > allowed) this.#options.onBreach(task, { limit: 'memory', allowed, used });
      },
      () => undefined, // the thread has ended meanwhile: its death is reported elsewhere
    );
  }
}
