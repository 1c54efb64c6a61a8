/** A look at a grid as tables for people, and as plain data for programs. Pure. */
import {
  type Colours,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatShare,
  renderTable,
} from '@ashlar/terminal';
import type { Activity, GridSummary, ListenerLine, MapLine, MemberLine } from './summary.ts';

const ACTIVITY = ['gets/s', 'hits', 'puts/s', 'get p50', 'get p99', 'put p50', 'put p99'] as const;

export function memberTable(members: readonly MemberLine[], colours: Colours): string {
  const activity = ['gets/s', 'hits', 'puts/s', 'get p99', 'put p99'];
  const names = ['member', 'entries', 'memory', 'heap', 'loop p99', ...activity, 'sql/s', 'errors/s', 'links'];
  const rows = members.map((line) => [
    line.member,
    ...(line.error === undefined ? memberCells(line) : [line.error, ...names.slice(2).map(() => '')]),
  ]);
  return table(names, rows, colours);
}

function memberCells(line: MemberLine): string[] {
  const used = `${formatBytes(line.memoryUsedBytes)} of ${formatBytes(line.memoryMaxBytes)}`;
  return [
    formatCount(line.entries),
    used,
    formatBytes(line.heapBytes),
    time(line.eventLoopP99Ms),
    ...[rate(line.getsPerSecond), formatShare(line.hitRate), rate(line.putsPerSecond)],
    ...[time(line.getP99Ms), time(line.putP99Ms)],
    rate(line.queriesPerSecond),
    rate(line.errorsPerSecond),
    formatCount(line.connections),
  ];
}

export function mapTable(maps: readonly MapLine[], colours: Colours): string {
  const rows = maps.map((line) => [line.map, ...mapCells(line)]);
  return table(['map', 'entries', 'bytes', ...ACTIVITY], rows, colours);
}

export function listenerTable(listeners: readonly ListenerLine[], colours: Colours): string {
  const columns = ['listener', 'map', 'state', 'on'].map((name) => ({ name, type: 'text' as const }));
  const rows = listeners.map(({ listener, map, state, members }) => [listener, map, state, members.join(', ')]);
  return renderTable({ columns, rows }, { colours, types: false });
}

/** One map, a line a member. */
export function mapByMemberTable(lines: readonly (MapLine & { readonly member: string })[], colours: Colours): string {
  const rows = lines.map((line) => [line.member, ...mapCells(line)]);
  return table(['member', 'entries', 'bytes', ...ACTIVITY], rows, colours);
}

function mapCells(line: MapLine): string[] {
  return [formatCount(line.entries), formatBytes(line.bytes), ...activityCells(line)];
}

function activityCells({ getsPerSecond, hitRate, putsPerSecond, ...latency }: Activity): string[] {
  const { getP50Ms, getP99Ms, putP50Ms, putP99Ms } = latency;
  const times = [getP50Ms, getP99Ms, putP50Ms, putP99Ms].map(time);
  return [rate(getsPerSecond), formatShare(hitRate), rate(putsPerSecond), ...times];
}

function time(ms: number): string {
  return Number.isFinite(ms) ? formatDuration(ms) : '-';
}

function rate(perSecond: number): string {
  return perSecond === 0 ? '0' : formatRate(perSecond).replace('/s', '');
}

function table(names: readonly string[], rows: readonly (readonly string[])[], colours: Colours): string {
  const columns = names.map((name, index) => ({ name, type: index === 0 ? ('text' as const) : ('float8' as const) }));
  return renderTable({ columns, rows }, { colours, types: false });
}

/** The summary as JSON has it: null where there is no number. */
export function plainSummary({ members, maps, listeners }: GridSummary): object {
  return { members: members.map(plainLine), maps: maps.map(plainLine), listeners };
}

export function plainLine(line: object): object {
  return Object.fromEntries(
    Object.entries(line).map(([name, value]) => [
      name,
      typeof value === 'number' && !Number.isFinite(value) ? null : (value ?? null),
    ]),
  );
}
