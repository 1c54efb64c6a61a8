/**
 * The parts that all commands share: common options, connecting, exit codes, the shape of answers and errors.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 stopped by Ctrl-C.
 */
import type { Grid } from '@ashlar/api';
import { errorJson, makeScreen, renderError, type Screen } from '@ashlar/terminal';
import { Command, InvalidArgumentError } from 'commander';
import { type ConnectionFlags, connectionOptions, connectRequest, withFlagNames } from './connection-options.ts';
import type { CliIo } from './io.ts';

export interface CommonOptions extends ConnectionFlags {
  readonly json?: boolean;
}

export interface CliContext {
  readonly io: CliIo;
  /** Answers. */
  readonly out: Screen;
  /** Progress, notices, errors. */
  readonly err: Screen;
  /** Set by the command that ran. */
  exitCode: number;
}

export function makeContext(io: CliIo): CliContext {
  return { io, out: makeScreen(io.stdout, io.env), err: makeScreen(io.stderr, io.env), exitCode: 0 };
}

/** A command of ours: options common to those that talk to a grid, and an example below its help. */
export function gridCommand(
  context: CliContext,
  name: string,
  summary: string,
  example: string,
  more: readonly string[] = [],
): Command {
  return connectionOptions(plainCommand(name, summary, example, more), context.io.env).option(
    '--json',
    'answer as JSON',
  );
}

/** @param more  further examples */
export function plainCommand(name: string, summary: string, example: string, more: readonly string[] = []): Command {
  const examples = [example, ...more].map((line) => `\n  $ ${line}`);
  return new Command(name).description(summary).addHelpText('after', `\nExample:${examples.join('')}`);
}

/** Runs `use` with a connection and closes it. */
export async function withGrid(
  context: CliContext,
  options: CommonOptions,
  use: (grid: Grid) => Promise<void>,
): Promise<void> {
  const { io } = context;
  const connecting = io.connect(connectRequest(options, io.env)).catch((error: unknown) => {
    throw withFlagNames(error, options, io.env);
  });
  const grid = await abandonable(connecting, io.signal);
  try {
    await use(grid);
  } finally {
    await grid.close();
  }
}

/** Runs a command's body: what it throws is printed, and becomes exit code 1 (130 after Ctrl-C). */
export async function guarded(
  context: CliContext,
  about: { readonly json?: boolean | undefined; readonly statement?: string },
  body: () => Promise<void>,
): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (context.io.signal.aborted) {
      context.exitCode = 130;
      return;
    }
    context.exitCode = 1;
    if (about.json) context.err.line(errorJson(error));
    else context.err.line(renderError(error, context.err.colours, about.statement));
  }
}

/** For options that are counts. */
export function parseCount(text: string): number {
  const count = Number(text.replaceAll('_', '').replaceAll(',', ''));
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('a whole number above 0 is expected.');
  return count;
}

/** The grid, unless the signal fires first; a connection that comes later is closed. */
async function abandonable(connecting: Promise<Grid>, signal: AbortSignal): Promise<Grid> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([connecting, aborted.promise]);
  } catch (error) {
    connecting.then((grid) => grid.close()).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
