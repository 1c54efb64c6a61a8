/**
 * Notices that the machine was suspended: the monotonic clock stood still meanwhile, by which leases are counted, and the wall
 * clock went on. One that was set forward looks the same; all that follows from it is that leases are asked for anew.
 *
 * clock-watch W1  A gap is noticed by the first look behind it, before anything is decided by the monotonic clock.
 */
import type { TimeSource } from '@ashlar/core';

/** Clocks are read one after the other, and the wall clock counts whole milliseconds: less is no gap. */
const GAP_MIN_MS = 10;

export class ClockWatch {
  readonly #time: TimeSource;
  #offsetMs: number;

  constructor(time: TimeSource) {
    this.#time = time;
    this.#offsetMs = time.wallMs() - time.monotonicMs();
  }

  /** @returns milliseconds that the monotonic clock has not counted since the last look; 0: none */
  look(): number {
    const offsetMs = this.#time.wallMs() - this.#time.monotonicMs();
    const gapMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    return gapMs >= GAP_MIN_MS ? gapMs : 0;
  }
}
