/** The figures of a load: as a table for people, a line a figure for programs. */

import { formatCount, formatDuration, formatRate, type TableData } from '@ashlar/terminal';
import type { LoadPlan, LoadResult, Tally } from './load.ts';

const NS_PER_MS = 1e6;
const PERCENTILES = [50, 99, 99.9] as const;

export interface Figure {
  readonly bench: string;
  readonly case: string;
  readonly subject: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
}

export function tableOf({ gets, puts, durationMs }: LoadResult): TableData {
  const names = ['', 'operations', 'per second', 'p50', 'p99', 'p99.9', 'most'];
  const columns = names.map((name, index) => ({ name, type: index === 0 ? ('text' as const) : ('numeric' as const) }));
  const row = (name: string, tally: Tally): unknown[] => [
    name,
    formatCount(tally.operations),
    formatRate(perSecond(tally, durationMs)),
    ...PERCENTILES.map((percentile) => latency(tally, percentile)),
    tally.operations === 0 ? '-' : formatDuration(tally.latencies.max / NS_PER_MS),
  ];
  return { columns, rows: [row('get', gets), row('put', puts)] };
}

/** One line: what happened so far. */
export function liveLine({ gets, puts, errors, durationMs }: LoadResult, plan: LoadPlan): string {
  const operations = gets.operations + puts.operations;
  const busiest = gets.operations >= puts.operations ? gets : puts;
  const name = busiest === gets ? 'get' : 'put';
  return [
    `${Math.floor(durationMs / 1000)} s of ${formatDuration(plan.durationMs)}`,
    formatRate((operations / durationMs) * 1000),
    `${name} p50 ${latency(busiest, 50)}, p99 ${latency(busiest, 99)}`,
    `${errorCount(errors)} errors`,
  ].join('  ');
}

export function errorCount(errors: ReadonlyMap<string, number>): number {
  return [...errors.values()].reduce((sum, count) => sum + count, 0);
}

export function figuresOf(result: LoadResult, plan: LoadPlan): Figure[] {
  const { keys, valueBytes, inFlight, reads } = plan;
  const about = {
    bench: 'load',
    case: `${reads}% reads, ${keys} keys, ${valueBytes} bytes, ${inFlight} in flight`,
    subject: 'ashlar',
  };
  const of = (name: string, tally: Tally): Figure[] => [
    { ...about, metric: `${name}_per_second`, value: Math.round(perSecond(tally, result.durationMs)), unit: '1/s' },
    ...PERCENTILES.map((percentile) => ({
      ...about,
      metric: `${name}_p${percentile}_ms`,
      value: tally.operations === 0 ? 0 : tally.latencies.percentile(percentile) / NS_PER_MS,
      unit: 'ms',
    })),
  ];
  const errors = { ...about, metric: 'errors', value: errorCount(result.errors), unit: '1' };
  return [...of('get', result.gets), ...of('put', result.puts), errors];
}

function perSecond({ operations }: Tally, durationMs: number): number {
  return (operations / durationMs) * 1000;
}

function latency({ operations, latencies }: Tally, percentile: number): string {
  return operations === 0 ? '-' : formatDuration(latencies.percentile(percentile) / NS_PER_MS);
}
