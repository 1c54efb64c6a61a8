/** The command line as a whole. To add a command: a file in commands/, a line below. */
import { Command, CommanderError } from 'commander';
import { type CliContext, makeContext } from './context.ts';
import type { CliIo } from './io.ts';
import { CLI_VERSION } from './version.ts';

const EXIT_USAGE = 2;
type Make = (context: CliContext) => Command;

/** Loaded when they are asked for: a member that starts needs none of the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Make>>> = {
  start: async () => (await import('./commands/start.ts')).startCommand,
  sql: async () => (await import('./commands/sql.ts')).sqlCommand,
  get: async () => (await import('./commands/get.ts')).getCommand,
  put: async () => (await import('./commands/put.ts')).putCommand,
  rm: async () => (await import('./commands/rm.ts')).rmCommand,
  keys: async () => (await import('./commands/keys.ts')).keysCommand,
  import: async () => (await import('./commands/import.ts')).importCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  watch: async () => (await import('./commands/watch.ts')).watchCommand,
  top: async () => (await import('./commands/top.ts')).topCommand,
  stats: async () => (await import('./commands/stats.ts')).statsCommand,
  ping: async () => (await import('./commands/ping.ts')).pingCommand,
  cluster: async () => (await import('./commands/cluster.ts')).clusterCommand,
  recover: async () => (await import('./commands/recover.ts')).recoverCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  bench: async () => (await import('./commands/bench.ts')).benchCommand,
};

/** The one that is named first, or all where none is: for help, and to find what was meant. */
function commandsFor([first = '']: readonly string[]): Promise<Make[]> {
  const named = Object.hasOwn(COMMANDS, first) ? [COMMANDS[first]!] : Object.values(COMMANDS);
  return Promise.all(named.map((load) => load()));
}

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
  for (const make of await commandsFor(args)) program.addCommand(make(context));
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
