/** What a controller is run with where time passes by hand. */
import type { GridError, Version } from '@ashlar/core';
import type { ControlPorts, ControlTimes } from '../replicas/replica-control.ts';

const TICK_MS = 25;

export class ManualControl implements ControlPorts {
  readonly times: ControlTimes;
  readonly failures: unknown[] = [];
  readonly refusals: GridError[] = [];
  readonly #runs = new Set<() => void>();
  #nowMs = 1000;

  /**
   * @param gatherMs        default: every transaction is applied at once
   * @param urgentGatherMs  the same for those for which writers wait
   */
  constructor(gatherMs = 0, urgentGatherMs = gatherMs) {
    this.times = {
      membershipTtlMs: 800,
      promotionTimeoutMs: 4000,
      loneGraceMs: 1600,
      clockGapMs: 400,
      gatherMs,
      urgentGatherMs,
    };
  }

  readonly nowMs = (): number => this.#nowMs;
  readonly version = (): Version => (this.#nowMs * 1000) as Version;
  readonly every = (_ms: number, run: () => void): (() => void) => {
    const own = (): void => run();
    this.#runs.add(own);
    return () => void this.#runs.delete(own);
  };
  readonly onFailure = (error: unknown): void => void this.failures.push(error);

  readonly onRefusal = (error: GridError): void => void this.refusals.push(error);

  /** Time passes, and whoever looks every so often looks. */
  pass(ms: number): void {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; ) {
      this.#nowMs = Math.min(endMs, this.#nowMs + TICK_MS);
      for (const run of this.#runs) run();
    }
  }

  /** Time passes while nothing runs. */
  suspend(ms: number): void {
    this.#nowMs += ms;
  }

  /** Who looks every so often. */
  get watched(): number {
    return this.#runs.size;
  }
}
