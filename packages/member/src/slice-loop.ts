/** Runs deferred work in slices of the main thread: often while there is some, seldom while there is none. */
const BUSY_PAUSE_MS = 1;
const IDLE_PAUSE_MS = 20;

export class SliceLoop {
  readonly #slice: () => boolean;
  #timer: NodeJS.Timeout;
  #isStopped = false;

  /** @param slice  does at most a millisecond of work; answers whether more is left */
  constructor(slice: () => boolean) {
    this.#slice = slice;
    this.#timer = this.#later(IDLE_PAUSE_MS);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #later(pauseMs: number): NodeJS.Timeout {
    const timer = setTimeout(() => this.#run(), pauseMs);
    timer.unref();
    return timer;
  }

  #run(): void {
    const isMore = this.#slice();
    if (!this.#isStopped) this.#timer = this.#later(isMore ? BUSY_PAUSE_MS : IDLE_PAUSE_MS);
  }
}
