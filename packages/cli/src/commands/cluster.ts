/** `ashlar cluster`: members, and who holds which partition. */
import type { ClusterState } from '@ashlar/api';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';
import { isSound, memberCopiesTable, partitionTable, summaryLine, unsound } from '../stats/cluster.ts';

interface ClusterOptions extends CommonOptions {
  readonly partitions?: boolean;
}

/** Partitions that lack something are listed without being asked for, up to so many. */
const SHOWN_MAX = 20;

export function clusterCommand(context: CliContext): Command {
  return gridCommand(context, 'cluster', 'members, and who holds which partition', 'ashlar cluster --partitions')
    .option('--partitions', 'a line for every partition, not only for those that lack something')
    .addHelpText('after', '\nExit code 1: a partition has no primary, or is lost.')
    .action((options: ClusterOptions) => guarded(context, options, () => showCluster(context, options)));
}

async function showCluster(context: CliContext, options: ClusterOptions): Promise<void> {
  const { io } = context;
  await withGrid(context, options, async (grid) => {
    const state = await grid.cluster({ signal: io.signal });
    if (!isSound(state)) context.exitCode = 1;
    if (options.json) context.out.line(JSON.stringify(state));
    else print(context, state, options.partitions === true);
  });
}

function print({ out }: CliContext, state: ClusterState, isAllAsked: boolean): void {
  out.line(summaryLine(state));
  out.line(memberCopiesTable(state, out.colours));
  const all = state.partitions.map((row, partition) => ({ ...row, partition }));
  const shown = isAllAsked ? all : unsound(state).slice(0, SHOWN_MAX);
  if (shown.length > 0) out.line(partitionTable(shown, out.colours));
  const left = isAllAsked ? 0 : unsound(state).length - shown.length;
  if (left > 0) out.line(`${left} more; --partitions shows all`);
}
