/** The figures of one member's services: what waits in them, and how much may. */
import type { EventHub } from '@ashlar/events';
import type { KeyGate } from '../kv/key-gate.ts';
import type { ProcessorCalls } from '../kv/processor-calls.ts';
import type { Sessions } from '../kv/sessions.ts';
import type { LocalSnapshots } from '../snapshots/local-snapshots.ts';
import { QUEUED_BYTES_MAX } from '../sql/fragment-runner.ts';
import type { QueryCoordinator } from '../sql/query-coordinator.ts';
import type { MemberMetrics } from './metrics.ts';

export interface ObservedServices {
  readonly gate: KeyGate;
  readonly sessions: Sessions;
  readonly processors: ProcessorCalls;
  readonly hub: EventHub;
  readonly queries: QueryCoordinator;
  readonly snapshots: LocalSnapshots;
  /** Result batches of fragments under way. */
  readonly flows: ReadonlySet<{ readonly bytes: number }>;
}

export function serviceMetrics(metrics: MemberMetrics, observed: ObservedServices): void {
  const { gate, sessions, processors, hub, queries, snapshots, flows } = observed;
  metrics.gauge(
    'ashlar_sync_queue_depth',
    'What is behind: mutations that wait for a processor to let their key go, and committed log records that subscriptions and listeners have not read. There are no backups yet that could be behind.',
    () => [
      { labels: { kind: 'key-gate' }, value: gate.waitingCount },
      { labels: { kind: 'events' }, value: hub.lag().sum },
    ],
    ['kind'],
  );
  metrics.gauge(
    'ashlar_query_memory_bytes',
    'Rows that the statements under way have gathered here for merges and joins.',
    () => queries.gatheredBytes,
  );
  metrics.gauge('ashlar_sessions', 'Sessions of clients and members.', () => sessions.count);
  metrics.gauge('ashlar_keys_held', 'Keys that processors hold.', () => gate.heldCount);
  metrics.gauge(
    'ashlar_processor_calls_pending',
    'Keys whose processor calls wait for a worker.',
    () => processors.pendingCount,
  );
  metrics.queue('key-gate', () => gate.waitingCount, gate.waitingMax);
  metrics.queue('sessions', () => sessions.count, sessions.sessionsMax);
  metrics.queue('snapshots', () => snapshots.openCount, snapshots.openMax);
  metrics.queue('fragment-bytes', () => Math.max(0, ...[...flows].map(({ bytes }) => bytes)), QUEUED_BYTES_MAX);
}
