/** The end of the show: all figures as one JSON line, and for people what listens where and what to try next. */
import { formatBytes, type Screen, toPlain } from '@ashlar/terminal';
import type { HistogramFigures } from './compute.ts';
import type { FraudFigures } from './fraud.ts';
import type { MemberMemory } from './health.ts';
import type { LoadFigures } from './load.ts';
import type { ShowOptions } from './options.ts';
import type { Answer } from './select.ts';
import { headline } from './stage.ts';

export interface ShowFigures {
  readonly load: LoadFigures;
  readonly select: readonly Answer[];
  readonly compute: HistogramFigures;
  readonly fraud: FraudFigures;
  readonly members: readonly MemberMemory[];
  /** From the first line to this one. */
  readonly seconds: number;
}

export function figuresJson(figures: ShowFigures): string {
  return JSON.stringify(toPlain(figures));
}

export function tellEnd(screen: Screen, options: ShowOptions, members: readonly MemberMemory[]): void {
  const { bold, dim, cyan } = screen.colours;
  headline(screen, 'members', options.once ? 'they stop now' : 'they serve until Ctrl-C');
  for (const { name, address, httpAddress, heapBytes, rssBytes } of members) {
    const memory = dim(`heap ${formatBytes(heapBytes)}, resident ${formatBytes(rssBytes)}`);
    screen.line(`  ${bold(name)}  gRPC ${address}  metrics http://${httpAddress}/metrics  ${memory}`);
  }
  if (options.once) return;
  const address = options.port === 7710 ? '' : ` --address 127.0.0.1:${options.port}`;
  screen.line();
  screen.line('  Try next, in another terminal:');
  screen.line(cyan(`    npx ashlar sql${address} "SELECT rule, count(*), max(amount) FROM alerts GROUP BY rule"`));
  screen.line(cyan(`    npx ashlar sql${address} "EXPLAIN SELECT avg(delay) FROM flights WHERE origin = 'SEA'"`));
  screen.line(cyan(`    npx ashlar import examples/node_modules/vega-datasets/data/stocks.csv --map stocks${address}`));
  screen.line(dim('  and read examples/src/fraud/fraud.processors.ts: what runs beside the data, in 60 lines'));
}
