/** One look at a grid, from what its members report: a line a member, a line a map. Pure. */
import type { Figure, MemberStats } from '@ashlar/api';
import { labelValues, quantileMs, sumOf } from './figures.ts';

/** The work of clients, in an interval or since the start. NaN: nothing to divide by. */
export interface Activity {
  readonly getsPerSecond: number;
  readonly hitRate: number;
  readonly putsPerSecond: number;
  readonly getP50Ms: number;
  readonly getP99Ms: number;
  readonly putP50Ms: number;
  readonly putP99Ms: number;
}

export interface MemberLine extends Activity {
  readonly member: string;
  readonly address: string;
  /** The code of why nothing is known of it. */
  readonly error: string | undefined;
  readonly uptimeSeconds: number;
  readonly entries: number;
  readonly memoryUsedBytes: number;
  readonly memoryMaxBytes: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly eventLoopP99Ms: number;
  readonly queriesPerSecond: number;
  readonly connections: number;
  readonly errorsPerSecond: number;
}

export interface MapLine extends Activity {
  readonly map: string;
  readonly entries: number;
  readonly bytes: number;
}

export interface GridSummary {
  readonly members: readonly MemberLine[];
  /** The largest first; those of the grid itself (sys.*) are left out. */
  readonly maps: readonly MapLine[];
  readonly listeners: readonly ListenerLine[];
}

/** A listener over all members. */
export interface ListenerLine {
  readonly listener: string;
  readonly map: string;
  /** The worst state that a member reports: quarantined, failing, ended (with its map), waiting (for one), healthy. */
  readonly state: string;
  /** The members that report it. */
  readonly members: readonly string[];
}

export interface SummaryOptions {
  /** Seconds between the two looks; counters are shown per second. */
  readonly seconds: number;
}

/**
 * @param rates  figures in which what grows is given for an interval
 * @param whole  figures whose hit rates and latencies count; the same as `rates`, or those since the start
 */
export function summarize(
  rates: readonly MemberStats[],
  whole: readonly MemberStats[],
  { seconds }: SummaryOptions,
): GridSummary {
  const allRates = rates.flatMap(({ figures }) => figures);
  const allWhole = whole.flatMap(({ figures }) => figures);
  const names = labelValues(allRates, 'ashlar_map_entries', 'map').filter((map) => !map.startsWith('sys.'));
  const maps = names.map(
    (map): MapLine => ({
      map,
      entries: sumOf(allRates, 'ashlar_map_entries', { map }),
      bytes: sumOf(allRates, 'ashlar_grid_memory_bytes', { map }),
      ...activity(allRates, allWhole, seconds, { map }),
    }),
  );
  return {
    members: rates.map((stats, index) => memberLine(stats, whole[index]!, seconds)),
    maps: maps.sort((a, b) => b.bytes - a.bytes || (a.map < b.map ? -1 : 1)),
    listeners: listenerLines(whole),
  };
}

const WORST_FIRST = ['quarantined', 'failing', 'ended', 'waiting', 'healthy'];

function listenerLines(members: readonly MemberStats[]): readonly ListenerLine[] {
  const lines = new Map<string, { listener: string; map: string; state: string; members: string[] }>();
  for (const state of WORST_FIRST) {
    for (const { member, figures } of members) {
      for (const { name, labels } of figures) {
        if (name !== 'ashlar_listener_state' || labels['state'] !== state) continue;
        const { listener = '', map = '' } = labels;
        const line = lines.get(`${listener} ${map}`) ?? { listener, map, state, members: [] };
        if (line.state === state) line.members.push(member);
        lines.set(`${listener} ${map}`, line);
      }
    }
  }
  return [...lines.values()].sort((a, b) => (a.listener < b.listener ? -1 : 1));
}

/** One map on each member. */
export function mapByMember(
  map: string,
  rates: readonly MemberStats[],
  whole: readonly MemberStats[],
  seconds: number,
): readonly (MapLine & { readonly member: string; readonly kinds: Readonly<Record<string, number>> })[] {
  return rates.map(({ member, figures }, index) => ({
    member,
    map,
    entries: sumOf(figures, 'ashlar_map_entries', { map }),
    bytes: sumOf(figures, 'ashlar_grid_memory_bytes', { map }),
    kinds: Object.fromEntries(
      figures
        .filter(({ name, labels }) => name === 'ashlar_grid_memory_bytes' && labels['map'] === map)
        .map(({ labels, value }) => [labels['kind']!, value]),
    ),
    ...activity(figures, whole[index]!.figures, seconds, { map }),
  }));
}

function memberLine({ member, address, figures, error }: MemberStats, whole: MemberStats, seconds: number): MemberLine {
  const maxBytes = sumOf(figures, 'ashlar_grid_memory_max_bytes');
  const errors = sumOf(figures, 'ashlar_call_errors_total') + sumOf(figures, 'ashlar_operation_errors_total');
  return {
    member,
    address,
    error: error?.code,
    uptimeSeconds: sumOf(figures, 'ashlar_uptime_seconds'),
    entries: sumOf(figures, 'ashlar_map_entries'),
    memoryUsedBytes: maxBytes - sumOf(figures, 'ashlar_grid_memory_free_bytes'),
    memoryMaxBytes: maxBytes,
    heapBytes: sumOf(figures, 'ashlar_heap_bytes'),
    rssBytes: sumOf(figures, 'ashlar_rss_bytes'),
    eventLoopP99Ms: sumOf(figures, 'ashlar_event_loop_delay_seconds', { quantile: '0.99' }) * 1000,
    queriesPerSecond: sumOf(figures, 'ashlar_queries_total') / seconds,
    connections: sumOf(figures, 'ashlar_connections'),
    errorsPerSecond: errors / seconds,
    ...activity(figures, whole.figures, seconds, {}),
  };
}

function activity(
  rates: readonly Figure[],
  whole: readonly Figure[],
  seconds: number,
  labels: Readonly<Record<string, string>>,
): Activity {
  const gets = sumOf(whole, 'ashlar_gets_total', labels);
  const get = (quantile: number): number => quantileMs(whole, 'ashlar_get_latency_seconds', quantile, labels);
  const put = (quantile: number): number => quantileMs(whole, 'ashlar_put_latency_seconds', quantile, labels);
  return {
    getsPerSecond: sumOf(rates, 'ashlar_gets_total', labels) / seconds,
    hitRate: sumOf(whole, 'ashlar_gets_total', { ...labels, result: 'hit' }) / gets,
    putsPerSecond: sumOf(rates, 'ashlar_puts_total', labels) / seconds,
    getP50Ms: get(0.5),
    getP99Ms: get(0.99),
    putP50Ms: put(0.5),
    putP99Ms: put(0.99),
  };
}
