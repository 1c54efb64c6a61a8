/** `ashlar stats`: one look at the grid, or at one map on each of its members. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Grid, GridError, type MemberStats } from '@ashlar/api';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';
import { labelValues, since } from '../stats/figures.ts';
import { mapByMember, summarize } from '../stats/summary.ts';
import { listenerTable, mapByMemberTable, mapTable, memberTable, plainLine, plainSummary } from '../stats/tables.ts';

/** Rates are those of such a moment. */
const LOOK_MS = 500;
const MAPS_NAMED_MAX = 10;

export function statsCommand(context: CliContext): Command {
  return gridCommand(context, 'stats', 'members and maps as they are now', 'ashlar stats flights')
    .argument('[map]', 'only this map, one line per member')
    .addHelpText(
      'after',
      '\nRates are over half a second; hit rate and latencies count since the members started.\nTimes are measured in the members: from a batch received to the batch answered.',
    )
    .action((map: string | undefined, options: CommonOptions) =>
      guarded(context, options, () => showStats(context, map, options)),
    );
}

async function showStats(context: CliContext, map: string | undefined, options: CommonOptions): Promise<void> {
  await withGrid(context, options, async (grid) => {
    const { first, second, seconds } = await twoLooks(grid, context.io.signal);
    const rates = since(first, second);
    if (map !== undefined) showMap(context, map, rates, second, seconds, options);
    else showGrid(context, rates, second, seconds, options);
    if (second.every(({ error }) => error !== undefined)) context.exitCode = 1;
  });
}

async function twoLooks(
  grid: Grid,
  signal: AbortSignal,
): Promise<{ first: readonly MemberStats[]; second: readonly MemberStats[]; seconds: number }> {
  const first = await grid.stats({ signal });
  const startMs = performance.now();
  await sleep(LOOK_MS, undefined, { signal });
  const second = await grid.stats({ signal });
  return { first, second, seconds: (performance.now() - startMs) / 1000 };
}

function showGrid(
  { out }: CliContext,
  rates: readonly MemberStats[],
  whole: readonly MemberStats[],
  seconds: number,
  { json }: CommonOptions,
): void {
  const summary = summarize(rates, whole, { seconds });
  if (json) {
    out.line(JSON.stringify(plainSummary(summary)));
    return;
  }
  out.line(memberTable(summary.members, out.colours));
  if (summary.maps.length > 0) out.line(mapTable(summary.maps, out.colours));
  if (summary.listeners.length > 0) out.line(listenerTable(summary.listeners, out.colours));
}

function showMap(
  { out }: CliContext,
  map: string,
  rates: readonly MemberStats[],
  whole: readonly MemberStats[],
  seconds: number,
  { json }: CommonOptions,
): void {
  const known = labelValues(
    whole.flatMap(({ figures }) => figures),
    'ashlar_map_entries',
    'map',
  );
  if (!known.includes(map)) {
    const named = known.slice(0, MAPS_NAMED_MAX).join(', ');
    const hint = known.length === 0 ? 'the grid has no maps yet' : `there are ${named}`;
    throw new GridError('UNKNOWN_MAP', `unknown map '${map}'`, { hint });
  }
  const lines = mapByMember(map, rates, whole, seconds);
  if (json) out.line(JSON.stringify({ map, members: lines.map(plainLine) }));
  else out.line(mapByMemberTable(lines, out.colours));
}
