/**
 * Calls with words of their own, which become ordinary ones: extract(f FROM x), substring(x FROM a FOR b),
 * position(a IN b), overlay(x PLACING y FROM a), trim(BOTH c FROM x), CURRENT_DATE and its like. `syntax.ts`, Call, has
 * the list of what becomes what.
 */
import type { TextPosition } from '@ashlar/core';
import { notYet, unexpected, unsupported } from '../guard/sql-errors.ts';
import { plainCall } from './call.ts';
import type { Cursor } from './cursor.ts';
import type { Call, Expression, Literal, Name } from './syntax.ts';

const SPECIAL: ReadonlyMap<string, (cursor: Cursor, position: TextPosition) => Call> = new Map([
  ['extract', readExtract],
  ['substring', readSubstring],
  ['position', readPosition],
  ['overlay', readOverlay],
  ['trim', readTrim],
]);
const REFUSED =
  /^(treat|normalize|collation|xml\w+|json_(array|arrayagg|exists|object|objectagg|query|scalar|serialize|table|value)|merge_action|grouping)$/;

/** Whether a call of this name has a form of its own. */
export function isSpecialCall(word: string): boolean {
  return SPECIAL.has(word) || REFUSED.test(word);
}

function insteadOfForm(word: string): string {
  if (word === 'grouping') return 'send a statement for each grouping';
  if (word.startsWith('json')) return 'name a path: owner.id, tags[0]; build documents in the application';
  return 'compute it in the application';
}

/** The present token is such a name, the next one '('. */
export function readSpecialCall(cursor: Cursor): Call {
  const { token } = cursor;
  const read = SPECIAL.get(token.value);
  if (read === undefined) throw notYet(`${token.text.toUpperCase()}(...)`, token.position, insteadOfForm(token.value));
  cursor.advance();
  cursor.expectSign('(');
  const call = read(cursor, token.position);
  cursor.expectSign(')');
  return call;
}

const KEYWORD_CALLS: ReadonlySet<string> = new Set(
  'current_date current_time current_timestamp localtime localtimestamp current_user current_role session_user user current_catalog current_schema system_user'.split(
    ' ',
  ),
);

/** CURRENT_TIMESTAMP, LOCALTIME(3), ... as a call; undefined when the present token is none of them. */
export function readKeywordCall(cursor: Cursor): Call | undefined {
  const { token } = cursor;
  if (token.kind !== 'word' || !KEYWORD_CALLS.has(token.value)) return undefined;
  if (token.value === 'current_schema' && cursor.isSignAhead(1, '(')) return undefined;
  cursor.advance();
  const args: Expression[] = [];
  if (/time/.test(token.value) && cursor.acceptSign('(')) {
    args.push(cursor.grammar.expression(cursor));
    cursor.expectSign(')');
  }
  return named(token.value, token.position, args);
}

function named(text: string, position: TextPosition, args: readonly Expression[]): Call {
  const name: Name = { text, quoted: false, position };
  return plainCall([name], args);
}

/** The field comes as a string: extract(year FROM x) -> extract('year', x). */
function readExtract(cursor: Cursor, position: TextPosition): Call {
  const { token } = cursor;
  if (token.kind !== 'word' && token.kind !== 'string' && token.kind !== 'quoted') {
    throw unexpected(token, 'a field: year, month, day, hour, ...');
  }
  cursor.advance();
  const field: Literal = { kind: 'Literal', literal: { type: 'string', value: token.value }, position: token.position };
  cursor.expectWord('from');
  return named('extract', position, [field, cursor.grammar.expression(cursor)]);
}

function readSubstring(cursor: Cursor, position: TextPosition): Call {
  const args = [cursor.grammar.expression(cursor)];
  if (cursor.isWord('similar'))
    throw unsupported('substring(... SIMILAR ...)', cursor.position, 'write substring(x FROM start FOR length)');
  if (cursor.isSign(',')) return named('substring', position, [...args, ...readMore(cursor)]);
  let start: Expression | undefined;
  let length: Expression | undefined;
  while (cursor.isWord('from') || cursor.isWord('for')) {
    const word = cursor.advance();
    if ((word.value === 'from' ? start : length) !== undefined) throw unexpected(word, "')'");
    if (word.value === 'from') start = cursor.grammar.expression(cursor);
    else length = cursor.grammar.expression(cursor);
  }
  if (length !== undefined) start ??= { kind: 'Literal', literal: { type: 'integer', value: 1n }, position };
  return named('substring', position, [...args, ...[start, length].filter((argument) => argument !== undefined)]);
}

/** `, a, b`. */
function readMore(cursor: Cursor): Expression[] {
  const args: Expression[] = [];
  while (cursor.acceptSign(',')) args.push(cursor.grammar.expression(cursor));
  return args;
}

/** PostgreSQL's own order of the arguments: the text, then what is sought in it. */
function readPosition(cursor: Cursor, position: TextPosition): Call {
  const sought = cursor.grammar.restrictedExpression(cursor);
  cursor.expectWord('in');
  return named('position', position, [cursor.grammar.restrictedExpression(cursor), sought]);
}

function readOverlay(cursor: Cursor, position: TextPosition): Call {
  const args = [cursor.grammar.expression(cursor)];
  if (cursor.isSign(',')) return named('overlay', position, [...args, ...readMore(cursor)]);
  cursor.expectWord('placing');
  args.push(cursor.grammar.expression(cursor));
  cursor.expectWord('from');
  args.push(cursor.grammar.expression(cursor));
  if (cursor.acceptWord('for')) args.push(cursor.grammar.expression(cursor));
  return named('overlay', position, args);
}

const TRIM_SIDES: ReadonlyMap<string, string> = new Map([
  ['both', 'btrim'],
  ['leading', 'ltrim'],
  ['trailing', 'rtrim'],
]);

/** trim([side] [characters] FROM x), trim([side] x[, characters]). */
function readTrim(cursor: Cursor, position: TextPosition): Call {
  const side = cursor.token.kind === 'word' ? TRIM_SIDES.get(cursor.token.value) : undefined;
  if (side !== undefined) cursor.advance();
  const name = side ?? 'btrim';
  if (cursor.acceptWord('from')) return named(name, position, readList(cursor));
  const first = cursor.grammar.expression(cursor);
  if (cursor.acceptWord('from')) return named(name, position, [...readList(cursor), first]);
  return named(name, position, [first, ...readMore(cursor)]);
}

function readList(cursor: Cursor): Expression[] {
  return [cursor.grammar.expression(cursor), ...readMore(cursor)];
}
