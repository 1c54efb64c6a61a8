/** The figures of one member's parts: memory by map and kind, pools, the event loop, the door, the grid around it. */

import type { SpinFigures } from '@ashlar/core';
import { LoopDelay, type Reading } from '@ashlar/observe';
import type { StoreStats } from '@ashlar/storage';
import { type DoorStats, type SpinMode, spinFigures } from '@ashlar/transport';
import type { PoolStats } from '@ashlar/workers';
import type { Closers, MemberParts } from '../member-parts.ts';
import { servedEntries } from '../served-entries.ts';
import { replicationMetrics } from './replication-metrics.ts';

/** The user pools, by the depth of the calls that they run. */
const USER_POOLS = ['user-listener', 'user-processor', 'user-job'] as const;

export function memberMetrics(parts: MemberParts, closers: Closers): void {
  memoryMetrics(parts);
  loopMetrics(parts, closers);
  poolMetrics(parts);
  gridMetrics(parts);
  replicationMetrics(parts.metrics, parts.control, parts.replication);
}

/* ---- Memory --------------------------------------------------------------------------------------------------------- */

function memoryMetrics({ metrics, store, control, config }: MemberParts): void {
  const stats = onceATurn(() => store.stats());
  metrics.gauge(
    'ashlar_grid_memory_bytes',
    'Grid memory by map and kind; map "" is what belongs to none.',
    () => memoryReadings(stats(), control, metrics),
    ['map', 'kind'],
  );
  metrics.gauge('ashlar_grid_memory_max_bytes', 'Configured grid memory.', () => stats().maxBytes);
  metrics.gauge('ashlar_grid_memory_free_bytes', 'Grid memory in pages that nobody has.', () => stats().freeBytes);
  metrics.gauge(
    'ashlar_grid_memory_slack_bytes',
    'Grid memory between blocks of its pages: usable by blocks of the same size.',
    () => stats().slackBytes,
  );
  metrics.gauge(
    'ashlar_grid_memory_retired_bytes',
    'Grid memory given up that a reader may still see.',
    () => stats().retiredBytes,
  );
  metrics.gauge(
    'ashlar_map_entries',
    'Entries of a map on this member.',
    () => entryReadings(store, control, metrics),
    ['map'],
  );
  metrics.gauge('ashlar_log_bytes', 'Logs of all partitions, with the values they name.', () => stats().logBytes);
  metrics.gauge(
    'ashlar_log_kept_bytes',
    'Of the logs, what cannot be given up: not committed yet, or not read by a durable consumer.',
    () => stats().logKeptBytes,
  );
  metrics.gauge('ashlar_log_max_bytes', 'Bound of all logs together.', () => stats().logBytesMax);
  metrics.gauge(
    'ashlar_query_memory_max_bytes',
    'Configured memory of one query on one member.',
    () => config.memory.queryMaxBytes,
  );
  metrics.gauge('ashlar_snapshots_open', 'Open snapshots.', () => stats().snapshots);
  metrics.gauge('ashlar_expiry_timers', 'Entries that wait for their time to live.', () => stats().timers);
}

/** Many metrics of one page read the same figures: they are collected once. */
function onceATurn<T>(collect: () => T): () => T {
  let kept: { readonly value: T } | undefined;
  return () => {
    if (kept === undefined) {
      kept = { value: collect() };
      setImmediate(() => {
        kept = undefined;
      });
    }
    return kept.value;
  };
}

type Labelled = Pick<MemberParts['metrics'], 'maps'>;

/** Sums over the maps of one label: those without counters of their own share one. */
class Sums {
  readonly #values = new Map<string, { labels: Record<string, string>; value: number }>();

  add(labels: Record<string, string>, value: number): void {
    const key = JSON.stringify(labels);
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels, value });
    else known.value += value;
  }

  get readings(): Reading[] {
    return [...this.#values.values()];
  }
}

