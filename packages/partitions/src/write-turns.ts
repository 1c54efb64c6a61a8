/**
 * Who has more to write than there may be batches under way: waits, in the order in which it came, for as long as it takes.
 *
 *   isShort? -- no --> begin, stage, submit
 *           '-- yes -> wait(step) --> batches are decided --> step: goes on, and waits again where it is short again
 *
 * write-turns T1  Who waits goes on in the order in which it came; whoever comes later finds `isShort` and waits behind.
 * write-turns T2  RESERVED batches are left to those who cannot wait (what expires), or hold keys and partitions: processors
 *                 whose code has run, statements. A statement that finds none of those either lets go, and waits here.
 * write-turns T3  What waits holds nothing. How much waits is bounded by those who send it: a stream is not read beyond its
 *                 window.
 */
import type { MemberStore } from '@ashlar/storage';

const RESERVED = 512;

export class WriteTurns {
  readonly #store: Pick<MemberStore, 'freeBatches' | 'onBatchFree'>;
  readonly #reserved: number;
  #waiting: (() => void)[] = [];
  #isScheduled = false;

  /** @param reserved  batches that are left to others (write-turns T2) */
  constructor(store: Pick<MemberStore, 'freeBatches' | 'onBatchFree'>, reserved = RESERVED) {
    this.#store = store;
    this.#reserved = reserved;
  }

  /** Whether whoever has time should wait() before the next batch that it begins. */
  get isShort(): boolean {
    return this.#waiting.length > 0 || this.#store.freeBatches <= this.#reserved;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Calls `step` out of the event loop once there is room and everybody before has had it. It does not throw. */
  wait(step: () => void): void {
    this.#waiting.push(step);
    if (this.#waiting.length === 1) this.#store.onBatchFree(() => this.#schedule());
    if (this.#store.freeBatches > this.#reserved) this.#schedule();
  }

  /** Resolves once it is somebody's turn, or `signal` fires. Others may be faster: who finds no batch then comes again. */
  room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        signal.removeEventListener('abort', go);
        resolve();
      };
      if (signal.aborted) {
        resolve();
        return;
      }
      signal.addEventListener('abort', go, { once: true });
      this.wait(go);
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#store.freeBatches <= this.#reserved) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#serve();
    });
  }

  /** Each of those who wait now, at most once: who is short again waits behind them. */
  #serve(): void {
    const steps = this.#waiting;
    this.#waiting = [];
    let served = 0;
    while (served < steps.length && this.#store.freeBatches > this.#reserved) steps[served++]!();
    if (served < steps.length) this.#waiting = [...steps.slice(served), ...this.#waiting];
    if (this.#waiting.length === 0) this.#store.onBatchFree(undefined);
  }
}
