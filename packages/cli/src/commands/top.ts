/** `ashlar top`: members and maps, looked at again and again; on a terminal in place, elsewhere block by block. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemberStats } from '@ashlar/api';
import { formatQuantity, makeColours, startLiveBlock } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';
import { since } from '../stats/figures.ts';
import { type GridSummary, summarize } from '../stats/summary.ts';
import { mapTable, memberTable, plainSummary } from '../stats/tables.ts';

interface TopOptions extends CommonOptions {
  readonly interval: number;
  readonly count?: number;
}

const DEFAULT_INTERVAL_MS = 1000;
/** A member that answers later counts as silent. */
const ANSWER_MS = 2000;
/** On a terminal the block is redrawn in place and must fit. */
const MAPS_SHOWN_MAX = 15;
const CTRL_C = '\u0003';

export function topCommand(context: CliContext): Command {
  return gridCommand(context, 'top', 'members and maps, refreshed each second', 'ashlar top --interval 2000')
    .option('-i, --interval <ms>', 'time between two refreshes', parseCount, DEFAULT_INTERVAL_MS)
    .option('-n, --count <looks>', 'stop after this many', parseCount)
    .addHelpText('after', '\nRates, hit rates and latencies are over the interval. q or Ctrl-C leaves.')
    .action((options: TopOptions) => guarded(context, options, () => top(context, options)));
}

async function top(context: CliContext, options: TopOptions): Promise<void> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([context.io.signal, leaving.signal]);
  const stopKeys = context.io.onKey?.((key) => {
    if (key === 'q' || key === CTRL_C) leaving.abort();
  });
  try {
    await withGrid(context, options, async (grid) => {
      const show = shower(context, options);
      let before = await grid.stats({ signal, timeoutMs: ANSWER_MS });
      let beforeMs = performance.now();
      for (let looks = 0; looks < (options.count ?? Number.POSITIVE_INFINITY) && !signal.aborted; looks++) {
        await sleep(options.interval, undefined, { signal });
        const now = await grid.stats({ signal, timeoutMs: ANSWER_MS });
        const nowMs = performance.now();
        show(look(before, now, (nowMs - beforeMs) / 1000));
        [before, beforeMs] = [now, nowMs];
      }
    });
  } catch (error) {
    // Leaving is how this ends.
    if (!signal.aborted) throw error;
  } finally {
    stopKeys?.();
  }
}

function look(before: readonly MemberStats[], now: readonly MemberStats[], seconds: number): GridSummary {
  const grown = since(before, now);
  return summarize(grown, grown, { seconds });
}

/** How one look is shown. */
function shower({ out }: CliContext, { json }: TopOptions): (summary: GridSummary) => void {
  if (json) return (summary) => out.line(JSON.stringify({ time: new Date().toISOString(), ...plainSummary(summary) }));
  if (!out.isTerminal) return (summary) => out.line(`${block(summary).join('\n')}\n`);
  const live = startLiveBlock(out);
  return (summary) => live.draw(block(summary).map((line) => line.slice(0, out.width)));
}

function block({ members, maps }: GridSummary): string[] {
  const plain = makeColours(false);
  const time = new Date().toTimeString().slice(0, 8);
  const shown = maps.slice(0, MAPS_SHOWN_MAX);
  const lines = [
    `${formatQuantity(members.length, 'member')}, ${formatQuantity(maps.length, 'map')}   ${time}   q leaves`,
    ...memberTable(members, plain).split('\n'),
  ];
  if (shown.length > 0) lines.push(...mapTable(shown, plain).split('\n'));
  if (maps.length > shown.length) lines.push(`and ${formatQuantity(maps.length - shown.length, 'smaller map')}`);
  return lines;
}