function memoryReadings(stats: StoreStats, control: MemberParts['control'], { maps }: Labelled): Reading[] {
  const byId = new Map(control.catalog.maps.map((map) => [map.id as number, map]));
  const sums = new Sums();
  for (const { mapId, bytes } of stats.maps) {
    const map = byId.get(mapId);
    const label = map === undefined ? '(dropped)' : maps.of(map).label;
    for (const [kind, value] of Object.entries(bytes)) sums.add({ map: label, kind }, value);
  }
  for (const [kind, value] of Object.entries(stats.systemBytes)) sums.add({ map: '', kind }, value);
  return sums.readings;
}

function entryReadings(store: MemberParts['store'], control: MemberParts['control'], { maps }: Labelled): Reading[] {
  const sums = new Sums();
  for (const map of control.catalog.maps) {
    sums.add({ map: maps.of(map).label }, servedEntries(store, control, map.id));
  }
  return sums.readings;
}

/* ---- Event loop and pools ------------------------------------------------------------------------------------------- */

function loopMetrics({ metrics, config }: MemberParts, closers: Closers): void {
  const loop = new LoopDelay();
  closers.push(() => loop.close());
  metrics.gauge(
    'ashlar_event_loop_delay_seconds',
    'How late the main loop was in the last 5 seconds, by quantile; 1 is the longest.',
    () => {
      const { p50, p99, max } = loop.delays;
      return [
        { labels: { quantile: '0.5' }, value: p50 },
        { labels: { quantile: '0.99' }, value: p99 },
        { labels: { quantile: '1' }, value: max },
      ];
    },
    ['quantile'],
  );
  spinMetrics(metrics, config.spin);
}

function spinMetrics(metrics: MemberParts['metrics'], mode: SpinMode): void {
  const figures = (): SpinFigures => spinFigures(mode);
  metrics.gauge(
    'ashlar_spin_allowed',
    'Whether the main loop may be kept turning between calls that follow each other closely: 1 where it may.',
    () => Number(figures().allowed),
  );
  metrics.gauge('ashlar_spin_still', 'Whether spinning stands still because others wanted the core.', () =>
    Number(figures().still),
  );
  metrics.counter(
    'ashlar_spins_total',
    'Times the main loop was kept turning for a moment, by whether something came meanwhile.',
    () => [
      { labels: { outcome: 'hit' }, value: figures().hits },
      { labels: { outcome: 'miss' }, value: figures().misses },
    ],
    ['outcome'],
  );
  metrics.counter(
    'ashlar_spin_preempted_total',
    'Times that spinning was found to be in the way of others.',
    () => figures().preempted,
  );
  metrics.counter(
    'ashlar_spin_seconds_total',
    'Time that the main loop was kept turning.',
    () => figures().spunMs / 1000,
  );
}

const POOL_GAUGES: readonly (readonly [string, string, (stats: PoolStats) => number])[] = [
  ['ashlar_pool_threads', 'Threads of a worker pool.', ({ threads }) => threads],
  ['ashlar_pool_busy', 'Threads that run a task.', ({ busy }) => busy],
  ['ashlar_pool_queued', 'Tasks that wait for a thread.', ({ queued }) => queued],
  ['ashlar_pool_queue_limit', 'Tasks that may wait; the next one is refused.', ({ queueMax }) => queueMax],
  ['ashlar_pool_stuck', 'Killed threads that have not ended: each burns a core.', ({ stuck }) => stuck],
];
const POOL_COUNTERS: readonly (readonly [string, string, (stats: PoolStats) => number])[] = [
  ['ashlar_pool_killed_total', 'Threads killed for time, memory or a cancelled call.', ({ killed }) => killed],
  ['ashlar_pool_died_total', 'Threads that died by themselves.', ({ died }) => died],
  ['ashlar_pool_restarts_total', 'Threads started in place of others.', ({ killed, died }) => killed + died],
  [
    'ashlar_pool_stray_errors_total',
    'Errors that surfaced in a worker and belonged to no call.',
    ({ strayErrors }) => strayErrors,
  ],
];

