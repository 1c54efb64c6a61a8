/**
 * What a member counts, and its Prometheus text. Counting is plain number arithmetic on the main thread; prom-client
 * only keeps the names and writes the format when somebody asks.
 */
import { Counter, Gauge, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { LatencyHistogram } from './histogram.ts';

/** Bounds of the exposed latency buckets, microseconds. */
const BUCKETS_US = [
  10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
];

/** One value with labels, read when the page is asked for. */
export interface Reading {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export class MemberMetrics {
  readonly registry = new Registry();
  getHits = 0;
  getMisses = 0;
  puts = 0;
  removes = 0;
  processorCalls = 0;
  queries = 0;
  queryFailures = 0;
  eventsSent = 0;
  leaderElections = 0;
  replicationFailures = 0;
  readonly getLatency = new LatencyHistogram();
  readonly putLatency = new LatencyHistogram();
  readonly processLatency = new LatencyHistogram();
  readonly queryLatency = new LatencyHistogram();

  constructor() {
    this.#golden();
    this.#process();
  }

  /** A value that only grows. */
  counter(
    name: string,
    help: string,
    read: () => number | readonly Reading[],
    labelNames: readonly string[] = [],
  ): void {
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
  gauge(name: string, help: string, read: () => number | readonly Reading[], labelNames: readonly string[] = []): void {
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

  latency(name: string, help: string, histogram: LatencyHistogram): void {
    const metric = {
      name,
      help,
      type: 'histogram',
      get: async () => describe(name, help, histogram),
      reset: () => undefined,
    };
    this.registry.registerMetric(metric as unknown as Gauge);
  }

  #golden(): void {
    this.counter(
      'ashlar_gets_total',
      'Reads of entries by key, by what they found; hit rate = hit / (hit + miss).',
      () => [
        { labels: { result: 'hit' }, value: this.getHits },
        { labels: { result: 'miss' }, value: this.getMisses },
      ],
      ['result'],
    );
    this.counter('ashlar_puts_total', 'Writes of entries by key.', () => this.puts);
    this.counter('ashlar_removes_total', 'Removes of entries by key.', () => this.removes);
    this.counter('ashlar_processor_calls_total', 'Entry processor calls.', () => this.processorCalls);
    this.counter('ashlar_queries_total', 'SQL statements coordinated here.', () => this.queries);
    this.counter('ashlar_query_failures_total', 'SQL statements that ended in an error.', () => this.queryFailures);
    this.counter('ashlar_events_sent_total', 'Entry events sent to subscribers.', () => this.eventsSent);
    this.counter(
      'ashlar_leader_elections_total',
      'Coordinators elected, as this member saw it.',
      () => this.leaderElections,
    );
    this.counter('ashlar_replication_failures_total', 'Records a backup did not take.', () => this.replicationFailures);
    this.latency('ashlar_get_latency_seconds', 'GET from batch received to batch answered.', this.getLatency);
    this.latency('ashlar_put_latency_seconds', 'PUT from batch received to batch answered.', this.putLatency);
    this.latency('ashlar_process_latency_seconds', 'Processor call from received to answered.', this.processLatency);
    this.latency('ashlar_query_latency_seconds', 'SQL statement from received to last row.', this.queryLatency);
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
  }
}

function readings(read: number | readonly Reading[]): readonly Reading[] {
  return typeof read === 'number' ? [{ value: read }] : read;
}

function describe(
  name: string,
  help: string,
  histogram: LatencyHistogram,
): MetricObjectWithValues<MetricValue<string>> {
  const bucket = (le: string, value: number) => ({ metricName: `${name}_bucket`, labels: { le }, value });
  const values = [
    ...BUCKETS_US.map((us) => bucket(String(us / 1e6), histogram.countUpTo(us))),
    bucket('+Inf', histogram.total),
    { metricName: `${name}_sum`, labels: {}, value: histogram.sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: histogram.total },
  ];
  return { name, help, type: 'histogram', aggregator: 'sum', values } as unknown as MetricObjectWithValues<
    MetricValue<string>
  >;
}
