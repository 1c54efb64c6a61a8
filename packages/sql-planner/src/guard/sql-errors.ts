/** The errors of reading a SQL text. Each names its place; a hint says what to write instead. */
import { GridError, type TextPosition } from '@ashlar/core';
import { closest } from 'fastest-levenshtein';
import { CLAUSE_WORDS } from './keywords.ts';
import type { Token } from './token.ts';

const TEXT_SHOWN_MAX = 40;
/** For `\d`, `.tables` and their kin, sent as statements. */
export const SHELL_HINT =
  'SHOW TABLES lists the maps, DESCRIBE map its columns; commands of the shell stand on a line of their own in ashlar sql';

/** The text is not SQL. */
export function syntaxError(message: string, position: TextPosition, hint?: string): GridError {
  return new GridError('SYNTAX_ERROR', message, { position, hint });
}

/**
 * The text is PostgreSQL's SQL, but Ashlar has no such thing.
 *
 * @param hint  what to write or to do instead, in one sentence
 */
export function unsupported(construct: string, position: TextPosition, hint: string): GridError {
  return new GridError('UNSUPPORTED_SQL', `${construct} is not supported`, { position, hint });
}

/** As `unsupported`, for one of a list that grows: a function, a type, an operator. */
export function notYet(what: string, position: TextPosition, hint: string): GridError {
  return new GridError('UNSUPPORTED_SQL', `${what} is not supported yet`, { position, hint });
}

/** Our parser and node-sql-parser read the clause differently: we have no name for what is meant. */
export function unreadable(what: string, position: TextPosition): GridError {
  return unsupported(what, position, 'write the clause in its plain form, as the README of sql-planner lists them');
}

/** The text passes one of the guard's bounds. */
export function tooLarge(message: string, limit: number, position?: TextPosition): GridError {
  return new GridError('STATEMENT_TOO_LARGE', message, { position, details: { limit } });
}

/** `unexpected FORM, expected FROM`: names the token, or the end of the text. */
export function unexpected(token: Token, expected?: string, hint?: string): GridError {
  const wanted = expected === undefined ? '' : `: expected ${expected}`;
  if (token.kind === 'end') return syntaxError(`the statement ends too early${wanted}`, token.position, hint);
  return syntaxError(`unexpected ${shown(token)}${wanted}`, token.position, hint ?? hintFor(token));
}

/** A token for a message: short, in quotes. */
export function shown(token: Token): string {
  const text = token.text.length > TEXT_SHOWN_MAX ? `${token.text.slice(0, TEXT_SHOWN_MAX)}...` : token.text;
  return token.kind === 'string' || token.kind === 'quoted' ? text : `'${text}'`;
}

const HINTS: Readonly<Record<string, string>> = {
  '==': 'equality is a single =',
  '&&': 'write AND',
  '`': 'names are quoted with double quotes',
};

/** What the writer may have meant: a hint from another language, or the clause word nearest to a misspelled one. */
export function hintFor(token: Token): string | undefined {
  const hint = Object.hasOwn(HINTS, token.text) ? HINTS[token.text] : undefined;
  if (hint !== undefined) return hint;
  if (token.kind !== 'word') return undefined;
  const nearest = nearestClauseWord(token.text);
  return nearest === undefined ? undefined : `did you mean ${nearest}?`;
}

/** The clause word that is one typing error away (a letter wrong, missing, or two swapped), or undefined. */
export function nearestClauseWord(text: string): string | undefined {
  if (text.length < 3 || text.length > 12) return undefined;
  const upper = text.toUpperCase();
  const nearest = closest(upper, CLAUSE_WORDS);
  if (nearest === upper || Math.abs(nearest.length - upper.length) > 1) return undefined;
  if (nearest.length === upper.length && differences(nearest, upper) <= 1) return nearest;
  return sortedLetters(nearest) === sortedLetters(upper) || contains(nearest, upper) ? nearest : undefined;
}

function differences(left: string, right: string): number {
  let count = 0;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) count++;
  return count;
}

const sortedLetters = (text: string): string => [...text].sort().join('');

/** Whether the longer of two words is the shorter with one letter put in. */
function contains(one: string, other: string): boolean {
  const [longer, shorter] = one.length > other.length ? [one, other] : [other, one];
  for (let index = 0; index < longer.length; index++) {
    if (longer.slice(0, index) + longer.slice(index + 1) === shorter) return true;
  }
  return false;
}
