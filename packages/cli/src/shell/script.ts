/**
 * Statements from a file or a pipe, one after the other, up to the first that fails.
 *
 * Lines are read as they are needed, so that a pipe may be written while it is run. They end at \n alone: a \r, and what else
 * looks like the end of a line, is part of the string that it stands in.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { GridError } from '@ashlar/api';
import { errorJson, linesOf, renderError } from '@ashlar/terminal';
import type { CliContext } from '../context.ts';
import { type Interpreter, placeOf } from './interpreter.ts';
import { type Effect, newSession, onEnd, onLine, type Settings } from './session.ts';

export interface Source {
  /** How errors call it. Undefined: they name only the line. */
  readonly name: string | undefined;
  readonly lines: AsyncIterable<string> | Iterable<string>;
}

export interface ScriptWorld {
  readonly context: CliContext;
  readonly interpreter: Interpreter;
  readonly signal: AbortSignal;
}

export interface ScriptEnd {
  readonly how: 'done' | 'failed' | 'left';
  /** As the script left them. */
  readonly settings: Settings;
}

/** Files that read files that read files ... */
const NESTING_MAX = 16;

/** @throws GridError INVALID_ARGUMENT when there is no such file */
export async function openScript(path: string): Promise<Source> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true && found?.isFIFO() !== true) {
    throw new GridError('INVALID_ARGUMENT', `there is no file ${path}`);
  }
  return { name: path, lines: scriptLines(createReadStream(path)) };
}

/** Nothing is read before the first line is asked for. */
export async function* scriptLines(input: NodeJS.ReadableStream): AsyncGenerator<string, void, undefined> {
  input.setEncoding('utf8');
  yield* linesOf(input as unknown as AsyncIterable<string>);
}

/** Runs a script; a failure is printed, with its place. */
export async function runScript(
  world: ScriptWorld,
  source: Source,
  settings: Settings,
  nesting = 0,
): Promise<ScriptEnd> {
  let session = newSession(settings);
  let statementCount = 0;
  const perform = async (effects: readonly Effect[]): Promise<ScriptEnd['how']> => {
    for (const effect of effects) {
      if (effect.kind === 'leave') return 'left';
      if (effect.kind === 'say') continue;
      statementCount += 1;
      try {
        if (effect.kind === 'readFile') {
          const end = await runScript(world, await openNested(effect.path, nesting), session.settings, nesting + 1);
          session = { ...session, settings: end.settings };
          if (end.how !== 'done') return end.how;
        } else {
          await world.interpreter.run(effect, session.settings, world.signal);
        }
      } catch (error) {
        if (world.signal.aborted) throw error;
        tellFailure(world.context, error, effect, { source, statementCount, isJson: settings.mode === 'json' });
        return 'failed';
      }
    }
    return 'done';
  };
  for await (const line of source.lines) {
    if (world.signal.aborted) throw world.signal.reason;
    const step = onLine(session, line);
    session = step.session;
    const how = await perform(step.effects);
    if (how !== 'done') return { how, settings: session.settings };
  }
  return { how: await perform(onEnd(session).effects), settings: session.settings };
}

async function openNested(path: string, nesting: number): Promise<Source> {
  if (nesting < NESTING_MAX) return openScript(path);
  throw new GridError('INVALID_ARGUMENT', `${path}: files read each other more than ${NESTING_MAX} deep`);
}

function tellFailure(
  { err }: CliContext,
  error: unknown,
  effect: Effect,
  at: { readonly source: Source; readonly statementCount: number; readonly isJson: boolean },
): void {
  const line = placeOf(error, effect);
  const file = at.source.name;
  if (at.isJson) {
    err.line(errorJson(error, { file, line, statement: at.statementCount }));
    return;
  }
  const statement = effect.kind === 'statement' ? effect.statement.text : undefined;
  if (file === undefined && at.statementCount === 1) {
    err.line(renderError(error, err.colours, statement));
    return;
  }
  err.line(renderError(error, err.colours, statement, file === undefined ? `line ${line}` : `${file}:${line}`));
  const before = at.statementCount - 1;
  err.line(
    err.colours.dim(`stopped at statement ${at.statementCount}${before > 0 ? '; those before it are done' : ''}`),
  );
}
