/** `ashlar recover`: an operator accepts that partitions are lost; they begin anew, empty. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Grid, GridError } from '@ashlar/api';
import { formatDuration } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';
import { parsePartitions, partitionsText } from '../values/partitions.ts';

/** Leases end within seconds: who waits longer is told why. */
const WAIT_MAX_MS = 30_000;
const WAIT_LEAST_MS = 50;

interface RecoverOptions extends CommonOptions {
  readonly acceptLoss: readonly number[] | 'all';
}

export function recoverCommand(context: CliContext): Command {
  const example = 'ashlar recover --accept-loss 3,5-9';
  return gridCommand(context, 'recover', 'begin lost partitions anew, empty', example, [
    'ashlar recover --accept-loss all',
  ])
    .requiredOption(
      '--accept-loss <partitions>',
      'whose entries are given up: 3,5-9, or all that are lost',
      parsePartitions,
    )
    .addHelpText(
      'after',
      '\nA partition is lost when every member that held a copy has died (ashlar cluster lists them). What they held is gone;\nkeys of lost partitions fail with PARTITION_LOST until an operator accepts it.',
    )
    .action((options: RecoverOptions) => guarded(context, options, () => recover(context, options)));
}

async function recover(context: CliContext, options: RecoverOptions): Promise<void> {
  const { io, out, err } = context;
  await withGrid(context, options, async (grid) => {
    const recovered = await whenLeasesHaveEnded(grid, options.acceptLoss, io.signal, (waitMs) =>
      err.line(`waiting ${formatDuration(waitMs)}: who held them last may still serve`),
    );
    if (options.json) out.line(JSON.stringify({ recovered }));
    else if (recovered.length === 0) out.line('no partition is lost');
    else
      out.line(
        `begun anew, empty: ${recovered.length === 1 ? 'partition' : 'partitions'} ${partitionsText(recovered)}`,
      );
  });
}

/** Asks again when the last lease that somebody may hold has ended. */
async function whenLeasesHaveEnded(
  grid: Grid,
  partitions: readonly number[] | 'all',
  signal: AbortSignal,
  tell: (waitMs: number) => void,
): Promise<readonly number[]> {
  const deadlineMs = performance.now() + WAIT_MAX_MS;
  for (;;) {
    try {
      return await grid.recover(partitions, { signal });
    } catch (error) {
      if (!GridError.is(error, 'LEASE_HELD')) throw error;
      const waitMs = Math.max(WAIT_LEAST_MS, Number(error.details?.['waitMs'] ?? 0));
      if (performance.now() + waitMs > deadlineMs) throw error;
      tell(waitMs);
      await sleep(waitMs, undefined, { signal });
    }
  }
}
