/** How far a member's replication is, for whoever watches it: collected when somebody asks, and never kept. */
import type { ReplicaId } from '@ashlar/core';
import type { Context } from './context.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Replicas } from './replica.ts';

/** A partition that this member is the primary of. */
export interface LeadFigures {
  readonly partition: number;
  /** Copies in sync, its own among them. */
  readonly inSync: number;
  /** Records that are sealed, and not yet with every copy in sync. */
  readonly undecided: number;
}

/** Another replica to which this member sends logs. */
export interface PeerFigures {
  readonly replica: ReplicaId;
  /** Partitions in which it is in sync, and in which it catches up. */
  readonly inSync: number;
  readonly catchingUp: number;
  /** Records that it lacks, over all of them. */
  readonly lagRecords: number;
  /** Bytes under way to it. */
  readonly unacknowledgedBytes: number;
}

export interface ReplicationFigures {
  readonly leading: readonly LeadFigures[];
  /** Partitions of which this member holds a copy as a backup. */
  readonly backups: number;
  /** Copies that are being transferred to this member. */
  readonly installing: number;
  readonly peers: readonly PeerFigures[];
}

export function figuresOf(context: Context, replicas: Replicas): ReplicationFigures {
  const leading: LeadFigures[] = [];
  const peers = new Map<ReplicaId, { inSync: number; catchingUp: number; lagRecords: number }>();
  let [backups, installing] = [0, 0];
  for (const { partition, role, copy, install } of replicas) {
    if (install !== undefined) installing++;
    if (role?.stage === 'serving') leading.push(leadOf(partition, role));
    else if (copy !== undefined && role === undefined) backups++;
    if (role !== undefined) addFollowers(peers, role);
  }
  return {
    ...{ leading, backups, installing },
    peers: [...peers].map(([replica, figures]) => ({
      ...{ replica, ...figures, unacknowledgedBytes: context.peers.get(replica)?.inFlightBytes ?? 0 },
    })),
  };
}

function leadOf(partition: number, { set, copy }: PrimaryRole): LeadFigures {
  return { partition, inSync: set.recorded.length, undecided: copy.held - copy.commit };
}

function addFollowers(
  peers: Map<ReplicaId, { inSync: number; catchingUp: number; lagRecords: number }>,
  { copy, followers }: PrimaryRole,
): void {
  for (const [replica, { isInSync, held }] of followers) {
    const figures = peers.get(replica) ?? { inSync: 0, catchingUp: 0, lagRecords: 0 };
    if (isInSync) figures.inSync++;
    else figures.catchingUp++;
    figures.lagRecords += Math.max(0, copy.held - held);
    peers.set(replica, figures);
  }
}
