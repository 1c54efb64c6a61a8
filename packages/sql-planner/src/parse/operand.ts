/** What stands between operators: literals, parameters, paths, brackets, CASE, CAST, ARRAY, ROW, EXISTS and calls. */

import type { TextPosition } from '@ashlar/core';
import { canBeName, FUNCTION_ONLY_WORDS } from '../guard/keywords.ts';
import { syntaxError, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import { readCall } from './call.ts';
import { isSpecialCall, readKeywordCall, readSpecialCall } from './call-forms.ts';
import type { Cursor } from './cursor.ts';
import { refuseInnerChange } from './inner-changes.ts';
import type { CaseBranch, Expression, Literal, LiteralValue, Name, NameStep, PathStep } from './syntax.ts';
import { isTypedLiteral, readIntervalFields, readTypeName } from './type-name.ts';

/** One operand, from its first token to its last. */
export function readOperand(cursor: Cursor): Expression {
  const { token } = cursor;
  switch (token.kind) {
    case 'string':
      cursor.advance();
      return literal({ type: 'string', value: token.value }, token.position);
    case 'integer':
      cursor.advance();
      return literal({ type: 'integer', value: BigInt(token.value) }, token.position);
    case 'decimal':
      cursor.advance();
      return literal({ type: 'decimal', text: token.value }, token.position);
    case 'parameter':
      return withSteps(cursor, cursor.parameters.read(cursor.advance()));
    case 'bits':
      throw unsupported('a bit string', token.position, "write a number, or bytes: '\\x0aff'::bytea");
    case 'word':
      return readWord(cursor, token);
    case 'quoted':
      return readNamed(cursor);
    default:
      if (token.text === '(') return readGroup(cursor);
      throw unexpected(token, 'an expression', starHint(token));
  }
}

function starHint(token: Token): string | undefined {
  return token.text === '*' ? '* stands alone in a select list or in count(*)' : undefined;
}

function literal(value: LiteralValue, position: TextPosition): Literal {
  return { kind: 'Literal', literal: value, position };
}

const CONSTANTS: ReadonlyMap<string, LiteralValue> = new Map<string, LiteralValue>([
  ['null', { type: 'null' }],
  ['true', { type: 'boolean', value: true }],
  ['false', { type: 'boolean', value: false }],
]);

function readWord(cursor: Cursor, token: Token): Expression {
  const constant = CONSTANTS.get(token.value);
  if (constant !== undefined) {
    cursor.advance();
    return literal(constant, token.position);
  }
  const called = cursor.isSignAhead(1, '(');
  switch (token.value) {
    case 'case':
      return cursor.nested(() => readCase(cursor));
    case 'cast':
      return readCast(cursor);
    case 'array':
      return readArray(cursor);
    case 'row':
      if (called) return readRow(cursor);
      break;
    case 'exists':
      if (called) return readExists(cursor);
      break;
    case 'unique':
    case 'variadic':
      throw unsupported(
        token.value.toUpperCase(),
        token.position,
        'list the values one by one, or count them with GROUP BY',
      );
    default:
  }
  const keywordCall = readKeywordCall(cursor);
  if (keywordCall !== undefined) return keywordCall;
  if (isTypedLiteral(cursor)) return readTypedLiteral(cursor);
  if (called && isSpecialCall(token.value)) return readSpecialCall(cursor);
  return readNamed(cursor);
}

/** A path, a call, or a type's name before a string. */
function readNamed(cursor: Cursor): Expression {
  const first = cursor.token;
  const called = cursor.isSignAhead(1, '(');
  if (first.kind === 'word' && !canBeName(first.value) && !(called && FUNCTION_ONLY_WORDS.has(first.value))) {
    throw unexpected(first, 'an expression', nameHint(first));
  }
  const names = [readFirstName(cursor)];
  while (cursor.isSign('.') && isNameToken(cursor.ahead(1))) {
    cursor.advance();
    names.push(cursor.label('a name'));
  }
  if (cursor.isSign('(')) return readCall(cursor, names);
  if (cursor.token.kind === 'string') return readTypedString(cursor, names);
  if (cursor.isSign('.') && cursor.isSignAhead(1, '*')) {
    throw unexpected(cursor.ahead(1), undefined, '* stands alone in a select list');
  }
  const [head, ...rest] = names.map((name): NameStep => ({ kind: 'Name', name }));
  return { kind: 'Path', steps: [head!, ...rest, ...readPathSteps(cursor)], position: first.position };
}

function nameHint(token: Token): string | undefined {
  return /^(from|where|group|order|having|limit|then|else|end|and|or|on|as|when)$/.test(token.value)
    ? undefined
    : `${token.text.toUpperCase()} is a keyword: as a name it needs double quotes`;
}

function readFirstName(cursor: Cursor): Name {
  return cursor.label('a name');
}

function isNameToken(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted';
}

/** `.name`, `[index]`, `[lower:upper]`, as many as there are. */
export function readPathSteps(cursor: Cursor): PathStep[] {
  const steps: PathStep[] = [];
  for (;;) {
    if (cursor.acceptSign('.')) {
      if (cursor.isSign('*'))
        throw unsupported('the expansion of a value by .*', cursor.position, 'name its fields: owner.id');
      steps.push({ kind: 'Name', name: cursor.label("a field's name") });
    } else if (cursor.isSign('[')) steps.push(readSubscriptStep(cursor));
    else return steps;
  }
}

function readSubscriptStep(cursor: Cursor): PathStep {
  const { position } = cursor.expectSign('[');
  const lower = cursor.isSign(':') ? undefined : cursor.grammar.expression(cursor);
  if (!cursor.acceptSign(':')) {
    if (lower === undefined) throw unexpected(cursor.token, 'an index');
    cursor.expectSign(']');
    return { kind: 'Subscript', index: lower, position };
  }
  const upper = cursor.isSign(']') ? undefined : cursor.grammar.expression(cursor);
  cursor.expectSign(']');
  return { kind: 'Slice', lower, upper, position };
}

/** `(query)`, `(expression)` or a row `(a, b)`. */
function readGroup(cursor: Cursor): Expression {
  const { position } = cursor;
  if (cursor.isQueryGroup()) return withSteps(cursor, readSubquery(cursor, 'scalar', position));
  refuseInnerChange(cursor);
  cursor.advance();
  const items = [cursor.grammar.expression(cursor)];
  while (cursor.acceptSign(',')) items.push(cursor.grammar.expression(cursor));
  cursor.expectSign(')');
  return items.length === 1 ? withSteps(cursor, items[0]!) : { kind: 'Row', items, position };
}

/** `(expression)[1].field`: only brackets and parameters have steps of their own behind them. */
function withSteps(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor;
  const steps = readPathSteps(cursor);
  return steps.length === 0 ? operand : { kind: 'Access', operand, steps, position };
}

function readSubquery(cursor: Cursor, form: 'scalar' | 'exists' | 'array', position: TextPosition): Expression {
  cursor.expectSign('(');
  const query = cursor.grammar.query(cursor);
  cursor.expectSign(')');
  return { kind: 'Subquery', form, query, position };
}

function readExists(cursor: Cursor): Expression {
  const { position } = cursor.advance();
  if (!cursor.isQueryGroup()) {
    refuseInnerChange(cursor);
    throw unexpected(cursor.ahead(1), 'a query');
  }
  return readSubquery(cursor, 'exists', position);
}

function readCase(cursor: Cursor): Expression {
  const { position } = cursor.advance();
  const operand = cursor.isWord('when') ? undefined : cursor.grammar.expression(cursor);
  const branches: CaseBranch[] = [];
  while (cursor.acceptWord('when')) {
    const when = cursor.grammar.expression(cursor);
    cursor.expectWord('then');
    branches.push({ when, result: cursor.grammar.expression(cursor) });
  }
  if (branches.length === 0) throw unexpected(cursor.token, 'WHEN');
  const otherwise = cursor.acceptWord('else') ? cursor.grammar.expression(cursor) : undefined;
  if (!cursor.isWord('end')) throw unexpected(cursor.token, 'END', 'every CASE is closed by an END');
  cursor.advance();
  return { kind: 'Case', operand, branches, otherwise, position };
}

function readCast(cursor: Cursor): Expression {
  const { position } = cursor.advance();
  cursor.expectSign('(');
  const operand = cursor.grammar.expression(cursor);
  cursor.expectWord('as');
  const type = readTypeName(cursor);
  cursor.expectSign(')');
  return { kind: 'Cast', operand, type, position };
}

function readArray(cursor: Cursor): Expression {
  const { position } = cursor.advance();
  if (cursor.isQueryGroup()) return readSubquery(cursor, 'array', position);
  return readArrayItems(cursor, position);
}

/** `[1, 2]`, and `[[1, 2], [3, 4]]`: the inner ones without the word ARRAY. */
function readArrayItems(cursor: Cursor, position: TextPosition): Expression {
  cursor.expectSign('[');
  const items: Expression[] = [];
  while (!cursor.isSign(']')) {
    if (items.length > 0) cursor.expectSign(',');
    const inner = cursor.position;
    items.push(cursor.isSign('[') ? readArrayItems(cursor, inner) : cursor.grammar.expression(cursor));
  }
  cursor.expectSign(']');
  return { kind: 'Array', items, position };
}

function readRow(cursor: Cursor): Expression {
  const { position } = cursor.advance();
  cursor.expectSign('(');
  const items: Expression[] = [];
  while (!cursor.isSign(')')) {
    if (items.length > 0) cursor.expectSign(',');
    items.push(cursor.grammar.expression(cursor));
  }
  cursor.expectSign(')');
  return { kind: 'Row', items, position };
}

/** `timestamp(3) with time zone '...'`, `interval '1' day`: types of several words or with fields. */
function readTypedLiteral(cursor: Cursor): Expression {
  const { position } = cursor;
  const type = readTypeName(cursor, { arrays: false });
  const operand = readOperand(cursor);
  if (type.name !== 'interval') return { kind: 'Cast', operand, type, position };
  const intervalFields = readIntervalFields(cursor);
  if (intervalFields !== undefined && type.modifiers.length > 0) {
    throw syntaxError('an interval has a precision or fields, not both', type.position);
  }
  return { kind: 'Cast', operand, type: { ...type, intervalFields }, position };
}

/** `uuid '...'`: the string is the present token. */
function readTypedString(cursor: Cursor, names: readonly Name[]): Expression {
  const position = names[0]!.position;
  const operand = readOperand(cursor);
  const last = names.at(-1)!;
  const name = last.quoted ? last.text : last.text.toLowerCase();
  const type = { schema: names.slice(0, -1), name, modifiers: [], intervalFields: undefined, arrayDepth: 0, position };
  return { kind: 'Cast', operand, type, position };
}
