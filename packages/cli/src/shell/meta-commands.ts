/**
 * Commands of the shell itself: psql's backslash commands and DuckDB's dot commands for the same things.
 *
 * A line is one when it begins with a backslash or a dot, or is a bare word that users type to leave or to get help.
 */
import { GridError } from '@ashlar/api';
import { nearest, parseResultMode, RESULT_MODES, type ResultMode } from '@ashlar/terminal';

export type MetaCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'leave' }
  | { readonly kind: 'listMaps' }
  | { readonly kind: 'describeMap'; readonly map: string }
  | { readonly kind: 'readFile'; readonly path: string }
  /** Undefined: the other of the two. */
  | { readonly kind: 'timing'; readonly on: boolean | undefined }
  | { readonly kind: 'expanded'; readonly on: boolean | undefined }
  /** Undefined: which one is it? */
  | { readonly kind: 'mode'; readonly mode: ResultMode | undefined }
  | { readonly kind: 'rowsMax'; readonly rows: number | undefined };

interface Definition {
  /** The first is the one that help shows. */
  readonly names: readonly string[];
  readonly usage: string;
  readonly meaning: string;
  /** The arguments that completion offers. Undefined: the command takes none. */
  readonly argument?: 'map' | 'file' | readonly string[];
  readonly parse: (argument: string | undefined) => MetaCommand;
}

const SWITCH = ['on', 'off'] as const;

const DEFINITIONS: readonly Definition[] = [
  {
    names: ['\\d', '\\dt', '.tables', '.maps', '.schema'],
    usage: '\\d [MAP]',
    meaning: 'the maps there are; the columns of one, by a sample',
    argument: 'map',
    parse: (map) => (map === undefined ? { kind: 'listMaps' } : { kind: 'describeMap', map: unquoted(map) }),
  },
  {
    names: ['.mode', '\\mode'],
    usage: `.mode ${RESULT_MODES.join('|')}`,
    meaning: 'how results are shown',
    argument: RESULT_MODES,
    parse: (mode) => ({ kind: 'mode', mode: mode === undefined ? undefined : parseResultMode(mode) }),
  },
  {
    names: ['\\x'],
    usage: '\\x [on|off]',
    meaning: 'a line a value, for rows wider than the terminal',
    argument: SWITCH,
    parse: (word) => ({ kind: 'expanded', on: parseSwitch('\\x', word) }),
  },
  {
    names: ['\\timing', '.timer'],
    usage: '\\timing [on|off]',
    meaning: 'tell how long each statement took',
    argument: SWITCH,
    parse: (word) => ({ kind: 'timing', on: parseSwitch('\\timing', word) }),
  },
  {
    names: ['.maxrows', '\\maxrows'],
    usage: '.maxrows COUNT',
    meaning: 'rows that a table shows',
    argument: [],
    parse: (count) => ({ kind: 'rowsMax', rows: count === undefined ? undefined : parseRows(count) }),
  },
  {
    names: ['\\i', '.read', '\\include'],
    usage: '\\i FILE',
    meaning: 'run the statements of a file',
    argument: 'file',
    parse: (path) => {
      if (path === undefined) throw wrong('\\i wants the name of a file', '\\i report.sql');
      return { kind: 'readFile', path: unquotedFile(path) };
    },
  },
  { names: ['\\?', '.help', '\\h', 'help'], usage: '\\?', meaning: 'this help', parse: () => ({ kind: 'help' }) },
  {
    names: ['\\q', '.exit', '.quit', '\\quit', 'exit', 'quit'],
    usage: '\\q',
    meaning: 'leave (also Ctrl-D)',
    parse: () => ({ kind: 'leave' }),
  },
];

const BY_NAME = new Map(
  DEFINITIONS.flatMap((definition) => definition.names.map((name) => [name, definition] as const)),
);

/** Names that begin with a mark, for completion. */
export const META_NAMES: readonly string[] = [...BY_NAME.keys()].filter((name) => /^[\\.]/.test(name));

/**
 * Reads a line.
 *
 * @returns undefined when it is no command but SQL
 * @throws GridError INVALID_ARGUMENT for a command that is unknown (with the nearest name) or wrongly used
 */
export function parseMeta(line: string): MetaCommand | undefined {
  const text = line.trim().replace(/;$/, '').trimEnd();
  const [, name = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const isMarked = /^(\\|\.(?!\d))/.test(name);
  const definition = BY_NAME.get(isMarked ? name : name.toLowerCase());
  if (!isMarked && (definition === undefined || rest !== '')) return undefined;
  if (definition === undefined) {
    const near = nearest(name, META_NAMES);
    throw wrong(`unknown command ${name}`, near === undefined ? '\\? lists the commands' : `did you mean ${near}?`);
  }
  const argument = rest === '' ? undefined : rest;
  if (argument !== undefined && definition.argument === undefined)
    throw wrong(`${name} takes no argument`, definition.usage);
  return definition.parse(argument);
}

/** The arguments that may follow a command; undefined for one that is unknown or takes none. */
export function argumentOf(name: string): Definition['argument'] {
  return BY_NAME.get(name)?.argument;
}

/** Lines of help. */
export function metaHelp(): readonly string[] {
  const width = Math.max(...DEFINITIONS.map(({ usage }) => usage.length));
  const commands = DEFINITIONS.map(({ names, usage, meaning }) => {
    const others = names.slice(1).join(' ');
    return `  ${usage.padEnd(width)}  ${meaning}${others === '' ? '' : `  (${others})`}`;
  });
  return [
    'A statement ends with a semicolon and may span lines. Ctrl-C cancels the one that runs, else clears the line.',
    ...commands,
  ];
}

function parseSwitch(command: string, word: string | undefined): boolean | undefined {
  if (word === undefined) return undefined;
  const lower = word.toLowerCase();
  if (['on', 'true', 'yes', '1'].includes(lower)) return true;
  if (['off', 'false', 'no', '0'].includes(lower)) return false;
  throw wrong(`${command} is on or off, not '${word}'`, `${command} on`);
}

function parseRows(text: string): number {
  const rows = Number(text.replaceAll(/[_,]/g, ''));
  if (Number.isSafeInteger(rows) && rows > 0) return rows;
  throw wrong(`.maxrows is a whole number above 0, not '${text}'`, '.maxrows 1000');
}

/** "My map" as SQL would write it, or the bare name. */
function unquoted(name: string): string {
  return /^".*"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function unquotedFile(path: string): string {
  return /^'.*'$/.test(path) ? path.slice(1, -1) : path;
}

function wrong(message: string, hint: string): GridError {
  return new GridError('INVALID_ARGUMENT', message, { hint });
}
