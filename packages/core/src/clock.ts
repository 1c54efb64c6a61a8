/**
 * Time, handed in: the rooms that decide never ask the operating system.
 *
 * HybridClock gives versions (Kulkarni et al., "Logical Physical Clocks", 2014, folded into one number): integer
 * microseconds that never go back, advance at the monotonic rate and are slewed to the wall clock, so that a jump of
 * the wall clock moves no deadline.
 *
 * clock C1  now() and tick() never return less than any version returned or observed before.
 * clock C2  tick() is strictly greater than every version returned or observed before.
 * clock C3  The physical part never moves faster than the monotonic clock by more than SLEW_RATE, but for the time that a suspended
 *           machine did not count: skip() makes up for it at once.
 */
import { assert } from './assert.ts';
import { GridError } from './errors.ts';
import type { Version } from './ids.ts';

/** Where time comes from. Real in a member, virtual in the simulator. */
export interface TimeSource {
  /** Milliseconds (fractions allowed) of a clock that only advances. */
  monotonicMs(): number;
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
}

export const systemTime: TimeSource = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

/** A step of at most 1/20 of the elapsed time is taken towards the wall clock. */
const SLEW_RATE = 0.05;
const DEFAULT_MAX_AHEAD_MS = 500;

export class HybridClock {
  readonly #time: TimeSource;
  readonly #maxAheadMs: number;
  #lastMonotonicMs: number;
  /** Physical part in microseconds, with fractions. */
  #physicalUs: number;
  #last: number;

  constructor(time: TimeSource = systemTime, options: { maxClockAheadMs?: number; floor?: Version } = {}) {
    this.#time = time;
    this.#maxAheadMs = options.maxClockAheadMs ?? DEFAULT_MAX_AHEAD_MS;
    this.#lastMonotonicMs = time.monotonicMs();
    this.#physicalUs = time.wallMs() * 1000;
    this.#last = options.floor ?? 0;
  }

  /** The present: at least every version given or observed so far. Reading it does not use it up. */
  now(): Version {
    const physical = Math.floor(this.#advance());
    if (physical > this.#last) this.#last = physical;
    return this.#last as Version;
  }

  /** A version of its own for one commit. */
  tick(): Version {
    const physical = Math.floor(this.#advance());
    this.#last = physical > this.#last ? physical : this.#last + 1;
    assert(this.#last < Number.MAX_SAFE_INTEGER, 'versions stay below 2^53');
    return this.#last as Version;
  }

  /**
   * Takes note of a version from outside (a request's, an answer's): nothing given later is below it.
   *
   * @throws GridError CLOCK_AHEAD when it lies more than maxClockAheadMs ahead of our physical time; it is not taken
   */
  observe(version: Version): void {
    if (version <= this.#last) return;
    const aheadMs = (version - this.#advance()) / 1000;
    if (aheadMs > this.#maxAheadMs) {
      throw new GridError('CLOCK_AHEAD', `a version from outside is ${Math.round(aheadMs)} ms ahead of this clock`, {
        hint: `synchronise the clocks of members and clients (limit ${this.#maxAheadMs} ms)`,
        details: { aheadMs: Math.round(aheadMs), limitMs: this.#maxAheadMs },
      });
    }
    this.#last = version;
  }

  /**
   * As observe(), with a version that a member of the grid has given, or may have: however far ahead it lies, what follows here
   * lies above it.
   */
  follow(version: Version): void {
    if (version > this.#last) this.#last = version;
  }

  /**
   * The machine was suspended: the monotonic clock stood still, and slewing would take twenty times as long to catch up, in which
   * every version from elsewhere would be refused as CLOCK_AHEAD. The physical part goes on from the wall clock, never back.
   */
  skip(): void {
    this.#physicalUs = Math.max(this.#advance(), this.#time.wallMs() * 1000);
  }

  #advance(): number {
    const monotonicMs = this.#time.monotonicMs();
    const elapsedUs = Math.max(0, monotonicMs - this.#lastMonotonicMs) * 1000;
    if (elapsedUs === 0) return this.#physicalUs;
    this.#lastMonotonicMs = monotonicMs;
    const behindUs = this.#time.wallMs() * 1000 - (this.#physicalUs + elapsedUs);
    const slewUs = Math.max(-elapsedUs * SLEW_RATE, Math.min(elapsedUs * SLEW_RATE, behindUs));
    this.#physicalUs += elapsedUs + slewUs;
    return this.#physicalUs;
  }
}
