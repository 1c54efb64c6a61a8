/**
 * When what has gathered is sent: once a turn of the event loop, for all queues of a router.
 *
 *   asked for -> (what runs now is over) quiet queues -> (the loop has turned) the others -> (HOLD_MS) what was held
 *
 * flush-turns F1  One flush is scheduled at a time, whoever asks, and at most one timer runs for what is held.
 * flush-turns F2  Whatever is held is looked at again: by a flush, which answers and calls ask for, or when HOLD_MS are over. What
 *                 gathers because a window is full waits for answers.
 */
import { HOLD_MS } from './gathering.ts';

/** A queue, as it is flushed. */
export interface FlushedQueue {
  readonly isQuiet: boolean;
  readonly isGathering: boolean;
  readonly isHolding: boolean;
  flush(nowMs: number): void;
}

export interface FlushTurnsOptions {
  readonly queues: { values(): Iterable<FlushedQueue> };
  readonly clockMs: () => number;
}

export class FlushTurns {
  readonly #queues: FlushTurnsOptions['queues'];
  readonly #clockMs: () => number;
  /** The time of the present turn, for the calls that are made in it. */
  nowMs = 0;
  #isScheduled = false;
  #isClosed = false;
  #holdTimer: NodeJS.Timeout | undefined;

  constructor({ queues, clockMs }: FlushTurnsOptions) {
    this.#queues = queues;
    this.#clockMs = clockMs;
  }

  /** A call is made: its time is that of its turn, which begins with it where no flush is due. */
  beginCall(): void {
    if (!this.#isScheduled) this.nowMs = this.#clockMs();
  }

  /** @returns whether this is the first to ask */
  schedule(): boolean {
    if (this.#isScheduled) return false;
    this.#isScheduled = true;
    // Calls of this turn count from here, also when a queue asked for the flush and the last call was long ago.
    this.nowMs = this.#clockMs();
    process.nextTick(this.#flushQuiet);
    return true;
  }

  /**
   * Once what runs now is over, idle queues go: no answer is on its way to them whose waiters could ask for more. The others
   * gather until the event loop has turned.
   */
  readonly #flushQuiet = (): void => {
    let isGathering = false;
    for (const queue of this.#queues.values()) {
      if (queue.isQuiet) queue.flush(this.nowMs);
      if (queue.isGathering) isGathering = true;
    }
    if (isGathering) setImmediate(this.#flushAll);
    else this.#isScheduled = false;
  };

  readonly #flushAll = (): void => {
    this.#isScheduled = false;
    this.nowMs = this.#clockMs();
    let isHolding = false;
    for (const queue of this.#queues.values()) {
      queue.flush(this.nowMs);
      if (queue.isHolding) isHolding = true;
    }
    if (isHolding && !this.#isClosed) this.#holdTimer ??= setTimeout(this.#onHoldOver, HOLD_MS);
  };

  readonly #onHoldOver = (): void => {
    this.#holdTimer = undefined;
    this.schedule();
  };

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
  }
}
