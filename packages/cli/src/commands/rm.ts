/** `ashlar rm`: removes entries. */

import { formatQuantity, parseKey, requireMap } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';

interface RemoveOptions extends CommonOptions {
  readonly text?: boolean;
}

export function rmCommand(context: CliContext): Command {
  return gridCommand(context, 'rm', 'remove entries', 'ashlar rm accounts a1 a2')
    .argument('<map>', 'the map')
    .argument('<key...>', 'keys: JSON where it is JSON ("5" is text, 5 a number), else text')
    .option('--text', 'take each key as text, whatever it looks like')
    .action((map: string, keys: string[], options: RemoveOptions) =>
      guarded(context, options, () => remove(context, map, keys, options)),
    );
}

/** Removing what is not there is no failure: it is gone. */
async function remove(
  context: CliContext,
  map: string,
  texts: readonly string[],
  options: RemoveOptions,
): Promise<void> {
  const { io, out } = context;
  const keys = texts.map((text) => parseKey(text, options.text));
  await withGrid(context, options, async (grid) => {
    await requireMap(grid, map, io.signal); // a remove would make the map
    const entries = grid.map(map);
    const answers = await Promise.all(keys.map((key) => entries.remove(key, { signal: io.signal })));
    const removed = answers.filter(Boolean).length;
    if (options.json) out.line(JSON.stringify({ map, removed }));
    else out.line(`${formatQuantity(removed, 'key')} removed`);
  });
}
