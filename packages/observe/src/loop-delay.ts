/**
 * How late the event loop is: in the last whole window, whoever asks and however often.
 *
 * A timer of DELAY_RESOLUTION_MS is watched; what it fires later than intended is the delay. The window's figures stand
 * until the next one is over, so two readers (Prometheus, `ashlar top`) see the same and disturb each other in nothing.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const DELAY_RESOLUTION_MS = 10;
const WINDOW_MS = 5000;

export interface Delays {
  /** Seconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #window: Delays | undefined;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#window = this.#read();
      this.#histogram.reset();
    }, WINDOW_MS);
    this.#timer.unref();
  }

  /** Delays in the last whole window; before the first one is over, in its part so far. */
  get delays(): Delays {
    return this.#window ?? this.#read();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #read(): Delays {
    const { count, max } = this.#histogram;
    if (count === 0) return { p50: 0, p99: 0, max: 0 };
    return { p50: late(this.#histogram.percentile(50)), p99: late(this.#histogram.percentile(99)), max: late(max) };
  }
}

/** @param intervalNs  between two firings of the watched timer. @returns seconds */
function late(intervalNs: number): number {
  return Math.max(0, intervalNs / 1e6 - DELAY_RESOLUTION_MS) / 1000;
}
