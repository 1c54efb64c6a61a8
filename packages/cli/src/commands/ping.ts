/** `ashlar ping`: reaches every member once and prints the round trips. */
import type { PingResult } from '@ashlar/api';
import { formatDuration, plainError, renderError, renderTable } from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';

/** A member that answers later counts as silent. */
const ANSWER_MS = 3000;

export function pingCommand(context: CliContext): Command {
  return gridCommand(context, 'ping', 'reach every member and time it', 'ashlar ping --address 127.0.0.1:7710').action(
    (options: CommonOptions) => guarded(context, options, () => ping(context, options)),
  );
}

/** A line a member, also for those that do not answer; then the exit code is 1. */
async function ping(context: CliContext, options: CommonOptions): Promise<void> {
  const { io, out, err } = context;
  await withGrid(context, options, async (grid) => {
    const members = await grid.ping({ signal: io.signal, timeoutMs: ANSWER_MS });
    const failures = members.flatMap(({ error }) => error ?? []);
    if (failures.length > 0) context.exitCode = 1;
    if (options.json) {
      out.line(JSON.stringify({ members: members.map(plainResult) }));
      return;
    }
    const columns = ['member', 'address', 'round trip'].map((name) => ({ name, type: 'text' as const }));
    const rows = members.map((one) => [one.member, one.address, roundTrip(one)]);
    out.line(renderTable({ columns, rows }, { colours: out.colours, types: false }));
    for (const failure of failures) err.line(renderError(failure, err.colours));
  });
}

function roundTrip({ roundTripMs, error }: PingResult): string {
  return roundTripMs === undefined ? (error?.code ?? '') : formatDuration(roundTripMs);
}

function plainResult({ member, address, roundTripMs, error }: PingResult): object {
  return { member, address, roundTripMs: roundTripMs ?? null, error: error === undefined ? null : plainError(error) };
}
