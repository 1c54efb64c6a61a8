/** Strings and quoted names: where each ends and what it means. Linear in its length. */
import type { TextPosition } from '@ashlar/core';
import { syntaxError, unsupported } from './sql-errors.ts';

export interface LexedString {
  /** Offset behind the closing quote. */
  readonly end: number;
  readonly value: string;
}

/** SQL joins two strings when a line end stands between them. */
const CONTINUATION = /[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y;

/** '...': two quotes are one; a backslash is an ordinary character. `start` is the opening quote. */
export function readString(text: string, start: number, position: TextPosition): LexedString {
  const parts: string[] = [];
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf("'", from);
    if (quote < 0) throw syntaxError('the string is never closed', position);
    parts.push(text.slice(from, quote));
    if (text[quote + 1] === "'") {
      parts.push("'");
      from = quote + 2;
      continue;
    }
    const resumed = continuationOf(text, quote + 1);
    if (resumed === undefined) return { end: quote + 1, value: parts.join('') };
    from = resumed;
  }
}

/** E'...': with C escapes. `start` is the opening quote. */
export function readEscapeString(text: string, start: number, position: TextPosition): LexedString {
  const parts: string[] = [];
  const special = /['\\]/g;
  let from = start + 1;
  for (;;) {
    special.lastIndex = from;
    const found = special.exec(text);
    if (found === null) throw syntaxError('the string is never closed', position);
    parts.push(text.slice(from, found.index));
    if (found[0] === '\\') {
      const escaped = readEscape(text, found.index, position);
      parts.push(escaped.value);
      from = escaped.end;
    } else if (text[found.index + 1] === "'") {
      parts.push("'");
      from = found.index + 2;
    } else {
      const resumed = continuationOf(text, found.index + 1);
      if (resumed === undefined) return { end: found.index + 1, value: parts.join('') };
      from = resumed;
    }
  }
}

/** $tag$...$tag$: everything between is meant as it stands. */
export function readDollarString(text: string, start: number, tagEnd: number, position: TextPosition): LexedString {
  const tag = text.slice(start, tagEnd);
  const close = text.indexOf(tag, tagEnd);
  if (close < 0) throw syntaxError(`the string is never closed by ${tag}`, position);
  return { end: close + tag.length, value: text.slice(tagEnd, close) };
}

/** "...": two quotes are one. */
export function readQuotedName(text: string, start: number, position: TextPosition): LexedString {
  let quote = start;
  do {
    quote = text.indexOf('"', quote + 1);
    if (quote < 0) throw syntaxError('the quoted name is never closed', position);
    if (text[quote + 1] !== '"') break;
    quote++;
  } while (quote < text.length);
  const value = text.slice(start + 1, quote).replaceAll('""', '"');
  if (value === '') throw syntaxError('a quoted name has at least one character', position);
  return { end: quote + 1, value };
}

function continuationOf(text: string, from: number): number | undefined {
  CONTINUATION.lastIndex = from;
  return CONTINUATION.test(text) ? CONTINUATION.lastIndex : undefined;
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const CODE_ESCAPE = /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3}))/y;

function readEscape(text: string, backslash: number, position: TextPosition): LexedString {
  CODE_ESCAPE.lastIndex = backslash;
  const code = CODE_ESCAPE.exec(text);
  if (code !== null) return { end: CODE_ESCAPE.lastIndex, value: characterOf(code, position) };
  const point = text.codePointAt(backslash + 1);
  if (point === undefined) throw syntaxError('the string is never closed', position);
  const char = String.fromCodePoint(point);
  if (char === 'u' || char === 'U') throw syntaxError('a Unicode escape is \\uXXXX or \\UXXXXXXXX', position);
  return { end: backslash + 1 + char.length, value: SIMPLE_ESCAPES[char] ?? char };
}

function characterOf(code: RegExpExecArray, position: TextPosition): string {
  const [, short, long, hex, octal] = code;
  const point = octal === undefined ? Number.parseInt(short ?? long ?? hex ?? '', 16) : Number.parseInt(octal, 8);
  if (point === 0 || point > 0x10ffff) throw syntaxError(`${code[0]} is not a character`, position);
  if (point > 0x7f && (hex !== undefined || octal !== undefined)) {
    throw unsupported(`the byte escape ${code[0]}`, position, 'write the character itself or \\uXXXX');
  }
  return String.fromCodePoint(point);
}
