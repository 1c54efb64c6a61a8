/**
 * The shell's state, and what each input does to it. Pure: effects are for others to carry out, in order.
 *
 *   line, interrupt, end  ->  session + effects
 *
 * session N1  A line is a command of the shell where no statement is under way; one with a backslash, which SQL has no use
 *             for, also between the lines of a statement. It leaves that as it is.
 * session N2  Line numbers count every line that came in, commands and comments included.
 */
import { GridError } from '@ashlar/api';
import type { ResultMode } from '@ashlar/terminal';
import { type MetaCommand, parseMeta } from './meta-commands.ts';
import { lastStatement, NOTHING_YET, type Rest, type Statement, split } from './splitter.ts';

export interface Settings {
  readonly mode: ResultMode;
  readonly timing: boolean;
  /** Rows a table shows. */
  readonly rowsMax: number;
}

export interface Session {
  readonly settings: Settings;
  readonly rest: Rest;
  /** Number of the line that comes next, from 1. */
  readonly lineNumber: number;
  /** Ctrl-C in a row on an empty line. */
  readonly interrupts: number;
}

export type Effect =
  | { readonly kind: 'statement'; readonly statement: Statement }
  | { readonly kind: 'help' | 'listMaps' | 'leave'; readonly line: number }
  | { readonly kind: 'describeMap'; readonly map: string; readonly line: number }
  | { readonly kind: 'readFile'; readonly path: string; readonly line: number }
  | { readonly kind: 'say'; readonly text: string }
  | { readonly kind: 'refuse'; readonly error: GridError; readonly line: number };

export interface Step {
  readonly session: Session;
  readonly effects: readonly Effect[];
}

export function newSession(settings: Settings): Session {
  return { settings, rest: NOTHING_YET, lineNumber: 1, interrupts: 0 };
}

export function onLine(before: Session, line: string): Step {
  const { lineNumber } = before;
  const session = { ...before, lineNumber: lineNumber + 1, interrupts: 0 };
  const { inside } = before.rest;
  const isCommandLine =
    inside === 'nothing' || ((inside === 'statement' || inside === 'bracket') && /^\s*\\/.test(line));
  if (!isCommandLine) return onText(session, before.rest, line);
  let command: MetaCommand | undefined;
  try {
    command = parseMeta(line);
  } catch (error) {
    return { session, effects: [{ kind: 'refuse', error: GridError.wrap(error), line: lineNumber }] };
  }
  if (command !== undefined) return onCommand(session, command, lineNumber);
  return onText(session, { ...NOTHING_YET, line: lineNumber }, line);
}

/** Clears what was typed; the second time in a row with nothing there, says how to leave. */
export function onInterrupt(before: Session, typed: string): Step {
  const isEmpty = before.rest.inside === 'nothing' && typed.trim() === '';
  const interrupts = before.interrupts + 1;
  const session = { ...before, rest: NOTHING_YET, interrupts };
  if (!isEmpty || interrupts < 2) return { session, effects: [] };
  return { session, effects: [{ kind: 'say', text: '\\q or Ctrl-D leaves' }] };
}

/** The input is at its end: what is there without a semicolon is a statement too. */
export function onEnd(before: Session): Step {
  const statement = lastStatement(before.rest);
  const session = { ...before, rest: NOTHING_YET };
  return { session, effects: statement === undefined ? [] : [{ kind: 'statement', statement }] };
}

/** "ashlar=> ", and behind a line without an end what is to be closed: "ashlar'> ". */
export function promptOf({ rest }: Session): string {
  return `ashlar${PROMPT_MARKS[rest.inside]}> `;
}

const PROMPT_MARKS: Readonly<Record<Rest['inside'], string>> = {
  nothing: '=',
  statement: '-',
  bracket: '(',
  string: "'",
  quotedName: '"',
  dollarString: '$',
  comment: '*',
};

function onText(session: Session, rest: Rest, line: string): Step {
  const { statements, rest: left } = split(rest, `${line}\n`);
  const effects = statements.map((statement): Effect => ({ kind: 'statement', statement }));
  return { session: { ...session, rest: left }, effects };
}

function onCommand(session: Session, command: MetaCommand, line: number): Step {
  const { settings } = session;
  const change = (changed: Partial<Settings>, text: string): Step => ({
    session: { ...session, settings: { ...settings, ...changed } },
    effects: [{ kind: 'say', text }],
  });
  switch (command.kind) {
    case 'help':
    case 'leave':
    case 'listMaps':
      return { session, effects: [{ kind: command.kind, line }] };
    case 'describeMap':
    case 'readFile':
      return { session, effects: [{ ...command, line }] };
    case 'timing': {
      const timing = command.on ?? !settings.timing;
      return change({ timing }, `timing is ${timing ? 'on' : 'off'}`);
    }
    case 'expanded': {
      const expanded = command.on ?? settings.mode !== 'expanded';
      return change({ mode: expanded ? 'expanded' : 'table' }, `expanded display is ${expanded ? 'on' : 'off'}`);
    }
    case 'mode': {
      const mode = command.mode ?? settings.mode;
      return change({ mode }, `mode is ${mode}`);
    }
    case 'rowsMax': {
      const rowsMax = command.rows ?? settings.rowsMax;
      return change({ rowsMax }, `tables show ${rowsMax} rows`);
    }
  }
}
