/**
 * What a member counts, and how that is read: as Prometheus text (/metrics) and as data (Admin.Stats), from one registry.
 *
 * Counting is plain number arithmetic on the main thread; prom-client only keeps the names and writes the format when
 * somebody asks.
 *
 * metrics R1  A figure is read in one place, the `read` of its metric: text and data cannot differ but by the moment.
 * metrics R2  Labels are bounded: maps by MAPS_LABELLED_MAX, everything else by sets that the code knows.
 */
import type { ErrorCode } from '@ashlar/core';
import { Counter, Gauge, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { LatencyHistogram } from './histogram.ts';
import { COUNT, CountersByMap, type MapCounters } from './map-counters.ts';

/** Bounds of the exposed latency buckets, microseconds. */
const BUCKETS_US = [
  10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
];

/** One value with labels, read when the page is asked for. */
export interface Reading {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One line of the page, as data. */
export interface Figure {
  readonly name: string;
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  readonly value: number;
}

type Readings = number | readonly Reading[];

/** A place where something waits, and how much may. */
interface Queue {
  readonly name: string;
  readonly depth: () => number;
  readonly limit: number;
}

export class MemberMetrics {
  readonly registry = new Registry();
  readonly maps = new CountersByMap();
  /** Errors of key-value operations, which do not end their stream, by code. */
  readonly operationErrors = new Map<ErrorCode, number>();
  /** Exchanges with other members that a broken or silent link ended, by service. */
  readonly linkFailures = new Map<string, number>();
  queries = 0;
  queryFailures = 0;
  queriesByKey = 0;
  eventsSent = 0;
  filterDivisionsByZero = 0;
  filterOddValues = 0;
  epochChanges = 0;
  delayedAnswers = 0;
  readonly processLatency = new LatencyHistogram();
  readonly queryLatency = new LatencyHistogram();
  readonly #queues: Queue[] = [];

  constructor() {
    this.#golden();
    this.#statements();
    this.#process();
    this.#boundedQueues();
  }

  /** A value that only grows. */
  counter(name: string, help: string, read: () => Readings, labelNames: readonly string[] = []): void {
    this.registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames: [...labelNames],
        registers: [],
        collect() {
          this.reset();
          for (const { labels, value } of readings(read())) this.inc(labels ?? {}, value);
        },
      }),
    );
  }

  /** A value that rises and falls. */
  gauge(name: string, help: string, read: () => Readings, labelNames: readonly string[] = []): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [],
        collect() {
          this.reset();
          for (const { labels, value } of readings(read())) this.set(labels ?? {}, value);
        },
      }),
    );
  }

  /** A gauge whose value others have to be asked for. */
  askedGauge(name: string, help: string, ask: () => Promise<Readings>, labelNames: readonly string[]): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [],
        async collect() {
          const found = readings(await ask());
          this.reset();
          for (const { labels, value } of found) this.set(labels ?? {}, value);
        },
      }),
    );
  }

  /** Something that waits within a bound: a row of ashlar_queue_depth and ashlar_queue_limit. */
  queue(name: string, depth: () => number, limit: number): void {
    this.#queues.push({ name, depth, limit });
  }

  latency(name: string, help: string, read: () => readonly LabelledHistogram[]): void {
    const metric = {
      name,
      help,
      type: 'histogram',
      get: async () => describe(name, help, read()),
      reset: () => undefined,
    };
    this.registry.registerMetric(metric as unknown as Gauge);
  }

  /** An exchange with another member was ended by a link that broke, or by its silence. */
  linkFailed(service: string): void {
    this.linkFailures.set(service, (this.linkFailures.get(service) ?? 0) + 1);
  }

  /** `operations` key-value operations were answered with an error. */
  operationsFailed(code: ErrorCode, operations: number): void {
    this.operationErrors.set(code, (this.operationErrors.get(code) ?? 0) + operations);
  }

  /** Everything that /metrics shows, as data. */
  async figures(): Promise<Figure[]> {
    const metrics = (await this.registry.getMetricsAsJSON()) as unknown as readonly MetricObjectWithValues<
      MetricValue<string> & { readonly metricName?: string }
    >[];
    return metrics.flatMap(({ name, values }) =>
      values.map(({ metricName, labels, value }) => ({
        name: metricName ?? name,
        labels: Object.entries(labels).map(([label, of]) => ({ name: label, value: String(of) })),
        value,
      })),
    );
  }

  #golden(): void {
    const perMap = (kind: number) => (): Reading[] =>
      this.maps.all.map(({ label: map, counts }) => ({ labels: { map }, value: counts[kind]! }));
    this.counter(
      'ashlar_gets_total',
      'Reads of entries by key, by what they found; hit rate = hit / (hit + miss).',
      () => this.maps.all.flatMap(getReadings),
      ['map', 'result'],
    );
    this.counter('ashlar_puts_total', 'Writes of entries by key.', perMap(COUNT.puts), ['map']);
    this.counter('ashlar_removes_total', 'Removes of entries by key.', perMap(COUNT.removes), ['map']);
    this.counter('ashlar_processor_calls_total', 'Entry processor calls.', perMap(COUNT.calls), ['map']);
    const histograms = (of: (counters: MapCounters) => LatencyHistogram) => (): LabelledHistogram[] =>
      this.maps.all.map((counters) => ({ labels: { map: counters.label }, histogram: of(counters) }));
    this.latency(
      'ashlar_get_latency_seconds',
      'GET in this member, from its batch received to the batch answered; all GETs of a batch share its time.',
      histograms(({ getLatency }) => getLatency),
    );
    this.latency(
      'ashlar_put_latency_seconds',
      'PUT in this member, from its batch received to the batch answered; all PUTs of a batch share its time.',
      histograms(({ putLatency }) => putLatency),
    );
    this.counter(
      'ashlar_epoch_changes_total',
      'Changes of the partition table in which partitions got a new epoch, for a new primary or a new process of it, as this member saw them.',
      () => this.epochChanges,
    );
    this.counter(
      'ashlar_member_link_failures_total',
      'Exchanges with other members that a broken or silent link ended: forwarded reads and writes, parts of statements and jobs, changes of table and catalog.',
      () => SERVICES.map((service) => ({ labels: { service }, value: this.linkFailures.get(service) ?? 0 })),
      ['service'],
    );
    this.counter(
      'ashlar_operation_errors_total',
      'Key-value operations answered with an error, by its code.',
      () => [...this.operationErrors].map(([code, value]) => ({ labels: { code }, value })),
      ['code'],
    );
    this.counter(
      'ashlar_delayed_answers_total',
      'Batches of writes answered late because a log that listeners hold is nearly full.',
      () => this.delayedAnswers,
    );
  }

  #statements(): void {
    const alone = (histogram: LatencyHistogram) => () => [{ labels: {}, histogram }];
    this.counter('ashlar_queries_total', 'SQL statements coordinated here.', () => this.queries);
    this.counter(
      'ashlar_queries_by_key_total',
      'SQL statements that came as operations on their key, and were answered so.',
      () => this.queriesByKey,
    );
    this.counter('ashlar_query_failures_total', 'SQL statements that ended in an error.', () => this.queryFailures);
    this.counter('ashlar_events_sent_total', 'Entry events sent to subscribers.', () => this.eventsSent);
    this.counter(
      'ashlar_filter_divisions_by_zero_total',
      'Changes left out of a subscription because its condition divides by a zero of theirs.',
      () => this.filterDivisionsByZero,
    );
    this.counter(
      'ashlar_filter_odd_values_total',
      "Changes whose values of other kinds than a subscription's condition asks for read as NULL in it.",
      () => this.filterOddValues,
    );
    this.latency(
      'ashlar_process_latency_seconds',
      'Processor call from its batch received to the batch answered.',
      alone(this.processLatency),
    );
    this.latency('ashlar_query_latency_seconds', 'SQL statement from received to last row.', alone(this.queryLatency));
  }

  #process(): void {
    this.gauge('ashlar_heap_bytes', 'V8 heap of the main thread in use.', () => process.memoryUsage().heapUsed);
    this.gauge('ashlar_external_bytes', 'Memory of C++ objects and array buffers bound to the main thread.', () => {
      return process.memoryUsage().external;
    });
    this.gauge('ashlar_rss_bytes', 'Resident memory of the process, touched grid memory included.', () =>
      process.memoryUsage.rss(),
    );
    this.gauge('ashlar_uptime_seconds', 'Since the process started.', () => process.uptime());
    this.counter(
      'ashlar_event_loop_busy_seconds_total',
      'Time the main loop worked instead of waiting for something to do; its rate is the share of one core.',
      () => performance.eventLoopUtilization().active / 1000,
    );
  }

  #boundedQueues(): void {
    const rows = (read: (queue: Queue) => number) => (): Reading[] =>
      this.#queues.map((queue) => ({ labels: { queue: queue.name }, value: read(queue) }));
    this.gauge('ashlar_queue_depth', 'What waits, or is open, at a place with a bound.', rows(depthOf), ['queue']);
    this.gauge('ashlar_queue_limit', 'That bound; what comes beyond it is refused or waits.', rows(limitOf), ['queue']);
  }
}

