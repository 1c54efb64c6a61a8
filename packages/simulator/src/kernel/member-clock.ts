/**
 * A member's clocks in a simulation: a monotonic one whose rate is off by up to some per cent and begins anywhere, and a wall
 * clock that jumps besides.
 *
 * member-clock M1  The monotonic clock advances at a rate within 1 ± drift of the kernel's, whatever the member does: a stopped
 *                  process finds it ahead (SIGSTOP). It never falls; it may leap ahead.
 * member-clock M2  Over a suspension of the machine it stands still, while the wall clock goes on, and so does the clock that
 *                  counts from the start of the machine (CLOCK_BOOTTIME).
 */
import type { TimeSource } from '@ashlar/core';
import type { Kernel } from './kernel.ts';

/** 2026-01-01: where wall clocks are, more or less. */
const WALL_START_MS = 1_767_225_600_000;

export class MemberClock implements TimeSource {
  readonly #kernel: Kernel;
  #rate: number;
  /** Kernel time and monotonic time at the last change of the rate. */
  #sinceMs: number;
  #baseMs: number;
  #suspendedMs = 0;
  #leaptMs = 0;
  #wallOffsetMs: number;

  constructor(
    kernel: Kernel,
    start: { readonly rate: number; readonly monotonicMs: number; readonly wallOffsetMs: number },
  ) {
    this.#kernel = kernel;
    this.#rate = start.rate;
    this.#sinceMs = kernel.nowMs;
    this.#baseMs = start.monotonicMs;
    this.#wallOffsetMs = start.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.bootMs() - this.#suspendedMs + this.#leaptMs;
  }

  /** As the monotonic clock, but it goes on while the machine is suspended (member-clock M2). */
  bootMs(): number {
    return this.#baseMs + (this.#kernel.nowMs - this.#sinceMs) * this.#rate;
  }

  wallMs(): number {
    return WALL_START_MS + this.#kernel.nowMs + this.#wallOffsetMs;
  }

  /** How long the kernel goes on until this clock has advanced so far. */
  kernelMs(localMs: number): number {
    return Math.max(0, localMs / this.#rate);
  }

  setRate(rate: number): void {
    this.#baseMs = this.bootMs();
    this.#sinceMs = this.#kernel.nowMs;
    this.#rate = rate;
  }

  /** The monotonic clock leaps ahead: a virtual machine that was moved, say. */
  leap(byMs: number): void {
    this.#leaptMs += byMs;
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Somebody has set the wall clock right, or nearly. */
  setWall(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs;
  }

  /** What versions are made of: a suspension counts, or the member would be behind all others after it. */
  get forVersions(): TimeSource {
    return { monotonicMs: () => this.bootMs(), wallMs: () => this.wallMs() };
  }

  /** member-clock M2: the last `forMs` of the kernel's time did not happen for the monotonic clock. */
  wasSuspended(forMs: number): void {
    this.#suspendedMs += forMs * this.#rate;
  }
}
