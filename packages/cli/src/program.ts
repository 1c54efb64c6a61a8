/** The command line as a whole. To add a command: a file in commands/, a line below. */
import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { configCommand } from './commands/config.ts';
import { exportCommand } from './commands/export.ts';
import { getCommand } from './commands/get.ts';
import { importCommand } from './commands/import.ts';
import { keysCommand } from './commands/keys.ts';
import { pingCommand } from './commands/ping.ts';
import { putCommand } from './commands/put.ts';
import { rmCommand } from './commands/rm.ts';
import { sqlCommand } from './commands/sql.ts';
import { startCommand } from './commands/start.ts';
import { statsCommand } from './commands/stats.ts';
import { topCommand } from './commands/top.ts';
import { watchCommand } from './commands/watch.ts';
import { makeContext } from './context.ts';
import type { CliIo } from './io.ts';
import { CLI_VERSION } from './version.ts';

const EXIT_USAGE = 2;
const COMMANDS = [
  startCommand,
  sqlCommand,
  getCommand,
  putCommand,
  rmCommand,
  keysCommand,
  importCommand,
  exportCommand,
  watchCommand,
  topCommand,
  statsCommand,
  pingCommand,
  configCommand,
  benchCommand,
];

/**
 * Runs one command line.
 *
 * @param args  what follows the program's name
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 stopped by Ctrl-C
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const context = makeContext(io);
  const program = new Command('ashlar')
    .description('An in-memory data grid for Node and TypeScript: select, compute and subscribe beside the data.')
    .version(CLI_VERSION)
    .showHelpAfterError('(--help shows how)')
    .addHelpText('after', '\nExample:\n  $ ashlar start\n  $ ashlar sql "SELECT 1 + 1 AS two"');
  for (const make of COMMANDS) program.addCommand(make(context));
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    for (const option of command.options) {
      if (Array.isArray(option.defaultValue)) option.defaultValueDescription = 'none';
    }
    command.exitOverride().configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => context.out.width,
      getErrHelpWidth: () => context.err.width,
      getOutHasColors: () => context.out.colours.isColorSupported,
      getErrHasColors: () => context.err.colours.isColorSupported,
    });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    throw error;
  }
  return context.exitCode;
}
