/** `ashlar keys`: the keys of a map over one snapshot, a key a line, in the form that `get` takes. */
import type { GridKey } from '@ashlar/api';
import { keyJson, keyText, sqlName, writeAll } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';

interface KeysOptions extends CommonOptions {
  readonly limit?: number;
  readonly prefix?: string;
  readonly timeout?: number;
}

export function keysCommand(context: CliContext): Command {
  return gridCommand(context, 'keys', 'list the keys of a map', 'ashlar keys accounts --prefix a --limit 10')
    .argument('<map>', 'the map')
    .option('-n, --limit <count>', 'at most this many keys', parseCount)
    .option('--prefix <text>', 'only keys whose text begins with this')
    .option('--timeout <ms>', 'give up after this many milliseconds', parseCount)
    .action((map: string, options: KeysOptions) => guarded(context, options, () => keys(context, map, options)));
}

async function keys(context: CliContext, map: string, options: KeysOptions): Promise<void> {
  const { limit, prefix, timeout } = options;
  const where = prefix === undefined ? '' : ' WHERE starts_with(__key::text, $1)';
  const statement = `SELECT __key FROM ${sqlName(map)}${where}${limit === undefined ? '' : ` LIMIT ${limit}`}`;
  const { signal, stdout } = context.io;
  await withGrid(context, options, async (grid) => {
    const found = grid.sql(statement, prefix === undefined ? [] : [prefix], { signal, timeoutMs: timeout });
    for await (const batch of found.batches()) {
      const lines = (batch.values(0) as readonly GridKey[]).map((key) => (options.json ? keyJson(key) : keyText(key)));
      await writeAll(stdout, lines.map((line) => `${line}\n`).join(''));
    }
  });
}