function poolMetrics({ metrics, queryPool, userPools }: MemberParts): void {
  const pools = (): readonly (readonly [string, PoolStats])[] => [
    ['query', queryPool.stats()],
    ...userPools.stats().map((stats, depth) => [USER_POOLS[depth]!, stats] as const),
  ];
  const rows = (read: (stats: PoolStats) => number) => (): Reading[] =>
    pools().map(([pool, stats]) => ({ labels: { pool }, value: read(stats) }));
  for (const [name, help, read] of POOL_GAUGES) metrics.gauge(name, help, rows(read), ['pool']);
  for (const [name, help, read] of POOL_COUNTERS) metrics.counter(name, help, rows(read), ['pool']);
  for (const [pool, { queueMax }] of pools()) {
    metrics.queue(`pool-${pool}`, () => new Map(pools()).get(pool)!.queued, queueMax);
  }
  const memory = async (read: 'heapBytes' | 'externalBytes'): Promise<Reading[]> => {
    const found = await Promise.all([queryPool.memory(), ...userPools.memory()]);
    return found.flatMap((workers, index) =>
      workers.map((worker) => ({
        labels: { pool: index === 0 ? 'query' : USER_POOLS[index - 1]!, worker: String(worker.index) },
        value: worker[read],
      })),
    );
  };
  const labels = ['pool', 'worker'];
  metrics.askedGauge(
    'ashlar_worker_heap_bytes',
    'V8 heap of a worker thread in use.',
    () => memory('heapBytes'),
    labels,
  );
  metrics.askedGauge(
    'ashlar_worker_external_bytes',
    'Memory of C++ objects and array buffers bound to a worker thread.',
    () => memory('externalBytes'),
    labels,
  );
}

/* ---- Grid and door ---------------------------------------------------------------------------------------------------- */

function gridMetrics({ metrics, control, hub }: MemberParts): void {
  metrics.gauge('ashlar_members', 'Members in the table.', () => control.table.members.length);
  metrics.gauge('ashlar_members_expected', 'Members the table waits for.', () => control.table.expectedMembers);
  metrics.gauge('ashlar_partitions_owned', 'Partitions this member is primary of.', () => control.ownPartitions.length);
  metrics.gauge('ashlar_table_version', 'Version of the partition table.', () => control.table.tableVersion);
  metrics.gauge('ashlar_subscriptions', 'Open subscriptions, those of listeners among them.', () => hub.count);
  metrics.queue('subscriptions', () => hub.count, hub.subscriptionsMax);
  metrics.gauge(
    'ashlar_subscription_lag_records',
    'Log records that the subscription which is furthest behind has not read.',
    () => hub.lag().most,
  );
  control.onCatalog(({ maps }) => metrics.maps.follow(maps));
  control.onTable((table, before) => {
    const isNewEpoch = table.epochs.some((epoch, partition) => epoch !== (before?.epochs[partition] ?? 0));
    if (isNewEpoch && table.owners.length > 0) metrics.epochChanges++;
  });
}

export function doorMetrics({ metrics }: MemberParts, stats: () => DoorStats): void {
  metrics.gauge('ashlar_connections', 'Links of clients and members to the gRPC door.', () => stats().connections);
  metrics.counter('ashlar_connections_total', 'Links there were.', () => stats().connectionsTotal);
  metrics.gauge('ashlar_calls', 'Calls and streams under way.', () => stats().calls);
  metrics.gauge('ashlar_kv_streams', 'Open streams of key-value batches.', () => stats().kvStreams);
  metrics.counter('ashlar_received_bytes_total', 'Bytes of messages received.', () => stats().bytesIn);
  metrics.counter('ashlar_sent_bytes_total', 'Bytes of messages sent.', () => stats().bytesOut);
  metrics.counter(
    'ashlar_call_errors_total',
    'Calls and streams that ended with an error, by its code.',
    () => [...stats().errors].map(([code, value]) => ({ labels: { code }, value })),
    ['code'],
  );
  metrics.queue('kv-stream-batches', () => stats().kvBatches, stats().kvBatchesMax);
  metrics.queue('unsent-bytes', () => stats().unsentBytes, stats().unsentBytesMax);
  metrics.gauge(
    'ashlar_unsent_bytes_most',
    'The most bytes of answers and events that were unsent at once since the member started.',
    () => stats().unsentBytesMost,
  );
  metrics.counter(
    'ashlar_links_cut_total',
    'Links that were cut because their callers did not read what they had asked for.',
    () => stats().linksCut,
  );
  metrics.queue('kv-stream-bytes', () => stats().kvBytes, stats().kvBytesMax);
}
