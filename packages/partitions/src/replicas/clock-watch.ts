/**
 * Notices that the machine was suspended: the monotonic clock stood still meanwhile, by which leases are counted, and the wall
 * clock went on. A wall clock that was set forward looks the same at first; the time since the machine was started, which counts
 * suspensions and no settings, tells one from the other.
 *
 * clock-watch W1  A gap is noticed by the first look behind it, before anything is decided by the monotonic clock. Taken for one
 *                 without need, it costs the leases, which are asked for anew.
 * clock-watch W2  Only what was slept is made up for in versions: deadlines do not move with a wall clock that is set.
 */
import type { TimeSource } from '@ashlar/core';

/** Where time comes from for whoever relies on leases. */
export interface WatchedTime extends TimeSource {
  /** Milliseconds since the machine was started, suspensions counted; may be coarse, and cost more to ask than the others. */
  bootMs(): number;
}

export interface ClockGap {
  /** What the monotonic clock has not counted, about. */
  readonly gapMs: number;
  /** The machine was suspended; else its wall clock was set. */
  readonly isSuspension: boolean;
}

/** Clocks are read one after the other, and the wall clock counts whole milliseconds: less is no gap. */
const GAP_MIN_MS = 10;

export class ClockWatch {
  readonly #time: WatchedTime;
  #wallOffsetMs: number;
  #bootOffsetMs: number;

  constructor(time: WatchedTime) {
    this.#time = time;
    this.#wallOffsetMs = time.wallMs() - time.monotonicMs();
    this.#bootOffsetMs = time.bootMs() - time.monotonicMs();
  }

  /** @returns undefined: none since the last look */
  look(): ClockGap | undefined {
    const time = this.#time;
    const wallOffsetMs = time.wallMs() - time.monotonicMs();
    const gapMs = wallOffsetMs - this.#wallOffsetMs;
    this.#wallOffsetMs = wallOffsetMs;
    return gapMs < GAP_MIN_MS ? undefined : { gapMs, isSuspension: this.#hasSlept(gapMs) };
  }

  /** clock-watch W2 */
  #hasSlept(gapMs: number): boolean {
    const bootOffsetMs = this.#time.bootMs() - this.#time.monotonicMs();
    const sleptMs = bootOffsetMs - this.#bootOffsetMs;
    this.#bootOffsetMs = bootOffsetMs;
    return sleptMs >= gapMs / 2;
  }
}
