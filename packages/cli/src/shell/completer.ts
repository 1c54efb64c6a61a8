/**
 * Completion by Tab: commands of the shell and their arguments, keywords, functions, maps, and the columns of the maps that
 * the statement names. Pure; who asks brings the names.
 */
import { argumentOf, META_NAMES } from './meta-commands.ts';
import { type Piece, piecesOf } from './sql-text.ts';
import { FUNCTIONS, KEYWORDS } from './words.ts';

export interface Names {
  readonly maps: readonly string[];
  /** Columns of the maps that the statement names. */
  readonly columns: readonly string[];
  /** Files that a path may go on with. */
  readonly files: readonly string[];
}

/** The text that is being completed, and what must be known for that. */
export interface Question {
  /** The part of the line that the answers replace. */
  readonly word: string;
  readonly kind: 'nothing' | 'command' | 'choice' | 'map' | 'file' | 'sql';
  /** For a command: what may stand here. */
  readonly choices: readonly string[];
  /** Maps whose columns may be meant. */
  readonly columnsOf: readonly string[];
}

/** Columns that every map has. */
const COLUMNS_OF_ALL = ['__key', '__value', '__version', '__expires_at'];
/** Behind these, a map is named. */
const BEFORE_MAP = new Set(['from', 'join', 'into', 'update', 'table']);
/** Behind a comma or a name in FROM, further maps are named, until one of these. */
const ENDS_FROM = new Set([
  'where',
  'group',
  'order',
  'having',
  'limit',
  'offset',
  'on',
  'set',
  'values',
  'select',
  'union',
]);
const NAME_NEEDS_QUOTES = /[^a-z0-9_$\u0080-\uffff]|^[^a-z_\u0080-\uffff]/;

/**
 * @param line    up to the cursor
 * @param before  lines of the statement entered before
 * @param after   the rest of the line: maps may be named there
 */
export function questionOf(line: string, before: string, after: string): Question {
  const none: Question = { word: '', kind: 'nothing', choices: [], columnsOf: [] };
  if (before.trim() === '' ? /^\s*[\\.]/.test(line) : /^\s*\\/.test(line))
    return questionOfCommand(line.trimStart(), none);
  const pieces = [...piecesOf(before + line)].filter(({ kind }) => kind !== 'space' && kind !== 'comment');
  const text = before + line;
  const last = [...piecesOf(text)].at(-1);
  if (last?.open === 'string' || last?.open === 'dollarString' || last?.kind === 'comment') return none;
  const isWord = last?.kind === 'word' || last?.open === 'quotedName';
  const word = isWord ? text.slice(last.start) : '';
  const known = isWord ? pieces.slice(0, -1) : pieces;
  if (expectsMap(text, known)) return { ...none, word, kind: 'map' };
  return { ...none, word, kind: 'sql', columnsOf: mapsNamedIn(text + after) };
}

/** @returns the answers, and the part of the line that they replace */
export function answersTo(question: Question, names: Names): [string[], string] {
  const { word, kind } = question;
  const begins = (name: string): boolean => name.toLowerCase().startsWith(word.replace(/^"/, '').toLowerCase());
  switch (kind) {
    case 'nothing':
      return [[], word];
    case 'command':
      return [META_NAMES.filter((name) => name.startsWith(word)), word];
    case 'choice':
      return [question.choices.filter(begins), word];
    case 'file':
      return [names.files.filter((file) => file.startsWith(word)), word];
    case 'map':
      return [names.maps.filter(begins).map((name) => quoted(name, word)), word];
    case 'sql':
      return [sqlAnswers(word, begins, names), word];
  }
}

/** Maps that a text names behind FROM, JOIN, INTO and UPDATE. */
export function mapsNamedIn(text: string): readonly string[] {
  const pieces = [...piecesOf(text)].filter(({ kind }) => kind !== 'space' && kind !== 'comment');
  const names = pieces.flatMap((piece, index) => {
    if (piece.kind !== 'word' && (piece.kind !== 'quotedName' || piece.open !== undefined)) return [];
    return expectsMap(text, pieces.slice(0, index)) ? [nameOf(text, piece)] : [];
  });
  return [...new Set(names)];
}

/** A name as SQL writes it: quoted where it would be read as another. */
export function quoted(name: string, typed = ''): string {
  const needsQuotes = typed.startsWith('"') || NAME_NEEDS_QUOTES.test(name) || KEYWORDS.includes(name);
  return needsQuotes ? `"${name.replaceAll('"', '""')}"` : name;
}

function questionOfCommand(line: string, none: Question): Question {
  const [, name, gap, rest] = /^(\S+)(\s*)([\s\S]*)$/.exec(line)!;
  if (gap === '') return { ...none, word: name!, kind: 'command' };
  const argument = argumentOf(name!);
  if (argument === 'map' || argument === 'file') return { ...none, word: rest!, kind: argument };
  return argument === undefined ? none : { ...none, word: rest!, kind: 'choice', choices: argument };
}

function sqlAnswers(word: string, begins: (name: string) => boolean, names: Names): string[] {
  // Without a letter typed, only what belongs to these maps: no reader wants all keywords.
  const columns = [...names.columns, ...(names.columns.length > 0 ? COLUMNS_OF_ALL : [])];
  const found = columns.filter(begins).map((name) => quoted(name, word));
  if (word === '' || word.startsWith('"')) return [...new Set(found)];
  const isUpper = word === word.toUpperCase() && /[A-Z]/.test(word);
  const words = [...KEYWORDS, ...FUNCTIONS].filter(begins).map((name) => (isUpper ? name.toUpperCase() : name));
  return [...new Set([...found, ...words, ...names.maps.filter(begins).map((name) => quoted(name, word))])];
}

function expectsMap(text: string, pieces: readonly Piece[]): boolean {
  const last = pieces.at(-1);
  if (last === undefined) return false;
  const lastText = text.slice(last.start, last.end).toLowerCase();
  if (last.kind === 'word') return BEFORE_MAP.has(lastText);
  if (lastText !== ',') return false;
  // A comma: in FROM, another map follows.
  for (const piece of pieces.toReversed()) {
    const word = text.slice(piece.start, piece.end).toLowerCase();
    if (piece.kind === 'bracketOpen' || (piece.kind === 'word' && ENDS_FROM.has(word))) return false;
    if (piece.kind === 'word' && word === 'from') return true;
  }
  return false;
}

/** Names without quotes are lower case, as in PostgreSQL. */
function nameOf(text: string, { kind, start, end }: Piece): string {
  const name = text.slice(start, end);
  return kind === 'quotedName' ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}
