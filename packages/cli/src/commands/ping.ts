/** `ashlar ping`: reaches every member once and tells the round trips. */
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';
import { formatDuration } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

export function pingCommand(context: CliContext): Command {
  return gridCommand(context, 'ping', 'reach every member and time it', 'ashlar ping --address 127.0.0.1:7710').action(
    (options: CommonOptions) => guarded(context, options, () => ping(context, options)),
  );
}

async function ping(context: CliContext, options: CommonOptions): Promise<void> {
  const { io, out } = context;
  await withGrid(context, options, async (grid) => {
    const members = await grid.ping({ signal: io.signal });
    if (options.json) {
      out.line(JSON.stringify({ members }));
      return;
    }
    const columns = ['member', 'address', 'round trip'].map((name) => ({ name, type: 'text' as const }));
    const rows = members.map(({ member, address, roundTripMs }) => [member, address, formatDuration(roundTripMs)]);
    out.line(renderTable({ columns, rows }, { colours: out.colours, types: false }));
  });
}
