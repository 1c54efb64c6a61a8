/** The gauges of one member: memory by map and kind, queues with their bounds, event-loop delay, pools. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MemberParts } from '../member-parts.ts';
import type { Reading } from './metrics.ts';

const DELAY_RESOLUTION_MS = 10;
const LOOP_QUANTILES = [50, 99] as const;

export function memberMetrics({ metrics, store, queryPool, userLanes, hub, control }: MemberParts): void {
  metrics.gauge(
    'ashlar_grid_memory_bytes',
    'Grid memory by map and kind; map "" is what belongs to none.',
    () => memoryReadings(store, control),
    ['map', 'kind'],
  );
  metrics.gauge('ashlar_grid_memory_max_bytes', 'Configured grid memory.', () => store.stats().maxBytes);
  metrics.gauge(
    'ashlar_grid_memory_free_bytes',
    'Grid memory in pages that nobody has.',
    () => store.stats().freeBytes,
  );
  metrics.gauge('ashlar_map_entries', 'Entries of a map on this member.', () => entryReadings(store, control), ['map']);
  metrics.gauge('ashlar_log_bytes', 'Logs of all partitions, with the values they name.', () => store.stats().logBytes);
  metrics.gauge('ashlar_snapshots_open', 'Open snapshots.', () => store.stats().snapshots);
  metrics.gauge('ashlar_subscriptions', 'Open subscriptions.', () => hub.count);
  metrics.gauge('ashlar_sync_queue_depth', 'Records that wait for a backup. Without backups: 0.', () => 0);
  metrics.gauge('ashlar_members', 'Members in the table.', () => control.table.members.length);
  metrics.gauge('ashlar_partitions_owned', 'Partitions this member is primary of.', () => control.ownPartitions.length);
  const pools = (): readonly (readonly [string, ReturnType<typeof queryPool.stats>])[] => [
    ['query', queryPool.stats()],
    ...userLanes.stats().map((stats, depth) => [`user-${depth}`, stats] as const),
  ];
  for (const [field, help] of POOL_FIELDS) {
    metrics.gauge(
      `ashlar_pool_${field}`,
      help,
      () => pools().map(([pool, stats]) => ({ labels: { pool }, value: stats[CAMEL[field]] })),
      ['pool'],
    );
  }
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  metrics.gauge(
    'ashlar_event_loop_delay_seconds',
    'Delay of the main loop since it was last asked for, by quantile.',
    () => {
      const readings = LOOP_QUANTILES.map(
        (quantile): Reading => ({
          labels: { quantile: String(quantile / 100) },
          value: delay.percentile(quantile) / 1e9,
        }),
      );
      delay.reset();
      return readings;
    },
    ['quantile'],
  );
}

const POOL_FIELDS = [
  ['threads', 'Threads of a worker pool.'],
  ['busy', 'Threads that run a task.'],
  ['queued', 'Tasks that wait for a thread.'],
  ['queue_max', 'Tasks that may wait; the next one is refused.'],
  ['killed', 'Threads killed for time, memory or a cancelled call.'],
] as const;
const CAMEL = { threads: 'threads', busy: 'busy', queued: 'queued', queue_max: 'queueMax', killed: 'killed' } as const;

function memoryReadings(store: MemberParts['store'], control: MemberParts['control']): Reading[] {
  const { maps, systemBytes } = store.stats();
  const nameOf = new Map(control.state.maps.map(({ id, name }) => [id as number, name]));
  const readings = maps.flatMap(({ mapId, bytes }) => byKind(nameOf.get(mapId) ?? `dropped ${mapId}`, bytes));
  return [...readings, ...byKind('', systemBytes)];
}

function byKind(map: string, bytes: Readonly<Record<string, number>>): Reading[] {
  return Object.entries(bytes).map(([kind, value]) => ({ labels: { map, kind }, value }));
}

function entryReadings(store: MemberParts['store'], control: MemberParts['control']): Reading[] {
  return control.state.maps.map(({ id, name }) => ({ labels: { map: name }, value: store.entryCount(id) }));
}
