/**
 * LIKE patterns: `%` any characters, `_` one, the escape character makes the next one plain.
 *
 *   pattern -> pieces between the % -> each piece is found at its leftmost place behind the one before
 *
 * The leftmost place of each piece is always right, so nothing is ever tried twice: the time is at most the length of
 * the text times that of the pattern, and no pattern makes it worse (no regular expressions, no backtracking).
 */
import { failure } from './failure.ts';
import { lowerCase } from './letters.ts';

/** A character of a piece that matches any one character. */
const ANY = undefined;

type Piece = readonly (string | typeof ANY)[];

/** A test for one pattern. @throws GridError INVALID_ARGUMENT where the text reaches an escape character that ends the pattern */
export type LikeTest = (text: string) => boolean;

const DEFAULT_ESCAPE = '\\';
const CACHE_MAX = 256;
const cache = new Map<string, LikeTest>();

/**
 * The test for a pattern; tests of recent patterns are kept.
 *
 * @param escapeCharacter the escape character; '' for none; undefined for the backslash
 * A pattern that ends with its escape character is an error for the texts that reach it, as in PostgreSQL.
 *
 * @throws GridError INVALID_ARGUMENT when `escapeCharacter` is longer than one
 */
export function likeTest(
  pattern: string,
  escapeCharacter: string | undefined,
  caseInsensitive: boolean,
  at: number,
): LikeTest {
  if (escapeCharacter !== undefined && [...escapeCharacter].length > 1) {
    throw failure('INVALID_ARGUMENT', 'an escape string is empty or one character', at);
  }
  const key = `${caseInsensitive ? 'i' : 's'}${escapeCharacter === undefined ? '-' : `=${escapeCharacter}`}\n${pattern}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const made = makeTest(pattern, escapeCharacter ?? DEFAULT_ESCAPE, caseInsensitive);
  if (made === undefined) return danglingTest(pattern, escapeCharacter ?? DEFAULT_ESCAPE, caseInsensitive, at);
  if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!);
  cache.set(key, made);
  return made;
}

/** @throws GridError INVALID_ARGUMENT for a pattern that ends with its escape character, whatever texts there will be */
export function checkLikePattern(pattern: string, escapeCharacter: string | undefined, at: number): void {
  if (piecesOf(pattern, escapeCharacter ?? DEFAULT_ESCAPE, asItIs) === undefined) throw danglingEscape(at);
}

/** @returns undefined when the pattern ends with its escape character */
function makeTest(pattern: string, escapeCharacter: string, caseInsensitive: boolean): LikeTest | undefined {
  const pieces = piecesOf(pattern, escapeCharacter, caseInsensitive ? lowerCase : asItIs);
  if (pieces === undefined) return undefined;
  const test = pieces.every((piece) => !piece.includes(ANY)) ? plainTest(pieces) : wildcardTest(pieces);
  return caseInsensitive ? (text) => test(lowerCase(text)) : test;
}

/**
 * The test of a pattern that ends with its escape character: no text matches it. One that goes on where the escape character
 * stands has reached it.
 */
function danglingTest(pattern: string, escapeCharacter: string, caseInsensitive: boolean, at: number): LikeTest {
  const before = pattern.slice(0, -escapeCharacter.length);
  const reaches = makeTest(`${before}_%`, escapeCharacter, caseInsensitive)!;
  return (text) => {
    if (!reaches(text)) return false;
    throw danglingEscape(at);
  };
}

function danglingEscape(at: number) {
  return failure('INVALID_ARGUMENT', 'a LIKE pattern must not end with its escape character', at);
}

const asItIs = (character: string): string => character;

/** What stands between the % signs, one piece where there are none; undefined when the escape character is the last. */
function piecesOf(
  pattern: string,
  escapeCharacter: string,
  spelled: (character: string) => string,
): Piece[] | undefined {
  const pieces: (string | typeof ANY)[][] = [[]];
  const characters = [...pattern];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!;
    if (character === escapeCharacter) {
      index += 1;
      if (index === characters.length) return undefined;
      pieces.at(-1)!.push(spelled(characters[index]!));
    } else if (character === '%') pieces.push([]);
    else pieces.at(-1)!.push(character === '_' ? ANY : spelled(character));
  }
  return pieces;
}

/** Without `_`: searches of strings. */
function plainTest(pieces: readonly Piece[]): LikeTest {
  const texts = pieces.map((piece) => piece.join(''));
  if (texts.length === 1) return (text) => text === texts[0];
  const first = texts[0]!;
  const last = texts.at(-1)!;
  const middle = texts.slice(1, -1).filter((piece) => piece !== '');
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let from = first.length;
    for (const piece of middle) {
      const found = text.indexOf(piece, from);
      if (found < 0 || found + piece.length > end) return false;
      from = found + piece.length;
    }
    return true;
  };
}

function wildcardTest(pieces: readonly Piece[]): LikeTest {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  const middle = pieces.slice(1, -1);
  return (text) => {
    const characters = [...text];
    if (pieces.length === 1) return characters.length === first.length && matchesAt(characters, 0, first);
    const end = characters.length - last.length;
    if (end < first.length || !matchesAt(characters, 0, first) || !matchesAt(characters, end, last)) return false;
    let from = first.length;
    for (const piece of middle) {
      while (from + piece.length <= end && !matchesAt(characters, from, piece)) from += 1;
      from += piece.length;
      if (from > end) return false;
    }
    return true;
  };
}

function matchesAt(characters: readonly string[], start: number, piece: Piece): boolean {
  for (let index = 0; index < piece.length; index++) {
    const wanted = piece[index];
    if (wanted !== ANY && wanted !== characters[start + index]) return false;
  }
  return true;
}
