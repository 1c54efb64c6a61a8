/**
 * What a seed's run is like: the grid, its settings, its clients, and which faults come how often. Every seed draws a profile of its
 * own, with some kinds of faults left out and others all the more frequent: what always happens together hides what happens
 * alone (swarm testing).
 *
 * @see Groce et al., "Swarm Testing", 2012
 */
import type { Random } from '@ashlar/core';
import { checkedTimings, DEFAULT_TIMINGS, type Timings } from '@ashlar/replication';
import { type NetworkQuality, SOUND_NETWORK } from '../kernel/network.ts';

export const FAULT_KINDS = [
  'kill',
  'quickRestart',
  'stop',
  'suspend',
  'cut',
  'oneWay',
  'slow',
  'storm',
  'rate',
  'wallJump',
  'coordinatorDown',
  'coordinatorRestart',
  'leave',
  'short',
  'block',
  'loseCopy',
  'exile',
  'leap',
  'supersede',
  'deaf',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Coincidences (rare-faults.ts). */
export const RARE_FAULT_KINDS = ['echo', 'lateChange', 'leapInWaiting'] as const;
export type RareFaultKind = (typeof RARE_FAULT_KINDS)[number];

export interface Profile {
  readonly members: number;
  readonly partitions: number;
  readonly backups: number;
  readonly minInSync: number;
  readonly clients: number;
  readonly registersEach: number;
  readonly thinkMs: number;
  readonly writeShare: number;
  /** Records that a write has beside its own, at most, in one batch. */
  readonly batchMax: number;
  readonly snapshotShare: number;
  readonly timings: Timings;
  /** The coordinator shares the machine of member `a`. */
  readonly isEmbedded: boolean;
  /** Committed records that a log keeps: the answer window. */
  readonly keptRecords: number;
  /** And those that it keeps for who catches up, at most. */
  readonly heldRecords: number;
  readonly growWithinRecords: number;
  readonly appendBytes: number;
  readonly windowBytes: number;
  /** A clock's rate is within 1 ± drift. */
  readonly drift: number;
  readonly wallSpreadMs: number;
  readonly quality: NetworkQuality;
  readonly faults: readonly FaultKind[];
  readonly rareFaults: readonly RareFaultKind[];
  /** Between two faults, on average. */
  readonly faultEveryMs: number;
  /** Share of faults that hit who is primary of some partition. */
  readonly aim: number;
  /** Faults come so long; then all heal. */
  readonly faultsMs: number;
}

const DRIFT_MAX = 0.049;
const RUN_FAULTS_MS = 5000;
/** Under way at a time, so that batches of several records get over as fast as they are written. */
const LINK_BYTES_MIN = 2000;

/** @param rarely  chance of its own, for what came later: all else of a seed is as it was (rare-faults Y1) */
export function drawProfile(random: Random, rarely: Random): Profile {
  const members = pick(random, [2, 3, 3, 3, 3, 4, 5]);
  const backups = Math.min(members - 1, pick(random, [0, 1, 1, 1, 1, 2, 2, 3]));
  const faults = FAULT_KINDS.filter(() => random.below(3) === 0);
  const rareFaults = RARE_FAULT_KINDS.filter(() => rarely.below(4) === 0);
  const batchMax = pick(rarely, [0, 0, 2, 6]);
  const profile: Profile = {
    ...{ members, backups, faults: faults.length > 0 ? faults : ['kill', 'cut'] },
    ...{ rareFaults, batchMax },
    partitions: 1 + random.below(3),
    minInSync: pick(random, [1, 1, 1, backups >= 2 ? 2 : 1]),
    clients: 2 + random.below(3),
    registersEach: 1 + random.below(2),
    thinkMs: pick(random, [5, 20, 20, 60]),
    writeShare: pick(random, [0.2, 0.5, 0.8]),
    snapshotShare: pick(random, [0, 0.05, 0.05]),
    timings: drawTimings(random, rarely),
    isEmbedded: random.below(2) === 0,
    keptRecords: pick(random, [5, 20, 60]),
    heldRecords: pick(random, [100, 500]),
    growWithinRecords: pick(random, [0, 1, 5, 1000]),
    appendBytes: pick(random, [100, 300, 100_000]),
    windowBytes: pick(random, [300, 2_000, 1_000_000]),
    drift: pick(random, [0, 0.01, DRIFT_MAX]),
    wallSpreadMs: pick(random, [0, 50, 200]),
    quality: drawQuality(random),
    faultEveryMs: pick(random, [150, 300, 600, 1200]),
    aim: pick(random, [0.3, 0.6, 0.9]),
    faultsMs: RUN_FAULTS_MS,
  };
  return {
    ...profile,
    // Where two records go at a time, a link does not carry more than one a write.
    batchMax: profile.windowBytes >= LINK_BYTES_MIN ? batchMax : 0,
    timings: withSpread(profile.timings, profile.wallSpreadMs),
  };
}

/**
 * A coordinator that was started again knows no ceilings of before: a partition that was lost begins anew above them as long as the
 * grace behind lone leases lasts longer by what clocks of processes differ by, as it does in real grids.
 */
function withSpread(timings: Timings, wallSpreadMs: number): Timings {
  return checkedTimings({ ...timings, loneGraceMs: timings.loneGraceMs + 2 * wallSpreadMs });
}

function drawTimings(random: Random, rarely: Random): Timings {
  const factor = pick(random, [0.4, 0.4, 0.6, 1]);
  const scaled = Object.fromEntries(Object.entries(DEFAULT_TIMINGS).map(([name, ms]) => [name, ms * factor]));
  // Who is alone may serve by a lease no longer than the others, or by one that outlasts most of what happens to a coordinator.
  const lone = pick(rarely, [1, 1, 2, 4]);
  const loneLeaseMs = DEFAULT_TIMINGS.leaseMs * factor * lone;
  const loneGraceMs = DEFAULT_TIMINGS.graceMs * factor * lone;
  const drawn = { loneLeaseMs, loneGraceMs, markFlushMs: pick(random, [1, 5, 20]) };
  return checkedTimings({ ...DEFAULT_TIMINGS, ...scaled, ...drawn });
}

function drawQuality(random: Random): NetworkQuality {
  const isSound = random.below(3) === 0;
  if (isSound) return SOUND_NETWORK;
  return {
    delayMinMs: 0.2,
    delayMaxMs: pick(random, [1, 3, 10]),
    loss: pick(random, [0, 0.002, 0.02]),
    doubling: pick(random, [0, 0.01, 0.05]),
    lateness: pick(random, [0, 0.005, 0.02]),
    lateMaxMs: pick(random, [20, 200, 1500]),
    keepsOrder: random.below(2) === 0,
  };
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)]!;
}

/** A number by an exponential distribution. */
export function around(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean;
}
