/**
 * The write outage of a partition whose primary was killed, and what it is made of.
 *
 *   kill ---- detection ----> another is named (step 1) ---- promotion ----> it serves (step 2) ---- caller ----> a write is answered
 *
 * Promotion is the rest of the grace, fencing, the tail, and the second transaction; the grace and the lease run beside detection, since
 * both begin with the last grant.
 */
import { DEFAULT_TIMINGS } from '../../../../packages/replication/src/index.ts';

/** Of one partition; milliseconds from the kill. */
export interface Takeover {
  /** The table named its next primary. */
  readonly namedMs: number;
  /** The table said that it serves. */
  readonly servedMs: number;
  /** A write was acknowledged. */
  readonly answeredMs: number;
}

/** What members wait for, by default. */
export function budgetTold(): string {
  const { membershipTtlMs, leaseMs, graceMs, fenceWaitMs } = DEFAULT_TIMINGS;
  return (
    `a primary that is killed is missed after ${membershipTtlMs} ms (detection); its lease of ${leaseMs} ms and the grace of ${graceMs} ms run ` +
    `from the last grant, beside it; then at most ${fenceWaitMs} ms for members that do not answer, two transactions, the tail`
  );
}

/** The median of each part. */
export function budgetOf(takeovers: readonly Takeover[]): { detection: number; promotion: number; caller: number } {
  const median = (of: (takeover: Takeover) => number): number => percentile(takeovers.map(of), 0.5);
  return {
    detection: median(({ namedMs }) => namedMs),
    promotion: median(({ namedMs, servedMs }) => servedMs - namedMs),
    caller: median(({ servedMs, answeredMs }) => answeredMs - servedMs),
  };
}

/** The value that `share` of them do not exceed, in whole numbers; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
