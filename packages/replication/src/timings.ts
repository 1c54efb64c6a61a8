/**
 * How long everything takes that replication waits for, in milliseconds of the monotonic clock.
 *
 *   primary   ask --------- answer ................. lease ends        counted from before it was asked
 *   backup            grant .............................. grace ends  counted from after it was granted
 *
 * timings T1  The grace is longer than the lease even where the holder's clock runs slow and the grantor's fast, each by
 *             CLOCK_DRIFT_MAX: a primary has stopped before a backup that granted it a lease may serve.
 * timings T2  A ceiling lies no further ahead than its lease lasts: what was granted has passed when the grace has, so a new
 *             primary begins above it without running ahead of the clocks of others.
 * timings T3  The coordinator's lease, for who is alone, lasts long enough for its member to be started again, and so does the
 *             grace behind it. Nothing but the operator's acceptance of a loss waits for that one.
 *
 * The outage after `kill -9` of a primary is at most membershipTtlMs + one tick (detection), the rest of graceMs (which began
 * with the last grant, so most of it has passed by then), fenceWaitMs (within the grace), two transactions, and the tail.
 */
import { assert } from '@ashlar/core';

export interface Timings {
  /** How long a read lease lasts, counted by its holder from before it asked. */
  readonly leaseMs: number;
  /** How long a member waits, after its last grant to the one before, until it serves. */
  readonly graceMs: number;
  /** How long the coordinator's lease lasts, by which a primary serves that has no other copy, counted as leaseMs is. */
  readonly loneLeaseMs: number;
  /** How long the coordinator waits, after its last grant, until a partition that was lost may begin anew. */
  readonly loneGraceMs: number;
  /** A primary asks its backups for a lease, and a member the coordinator for its own, this often. */
  readonly heartbeatMs: number;
  /** A turn that comes this late has missed too much: all leases end. */
  readonly clockGapMs: number;
  /** A member that the coordinator has not heard of for as long is expired. */
  readonly membershipTtlMs: number;
  /** An in-sync backup that has been silent for as long leaves the set. */
  readonly silentMs: number;
  /** So does one that lacks a record for as long, though it answers. */
  readonly lagMs: number;
  /** What is not acknowledged by then is sent again. */
  readonly resendMs: number;
  /** Commit indexes that no append has taken along by then go by themselves. */
  readonly markFlushMs: number;
  /** A transaction of which nothing is known by then is submitted again. */
  readonly transactionRetryMs: number;
  /** A named primary waits so long for members of the set that do not answer. */
  readonly fenceWaitMs: number;
  /** The same where the partition begins empty: links to the others may be on their way, and whoever is left out transfers. */
  readonly freshWaitMs: number;
  /** And so long for one that answers, but does not get on with the tail. */
  readonly replicateWaitMs: number;
  /** The controller names another primary when the named one does not serve by then. */
  readonly promotionTimeoutMs: number;
  /** A transfer that does not get on for as long is given up on both sides. */
  readonly transferTimeoutMs: number;
  /** A copy whose transfer was cut, or refused, is asked for again after it. */
  readonly transferPauseMs: number;
  /** An orderly stop gives up handing over after it. */
  readonly leaveTimeoutMs: number;
}

/** Kill -9 to service: 800 (detection) + 50 (tick) + some 10 ms; the grace ends 850 ms after the last grant, beside it. */
export const DEFAULT_TIMINGS: Timings = Object.freeze({
  leaseMs: 750,
  graceMs: 850,
  loneLeaseMs: 10_000,
  loneGraceMs: 11_250,
  heartbeatMs: 100,
  clockGapMs: 400,
  membershipTtlMs: 800,
  silentMs: 500,
  lagMs: 1000,
  resendMs: 150,
  markFlushMs: 5,
  transactionRetryMs: 300,
  fenceWaitMs: 200,
  freshWaitMs: 2000,
  replicateWaitMs: 1000,
  promotionTimeoutMs: 4000,
  transferTimeoutMs: 5000,
  transferPauseMs: 200,
  leaveTimeoutMs: 3000,
});

/** Two clocks may differ by so much of what they measure. */
export const CLOCK_DRIFT_MAX = 0.05;

/** @throws AssertionError where the times contradict each other (timings T1) */
export function checkedTimings(timings: Timings): Timings {
  const { leaseMs, graceMs, loneLeaseMs, loneGraceMs, heartbeatMs, freshWaitMs, promotionTimeoutMs } = timings;
  assertOutlasts(graceMs, leaseMs);
  assertOutlasts(loneGraceMs, loneLeaseMs);
  assert(loneLeaseMs >= leaseMs, 'timings T3: who is alone stops before who is not');
  assert(
    freshWaitMs < promotionTimeoutMs,
    'timings: another primary is named before the first one has begun without others',
  );
  assert(heartbeatMs * 3 <= leaseMs, 'timings: a lease outlasts three heartbeats');
  return timings;
}

/** timings T1 */
function assertOutlasts(graceMs: number, leaseMs: number): void {
  const least = leaseMs * ((1 + CLOCK_DRIFT_MAX) / (1 - CLOCK_DRIFT_MAX));
  assert(graceMs > least, () => `timings T1: a grace of ${graceMs} ms does not outlast a lease of ${leaseMs} ms`);
}
