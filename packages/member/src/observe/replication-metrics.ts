/** The figures of replication: what this member sends to others, what they have of it, and how the grid's partitions are. */
import { electionsOf, type GridView, type TableState } from '@ashlar/cluster';
import { memberOfReplica } from '@ashlar/core';
import type { MemberMetrics, Reading } from '@ashlar/observe';
import type { PeerFigures, ReplicationFigures } from '@ashlar/replication';
import { count, type ReplicationCounts } from '../replication/replication-counts.ts';
import { partitionStates } from './partition-states.ts';

/** A member's replication, as it is watched. */
export interface ObservedReplication {
  figures(): ReplicationFigures;
  readonly counts: ReplicationCounts;
  /** Messages to other replicas that were dropped because their links could not take them. */
  readonly droppedMessages: number;
}

const NOTHING: ReplicationFigures = { leading: [], backups: 0, installing: 0, peers: [] };

/** @param replication  undefined: the grid keeps no copies */
export function replicationMetrics(
  metrics: MemberMetrics,
  control: GridView,
  replication: ObservedReplication | undefined,
): void {
  const figures = (): ReplicationFigures => replication?.figures() ?? NOTHING;
  tableMetrics(metrics, control);
  copyMetrics(metrics, figures);
  peerMetrics(metrics, figures);
  metrics.counter(
    'ashlar_in_sync_changes_total',
    'Copies of partitions of this member that joined those in sync, or left them, by why.',
    () => [
      { labels: { change: 'joined' }, value: replication?.counts.joined ?? 0 },
      ...[...(replication?.counts.left ?? [])].map(([why, value]) => ({ labels: { change: `left-${why}` }, value })),
    ],
    ['change'],
  );
  metrics.counter(
    'ashlar_replication_failures_total',
    'What went wrong between replicas: old epochs refused, transfers cut, messages dropped, clock gaps, leases that ran out.',
    () => [
      { labels: { kind: 'message-dropped' }, value: replication?.droppedMessages ?? 0 },
      ...[...(replication?.counts.failures ?? [])].map(([kind, value]) => ({ labels: { kind }, value })),
    ],
    ['kind'],
  );
}

function tableMetrics(metrics: MemberMetrics, control: GridView): void {
  const elections = new Map<string, number>();
  control.onTable((table, before) => {
    for (const { cause } of electionsOf(before, table)) count(elections, cause);
  });
  metrics.counter(
    'ashlar_elections_total',
    'Primaries that were named, over the whole grid, by why.',
    () => [...elections].map(([cause, value]) => ({ labels: { cause }, value })),
    ['cause'],
  );
  metrics.gauge(
    'ashlar_partitions',
    'Partitions of the grid by their state, as this member knows it.',
    () => stateReadings(control.table),
    ['state'],
  );
}

function stateReadings(table: TableState): Reading[] {
  const { whole, degraded, readOnly, promoting, lost } = partitionStates(table);
  const states = { whole, degraded, 'read-only': readOnly, promoting, lost };
  return Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
}

function copyMetrics(metrics: MemberMetrics, figures: () => ReplicationFigures): void {
  metrics.gauge(
    'ashlar_partition_in_sync',
    'Copies in sync of each partition that this member is primary of, its own among them.',
    () =>
      figures().leading.map(({ partition, inSync }) => ({ labels: { partition: String(partition) }, value: inSync })),
    ['partition'],
  );
  metrics.gauge(
    'ashlar_copies',
    'Copies that this member holds as a backup, and such that are being transferred to it.',
    () => {
      const { backups, installing } = figures();
      return [
        { labels: { kind: 'backup' }, value: backups },
        { labels: { kind: 'installing' }, value: installing },
      ];
    },
    ['kind'],
  );
}

function peerMetrics(metrics: MemberMetrics, figures: () => ReplicationFigures): void {
  const byPeer = (read: (peer: PeerFigures) => number) => (): Reading[] =>
    figures().peers.map((peer) => ({ labels: { peer: memberOfReplica(peer.replica) }, value: read(peer) }));
  metrics.gauge(
    'ashlar_replication_lag_records',
    'Log records of this member that another one has not acknowledged.',
    byPeer(({ lagRecords }) => lagRecords),
    ['peer'],
  );
  metrics.gauge(
    'ashlar_replication_unacknowledged_bytes',
    'Bytes of log records on their way to another member.',
    byPeer(({ unacknowledgedBytes }) => unacknowledgedBytes),
    ['peer'],
  );
  metrics.gauge(
    'ashlar_replication_catching_up',
    'Partitions whose copy another member takes over from this one.',
    byPeer(({ catchingUp }) => catchingUp),
    ['peer'],
  );
}

/** Records that are sealed here, and not yet with every copy in sync. */
export function undecidedRecords(replication: ObservedReplication | undefined): number {
  const { leading } = replication?.figures() ?? NOTHING;
  return leading.reduce((sum, { undecided }) => sum + undecided, 0);
}