const SERVICES = ['Kv', 'Sql', 'Compute', 'Events', 'Admin', 'Members'] as const;

interface LabelledHistogram {
  readonly labels: Readonly<Record<string, string>>;
  readonly histogram: LatencyHistogram;
}

function depthOf({ depth }: Queue): number {
  return depth();
}

function limitOf({ limit }: Queue): number {
  return limit;
}

function getReadings({ label: map, counts }: MapCounters): Reading[] {
  return [
    { labels: { map, result: 'hit' }, value: counts[COUNT.hits]! },
    { labels: { map, result: 'miss' }, value: counts[COUNT.misses]! },
  ];
}

function readings(read: Readings): readonly Reading[] {
  return typeof read === 'number' ? [{ value: read }] : read;
}

function describe(
  name: string,
  help: string,
  histograms: readonly LabelledHistogram[],
): MetricObjectWithValues<MetricValue<string>> {
  const values = histograms.flatMap(({ labels, histogram }) => [
    ...BUCKETS_US.map((us) => bucket(name, labels, String(us / 1e6), histogram.countUpTo(us))),
    bucket(name, labels, '+Inf', histogram.total),
    { metricName: `${name}_sum`, labels, value: histogram.sumSeconds },
    { metricName: `${name}_count`, labels, value: histogram.total },
  ]);
  return { name, help, type: 'histogram', aggregator: 'sum', values } as unknown as MetricObjectWithValues<
    MetricValue<string>
  >;
}

function bucket(name: string, labels: Readonly<Record<string, string>>, le: string, value: number) {
  return { metricName: `${name}_bucket`, labels: { ...labels, le }, value };
}
