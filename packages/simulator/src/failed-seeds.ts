/**
 * Seeds that have failed, and what they found: they are run for ever. A seed means the same run only as long as profiles and
 * faults are drawn as they were, so each of these has a scenario of its own in `replication` besides, where it was a fault of
 * the core.
 */
export interface FailedSeed {
  readonly seed: number;
  readonly found: string;
}

export const FAILED_SEEDS: readonly FailedSeed[] = [];
