/** `ashlar bench`: what a running grid does for one client, in a map of its own that is gone afterwards. */
import { randomUUID } from 'node:crypto';
import { type Grid, GridError } from '@ashlar/api';
import { seededRandom } from '@ashlar/core';
import { formatBytes, formatCount, formatQuantity, renderTable, startLiveBlock } from '@ashlar/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { fill, type LoadPlan, type LoadResult, runLoad } from '../bench/load.ts';
import { errorCount, figuresOf, liveLine, tableOf } from '../bench/report.ts';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';

interface BenchOptions extends CommonOptions {
  readonly map?: string;
  readonly keys: number;
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly reads: number;
  readonly seconds: number;
}

export function benchCommand(context: CliContext): Command {
  return gridCommand(
    context,
    'bench',
    'measure a running grid',
    'ashlar bench --reads 95 --in-flight 256 --seconds 10',
    ['ashlar bench --in-flight 1 --json'],
  )
    .option('-m, --map <name>', 'the map to create, and to drop at the end; it must not exist (default: a new name)')
    .option('-k, --keys <count>', 'keys stored first, then used', parseCount, 100_000)
    .option('--value-bytes <count>', 'size of a value', parseCount, 100)
    .option('-c, --in-flight <count>', 'operations in flight at once', parseCount, 64)
    .option('--reads <percent>', 'share of gets; the others put', parsePercent, 95)
    .option('-s, --seconds <count>', 'how many seconds to run', parseCount, 10)
    .action((options: BenchOptions) =>
      guarded(context, options, () => withGrid(context, options, (grid) => bench(context, grid, options))),
    );
}

/** Ctrl-C ends it early: the map is dropped and the figures so far are printed all the same. */
async function bench(context: CliContext, grid: Grid, options: BenchOptions): Promise<void> {
  const { keys, valueBytes, inFlight, reads, seconds } = options;
  const plan: LoadPlan = { keys, valueBytes, inFlight, reads, durationMs: seconds * 1000 };
  const name = options.map ?? `bench-${randomUUID().slice(0, 8)}`;
  if ((await grid.maps()).some((map) => map.name === name)) {
    throw new GridError('INVALID_ARGUMENT', `there is a map ${name} already, and bench would drop it`, {
      hint: 'give --map a name that is free, or leave it out',
    });
  }
  const result = await measure(context, grid, name, plan);
  if (result === undefined) return;
  tell(context, options, plan, result);
  if (errorCount(result.errors) > 0) context.exitCode = 1;
  if (context.io.signal.aborted) context.exitCode = 130;
}

/** @returns undefined when Ctrl-C came before the load began */
async function measure(
  { io, err }: CliContext,
  grid: Grid,
  name: string,
  plan: LoadPlan,
): Promise<LoadResult | undefined> {
  const map = grid.map<Uint8Array>(name);
  const size = `${formatCount(plan.keys)} keys, ${formatBytes(plan.keys * plan.valueBytes)} of values`;
  err.line(err.colours.dim(`filling ${name}: ${size}`));
  const block = startLiveBlock(err);
  try {
    await fill(map, plan, io.signal);
    const random = seededRandom(Date.now());
    return await runLoad(
      map,
      plan,
      io.signal,
      () => random.next(),
      (soFar) => block.draw([liveLine(soFar, plan)]),
    );
  } finally {
    block.stop();
    await grid.drop(name);
  }
}

function tell({ out, err }: CliContext, { json }: BenchOptions, plan: LoadPlan, result: LoadResult): void {
  if (json) {
    for (const figure of figuresOf(result, plan)) out.line(JSON.stringify(figure));
    return;
  }
  const { inFlight, reads, valueBytes } = plan;
  out.line(`${reads} % gets, values of ${formatBytes(valueBytes)}, ${inFlight} under way, one client`);
  out.line(renderTable(tableOf(result), { colours: out.colours, types: false }));
  for (const [code, count] of result.errors) err.line(err.colours.red(`${formatQuantity(count, 'error')}: ${code}`));
}

function parsePercent(text: string): number {
  const percent = Number(text);
  if (text.trim() !== '' && percent >= 0 && percent <= 100) return percent;
  throw new InvalidArgumentError('a percentage from 0 to 100 is expected.');
}
