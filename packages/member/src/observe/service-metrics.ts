/** The figures of one member's services: what waits in them, and how much may. */

import type { ProcessorCalls } from '@ashlar/compute-runtime';
import type { EventHub } from '@ashlar/events';
import type { Sessions } from '@ashlar/kv';
import type { MemberMetrics } from '@ashlar/observe';
import { HELD_KINDS, type KeyGate, type LocalSnapshots, type RoomQueue, type WritePath } from '@ashlar/partitions';
import type { HeldMemory } from '@ashlar/sql-runtime';
import { type ObservedReplication, undecidedRecords } from './replication-metrics.ts';

export interface ObservedServices {
  readonly gate: KeyGate;
  readonly rooms: RoomQueue;
  readonly sessions: Sessions;
  readonly processors: ProcessorCalls;
  readonly hub: EventHub;
  readonly held: HeldMemory;
  readonly snapshots: LocalSnapshots;
  readonly writes: WritePath;
  /** Undefined: the grid keeps no copies. */
  readonly replication: ObservedReplication | undefined;
}

export function serviceMetrics(metrics: MemberMetrics, observed: ObservedServices): void {
  const { gate, rooms, sessions, processors, hub, held, snapshots, writes, replication } = observed;
  metrics.gauge(
    'ashlar_sync_queue_depth',
    'What is behind: mutations that wait for a processor to let their key go, or for room in a log that listeners hold, committed log records that subscriptions and listeners have not read, and log records that not every copy in sync has.',
    () => [
      { labels: { kind: 'key-gate' }, value: gate.waitingCount },
      { labels: { kind: 'log-room' }, value: rooms.count },
      { labels: { kind: 'events' }, value: hub.lag().sum },
      { labels: { kind: 'replication' }, value: undecidedRecords(replication) },
    ],
    ['kind'],
  );
  metrics.counter(
    'ashlar_lost_batches_total',
    'Batches that were lost with a partition after they were sealed, in part or as a whole.',
    () => writes.lostBatches,
  );
  metrics.counter(
    'ashlar_held_answers_total',
    'Answers that waited for a commit, by what they tell.',
    () => HELD_KINDS.map((kind) => ({ labels: { kind }, value: writes.held.of(kind) })),
    ['kind'],
  );
  metrics.gauge(
    'ashlar_query_memory_bytes',
    'What statements and jobs under way hold here: batches that wait for readers, rows gathered for merges and joins, merged results, partial results of jobs.',
    () => held.bytes,
  );
  metrics.counter(
    'ashlar_results_given_up_total',
    'Results that were not read for too long, or while others needed the memory.',
    () => held.givenUpCount,
  );
  metrics.counter(
    'ashlar_snapshots_expired_total',
    'Snapshots that ended before their readers: by age without progress, or because grid memory was short.',
    () => [
      { labels: { reason: 'age' }, value: snapshots.expired.age },
      { labels: { reason: 'memory' }, value: snapshots.expired.memory },
    ],
    ['reason'],
  );
  metrics.gauge(
    'ashlar_snapshot_untouched_seconds',
    'Since the snapshot that waits for longest was last read.',
    () => snapshots.longestUntouchedMs / 1000,
  );
  metrics.gauge('ashlar_sessions', 'Sessions of clients and members.', () => sessions.count);
  metrics.gauge(
    'ashlar_keys_held',
    'Keys that processors hold, or searches for what was sent again.',
    () => gate.heldCount,
  );
  metrics.gauge(
    'ashlar_processor_calls_pending',
    'Keys whose processor calls wait for a worker.',
    () => processors.pendingCount,
  );
  metrics.queue('key-gate', () => gate.waitingCount, gate.waitingMax);
  metrics.queue('log-room', () => rooms.count, rooms.waitingMax);
  metrics.queue('sessions', () => sessions.count, sessions.sessionsMax);
  metrics.queue('snapshots', () => snapshots.openCount, snapshots.openMax);
  metrics.queue('statement-bytes', () => held.bytes, held.bytesMax);
  metrics.queue('largest-statement-bytes', () => held.bytesOfLargest, held.statementBytesMax);
}
