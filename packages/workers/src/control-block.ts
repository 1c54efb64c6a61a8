/**
 * The words that a worker and the main thread share while tasks run. Each has one writer:
 *
 *   RUNNING   worker: number of the task it runs, 0 between tasks
 *   PROGRESS  worker: grows with every step the task reports; the watchdog counts wall clock from its last change
 *   CANCEL    main: number of the task that shall end early; the task looks at it once a chunk
 *
 * control-block B1  RUNNING is set before the task's first instruction and cleared after its last, before the answer is sent: a
 *                   worker whose RUNNING differs from the number of a task is not killed for that task's time.
 */
const RUNNING = 0;
const PROGRESS = 1;
const CANCEL = 2;
const WORD_COUNT = 4;

const { add, load, store } = Atomics;

export class ControlBlock {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(WORD_COUNT * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  begin(task: number): void {
    store(this.#words, RUNNING, task);
  }

  end(): void {
    store(this.#words, RUNNING, 0);
  }

  beat(): void {
    add(this.#words, PROGRESS, 1);
  }

  cancel(task: number): void {
    store(this.#words, CANCEL, task);
  }

  isCancelled(task: number): boolean {
    return load(this.#words, CANCEL) === task;
  }

  get running(): number {
    return load(this.#words, RUNNING);
  }

  get progress(): number {
    return load(this.#words, PROGRESS);
  }
}
