/** `ashlar get`: values by their keys. */
import type { Entry, GridKey } from '@ashlar/api';
import { exactJson, keyJson, keyText, parseKey, requireMap, valueText, writeAll } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';

interface GetOptions extends CommonOptions {
  readonly text?: boolean;
  readonly raw?: boolean;
}

type Found = Entry<GridKey, unknown> | undefined;

export function getCommand(context: CliContext): Command {
  return gridCommand(context, 'get', 'show values by their keys', 'ashlar get accounts a1', [
    'ashlar get orders \'["customer 3", 17]\'',
  ])
    .argument('<map>', 'the map')
    .argument('<key...>', 'keys: JSON where it is JSON ("5" is text, 5 a number), else text')
    .option('--text', 'take each key as text, whatever it looks like')
    .option('--raw', 'show text as it is: without quotes, with its line breaks')
    .action((map: string, keys: string[], options: GetOptions) =>
      guarded(context, options, () => get(context, map, keys, options)),
    );
}

/** Keys that are not there are named, and make the exit code 1. */
async function get(context: CliContext, map: string, texts: readonly string[], options: GetOptions): Promise<void> {
  const { io, err } = context;
  const keys = texts.map((text) => parseKey(text, options.text));
  await withGrid(context, options, async (grid) => {
    const entries = grid.map(map);
    const found = await Promise.all(keys.map((key) => entries.getEntry(key, { signal: io.signal })));
    const missing = keys.filter((_, index) => found[index] === undefined);
    if (missing.length > 0) await requireMap(grid, map, io.signal);
    const lines = found.map((entry, index) => line(context, keys[index]!, entry, keys.length > 1, options));
    await writeAll(io.stdout, lines.join(''));
    if (missing.length === 0) return;
    context.exitCode = 1;
    for (const key of options.json ? [] : missing) err.line(`${map} has no key ${keyText(key)}`);
  });
}

function line(
  { out }: CliContext,
  key: GridKey,
  entry: Found,
  isOneOfMany: boolean,
  { json, raw }: GetOptions,
): string {
  if (json) return `${entryJson(key, entry)}\n`;
  if (entry === undefined) return '';
  const { value } = entry;
  if (raw && typeof value === 'string') return `${value}\n`;
  const isDocument = typeof value === 'object' && value !== null;
  return `${isDocument && out.isTerminal && !isOneOfMany ? exactJson(value, '  ') : valueText(value)}\n`;
}

function entryJson(key: GridKey, entry: Found): string {
  if (entry === undefined) return `{"key":${keyJson(key)},"found":false}`;
  const { value, version, expiresAtMs } = entry;
  const expiry = expiresAtMs === undefined ? '' : `,"expiresAt":${JSON.stringify(new Date(expiresAtMs))}`;
  return `{"key":${keyJson(key)},"found":true,"value":${exactJson(value)},"version":${version}${expiry}}`;
}
