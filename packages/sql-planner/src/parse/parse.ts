/**
 * One statement from its text: the door of guard and parser.
 *
 *   text -> guard -> tokens -> SELECT, VALUES, INSERT, UPDATE, DELETE, TRUNCATE, EXPLAIN, SHOW, DESCRIBE -> tree
 *
 * Pure and synchronous; meant for a worker thread whose caller sets a deadline.
 */
import type { TextPosition } from '@ashlar/core';
import { guardText } from '../guard/guard.ts';
import { SHELL_HINT, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import { Cursor, type Grammar } from './cursor.ts';
import { readExpression, readRestrictedExpression } from './expression.ts';
import { readDelete, readInsert, readUpdate } from './modify.ts';
import { refuseOtherCommand } from './other-commands.ts';
import { ParameterList, type ParameterStyle } from './parameters.ts';
import { readQuery } from './query.ts';
import { isShow, readShow } from './show.ts';
import type { Explain, Statement } from './syntax.ts';
import { readTruncate } from './truncate.ts';

export interface ParsedStatement {
  readonly statement: Statement;
  /** How many values it asks for; of $n the highest n. */
  readonly parameterCount: number;
  readonly parameterStyle: ParameterStyle;
  /** Names of :name parameters, by index; empty otherwise. */
  readonly parameterNames: readonly string[];
  readonly notices: readonly SqlNotice[];
}

/** Something that is valid and may not be what was meant. */
export interface SqlNotice {
  readonly message: string;
  readonly position: TextPosition;
}

const GRAMMAR: Grammar = {
  expression: readExpression,
  restrictedExpression: readRestrictedExpression,
  query: readQuery,
};

/**
 * Parses one statement of PostgreSQL's SQL as far as Ashlar has it.
 *
 * @throws GridError SYNTAX_ERROR, UNSUPPORTED_SQL (valid, but not here) or STATEMENT_TOO_LARGE, with the place
 */
export function parseStatement(text: string): ParsedStatement {
  const tokens = guardText(text);
  const parameters = new ParameterList();
  const cursor = new Cursor(tokens, GRAMMAR, parameters);
  const statement = readStatement(cursor);
  if (cursor.token.kind !== 'end') throw unexpected(cursor.token);
  return {
    statement,
    parameterCount: parameters.count,
    parameterStyle: parameters.style,
    parameterNames: parameters.names,
    notices: noticesOf(tokens),
  };
}

function readStatement(cursor: Cursor): Statement {
  if (cursor.isWord('explain')) return readExplain(cursor);
  if (isShow(cursor)) return readShow(cursor);
  return readExplainable(cursor);
}

function readExplainable(cursor: Cursor): Explain['statement'] {
  const { token } = cursor;
  if (cursor.isQuery()) return readQuery(cursor);
  if (cursor.isWord('insert')) return readInsert(cursor);
  if (cursor.isWord('update')) return readUpdate(cursor);
  if (cursor.isWord('delete')) return readDelete(cursor);
  if (cursor.isWord('truncate')) return readTruncate(cursor);
  refuseOtherCommand(cursor);
  if (isShow(cursor))
    throw unsupported(`EXPLAIN ${token.text.toUpperCase()}`, token.position, 'send it without EXPLAIN');
  if (token.kind === 'end') throw unexpected(token, 'a statement');
  throw unexpected(token, 'a statement such as SELECT', token.text === '.' ? SHELL_HINT : undefined);
}

/** EXPLAIN [ANALYZE] [VERBOSE] statement, EXPLAIN (option [value], ...) statement. */
function readExplain(cursor: Cursor): Explain {
  const { position } = cursor.advance();
  const options: { name: string; value: string | undefined }[] = [];
  if (cursor.isSign('(') && !cursor.isQueryGroup()) {
    cursor.advance();
    do options.push(readOption(cursor));
    while (cursor.acceptSign(','));
    cursor.expectSign(')');
  } else {
    if (isAnalyze(cursor.token)) options.push({ name: cursor.advance().value, value: undefined });
    if (cursor.isWord('verbose')) options.push({ name: cursor.advance().value, value: undefined });
  }
  const named = options.map(({ name, value }) => ({ name: name === 'analyse' ? 'analyze' : name, value }));
  const analyze = named.some(({ name, value }) => name === 'analyze' && !/^(false|off|0)$/.test(value ?? ''));
  const rest = named.filter(({ name }) => name !== 'analyze');
  return { kind: 'Explain', analyze, options: rest, statement: readExplainable(cursor), position };
}

function isAnalyze(token: Token): boolean {
  return token.kind === 'word' && (token.value === 'analyze' || token.value === 'analyse');
}

function readOption(cursor: Cursor): { name: string; value: string | undefined } {
  const name = cursor.label('an option').text.toLowerCase();
  const { kind, value } = cursor.token;
  if (kind !== 'word' && kind !== 'integer' && kind !== 'string') return { name, value: undefined };
  cursor.advance();
  return { name, value: value.toLowerCase() };
}

/** A backslash in '...' stands for itself, though it is often meant as an escape. */
function noticesOf(tokens: readonly Token[]): SqlNotice[] {
  return tokens
    .filter((token) => token.kind === 'string' && token.text.startsWith("'") && token.value.includes('\\'))
    .map(({ position }) => ({
      message: "a backslash in '...' is an ordinary character; E'...' has escapes",
      position,
    }));
}
