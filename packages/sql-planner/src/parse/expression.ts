/**
 * Expressions: operators bound by PostgreSQL's precedence (Pratt, "Top down operator precedence", 1973).
 *
 *   a OR b AND NOT c = 1 + 2 || 'x'   ->   Or(a, And(b, Not(c = ((1 + 2) || 'x'))))
 *
 * expression E1  An operator of level L takes as its right operand what binds tighter than L (as tight, if it associates to
 *                the right).
 * expression E2  The height of an expression is at most LIMITS.expressionDepthMax.
 * expression E3  Every token is read once, from left to right: the time is linear.
 */
import type { TextPosition } from '@ashlar/core';
import { LIMITS } from '../guard/guard.ts';
import { insteadOfOperator } from '../guard/operators-instead.ts';
import { notYet, shown, syntaxError, tooLarge, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import type { Cursor } from './cursor.ts';
import { readOperand } from './operand.ts';
import { type BinaryEntry, binaryOperator, LEVEL, unaryOperator } from './operators.ts';
import type { Expression, Is, Like, Literal, Name } from './syntax.ts';
import { readTypeName } from './type-name.ts';

/** @throws GridError SYNTAX_ERROR or UNSUPPORTED_SQL at the first token that does not fit */
export function readExpression(cursor: Cursor): Expression {
  return cursor.nested(() => bind(cursor, LEVEL.or, false));
}

/** PostgreSQL's b_expr: stops before AND, OR, NOT, IN, LIKE, BETWEEN, AT TIME ZONE, and IS but with DISTINCT FROM. */
export function readRestrictedExpression(cursor: Cursor): Expression {
  return cursor.nested(() => bind(cursor, LEVEL.is, true));
}

/** Reads an operand and every operator of `least` or a tighter level behind it. */
function bind(cursor: Cursor, least: number, restricted: boolean): Expression {
  const outerPeak = cursor.peakHeight;
  cursor.peakHeight = 0;
  let left = readPrefix(cursor, restricted);
  let height = cursor.peakHeight + 1;
  /** The level of the operator just read, if its kind does not chain. */
  let unchained: number | undefined;
  for (let operator = infixAt(cursor, restricted); operator !== undefined; operator = infixAt(cursor, restricted)) {
    if (operator.level < least) break;
    if (operator.level === unchained) {
      throw syntaxError(`${shown(cursor.token)} does not chain`, cursor.position, 'put one side into parentheses');
    }
    const { position } = cursor;
    cursor.peakHeight = 0;
    left = operator.read(cursor, left, restricted);
    height = Math.max(height, cursor.peakHeight) + 1;
    if (height > LIMITS.expressionDepthMax) throw tooHigh(position);
    unchained = operator.chains ? undefined : operator.level;
  }
  cursor.peakHeight = Math.max(outerPeak, height);
  return left;
}

function tooHigh(position: TextPosition): Error {
  const limit = LIMITS.expressionDepthMax;
  return tooLarge(`an expression has more than ${limit} levels of operators`, limit, position);
}

function readPrefix(cursor: Cursor, restricted: boolean): Expression {
  const { token } = cursor;
  if (token.kind === 'word' && token.value === 'not' && !restricted) {
    cursor.advance();
    const operand = cursor.nested(() => bind(cursor, LEVEL.not, false));
    return { kind: 'Not', operand, position: token.position };
  }
  if (token.kind !== 'operator' || token.text === '*') return readOperand(cursor);
  const unary = unaryOperator(token.text);
  if (unary === undefined) throw strangeOperator(token);
  cursor.advance();
  const operand = cursor.nested(() => bind(cursor, unary.level, restricted));
  if (unary.operator === '-' && operand.kind === 'Literal') {
    const negative = negated(operand, token.position);
    if (negative !== undefined) return negative;
  }
  return { kind: 'Unary', operator: unary.operator, operand, position: token.position };
}

/** A minus before a number is part of it: so the least int8 is exact. */
function negated({ literal }: Literal, position: TextPosition): Literal | undefined {
  if (literal.type === 'integer')
    return { kind: 'Literal', literal: { type: 'integer', value: -literal.value }, position };
  if (literal.type !== 'decimal') return undefined;
  const text = literal.text.startsWith('-') ? literal.text.slice(1) : `-${literal.text}`;
  return { kind: 'Literal', literal: { type: 'decimal', text }, position };
}

function strangeOperator(token: Token): Error {
  if (token.text === '`' || token.text.startsWith('`')) {
    return syntaxError("the character '`' has no meaning here", token.position, 'names are quoted with double quotes');
  }
  if (token.text === '==') return unexpected(token);
  const known = binaryOperator(token.text) !== undefined;
  return known
    ? unexpected(token, 'an expression')
    : notYet(`the operator ${token.text}`, token.position, insteadOfOperator(token.text));
}

/** What continues an expression behind an operand. */
interface Infix {
  readonly level: number;
  /** false: another of the same level must not follow (`a = b = c`). */
  readonly chains: boolean;
  /** Reads the operator and what belongs to it. */
  readonly read: (cursor: Cursor, left: Expression, restricted: boolean) => Expression;
}

const chaining = (level: number, read: Infix['read']): Infix => ({ level, chains: true, read });
const single = (level: number, read: Infix['read']): Infix => ({ level, chains: false, read });

const OR = chaining(LEVEL.or, (cursor, left) => readLogical(cursor, left, 'Or', 'or', LEVEL.or));
const AND = chaining(LEVEL.and, (cursor, left) => readLogical(cursor, left, 'And', 'and', LEVEL.and));
const IS = chaining(LEVEL.is, readIs);
const IS_DISTINCT = single(LEVEL.is, readIsDistinct);
const IN = chaining(LEVEL.range, readIn);
const BETWEEN = single(LEVEL.range, readBetween);
const LIKE = single(LEVEL.range, readLike);
const TYPECAST = chaining(LEVEL.postfix, readTypeCast);
const AT_TIME_ZONE = chaining(LEVEL.atTimeZone, readAtTimeZone);
const COMPARISON = single(LEVEL.comparison, readBinary);
const OPERATOR_LEVELS = [LEVEL.other, LEVEL.additive, LEVEL.multiplicative, LEVEL.power];
const OPERATORS: ReadonlyMap<number, Infix> = new Map(
  OPERATOR_LEVELS.map((level) => [level, chaining(level, readBinary)]),
);
/** `= ANY (...)` ends in a bracket, so what follows it chains. */
const QUANTIFIED: ReadonlyMap<number, Infix> = new Map(
  [LEVEL.comparison, ...OPERATOR_LEVELS].map((level) => [level, chaining(level, readQuantified)]),
);

const WORD_INFIX: ReadonlyMap<string, Infix> = new Map([
  ['or', OR],
  ['and', AND],
  ['is', IS],
  ['isnull', IS],
  ['notnull', IS],
  ['in', IN],
  ['between', BETWEEN],
  ['like', LIKE],
  ['ilike', LIKE],
  ['similar', LIKE],
]);

function infixAt(cursor: Cursor, restricted: boolean): Infix | undefined {
  const { token } = cursor;
  switch (token.kind) {
    case 'operator':
      return operatorInfix(cursor, token, restricted);
    case 'punctuation':
      return token.text === '::' ? TYPECAST : undefined;
    case 'word':
      return wordInfix(cursor, token.value, restricted);
    default:
      return undefined;
  }
}

function operatorInfix(cursor: Cursor, token: Token, restricted: boolean): Infix {
  const entry = binaryOperator(token.text);
  if (entry === undefined) throw strangeOperator(token);
  if (!restricted && isQuantifier(cursor.ahead(1))) return QUANTIFIED.get(entry.level)!;
  return entry.level === LEVEL.comparison ? COMPARISON : OPERATORS.get(entry.level)!;
}

function isQuantifier({ kind, value }: Token): boolean {
  return kind === 'word' && (value === 'any' || value === 'some' || value === 'all');
}

function wordInfix(cursor: Cursor, word: string, restricted: boolean): Infix | undefined {
  if (word === 'at' && restricted) return undefined;
  if (word === 'at') return cursor.isWordAhead(1, 'time') || cursor.isWordAhead(1, 'local') ? AT_TIME_ZONE : undefined;
  if (word === 'collate')
    throw unsupported('COLLATE', cursor.position, 'leave it out: text is compared by its code points');
  if (word === 'overlaps')
    throw unsupported('OVERLAPS', cursor.position, 'compare the ends: a.start < b.stop AND b.start < a.stop');
  if (word === 'operator' && cursor.isSignAhead(1, '('))
    throw unsupported('OPERATOR(...)', cursor.position, 'write the operator itself');
  if (word === 'is' && isDistinctAhead(cursor)) return IS_DISTINCT;
  if (restricted) return undefined;
  if (word === 'not')
    return WORD_INFIX.get(cursor.ahead(1).value)?.level === LEVEL.range ? negatable(cursor) : undefined;
  return WORD_INFIX.get(word);
}

/** NOT IN, NOT LIKE, NOT BETWEEN. */
function negatable(cursor: Cursor): Infix | undefined {
  const { kind, value } = cursor.ahead(1);
  return kind === 'word' ? WORD_INFIX.get(value) : undefined;
}

function isDistinctAhead(cursor: Cursor): boolean {
  return cursor.isWordAhead(cursor.isWordAhead(1, 'not') ? 2 : 1, 'distinct');
}

/** The whole chain at once, so that `a OR b OR c` is one node. */
function readLogical(cursor: Cursor, left: Expression, kind: 'And' | 'Or', word: string, level: number): Expression {
  const { position } = cursor;
  const operands = [left];
  while (cursor.acceptWord(word)) operands.push(cursor.nested(() => bind(cursor, level + 1, false)));
  return { kind, operands, position };
}

function readBinary(cursor: Cursor, left: Expression, restricted: boolean): Expression {
  const { text, position } = cursor.advance();
  const { operator, level } = binaryOperator(text) as BinaryEntry;
  const right = cursor.nested(() => bind(cursor, level + 1, restricted));
  return { kind: 'Binary', operator, left, right, position };
}

function readQuantified(cursor: Cursor, left: Expression): Expression {
  const { text, position } = cursor.advance();
  const { operator } = binaryOperator(text) as BinaryEntry;
  const quantifier = cursor.advance().value === 'all' ? 'all' : 'any';
  if (!cursor.isSign('(')) throw unexpected(cursor.token, "'('");
  const right = cursor.isQueryGroup() ? readGroupedQuery(cursor) : readGrouped(cursor);
  return { kind: 'Quantified', operator, quantifier, left, right, position };
}

function readGroupedQuery(cursor: Cursor) {
  cursor.expectSign('(');
  const query = cursor.grammar.query(cursor);
  cursor.expectSign(')');
  return query;
}

function readGrouped(cursor: Cursor): Expression {
  cursor.expectSign('(');
  const expression = readExpression(cursor);
  cursor.expectSign(')');
  return expression;
}

const TESTS: ReadonlySet<string> = new Set(['null', 'true', 'false', 'unknown']);

function readIs(cursor: Cursor, operand: Expression): Expression {
  const word = cursor.advance();
  const { position } = word;
  if (word.value !== 'is') return { kind: 'Is', test: 'null', negated: word.value === 'notnull', operand, position };
  const isNot = cursor.acceptWord('not');
  const { token } = cursor;
  if (token.kind !== 'word' || !TESTS.has(token.value)) {
    if (/^(json|document|normalized|nfc|nfd|nfkc|nfkd|of)$/.test(token.value)) {
      throw unsupported(
        `IS ${token.text.toUpperCase()}`,
        position,
        'IS takes NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM',
      );
    }
    throw unexpected(token, 'NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM', 'other values are compared with =');
  }
  cursor.advance();
  return { kind: 'Is', test: token.value as Is['test'], negated: isNot, operand, position };
}

function readIsDistinct(cursor: Cursor, left: Expression, restricted: boolean): Expression {
  const { position } = cursor.advance();
  const isNot = cursor.acceptWord('not');
  cursor.expectWord('distinct');
  cursor.expectWord('from');
  const right = cursor.nested(() => bind(cursor, LEVEL.is + 1, restricted));
  return { kind: 'IsDistinct', negated: isNot, left, right, position };
}

function readIn(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor;
  const isNot = cursor.acceptWord('not');
  cursor.expectWord('in');
  if (!cursor.isSign('(')) throw unexpected(cursor.token, "'(' and a list", 'a parameter holding a list: = ANY($1)');
  if (cursor.isQueryGroup()) {
    return { kind: 'InQuery', negated: isNot, operand, query: readGroupedQuery(cursor), position };
  }
  cursor.advance();
  if (cursor.isSign(')')) throw unexpected(cursor.token, 'at least one value');
  const items = [readExpression(cursor)];
  while (cursor.acceptSign(',')) items.push(readExpression(cursor));
  cursor.expectSign(')');
  return { kind: 'InList', negated: isNot, operand, items, position };
}

function readBetween(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor;
  const isNot = cursor.acceptWord('not');
  cursor.expectWord('between');
  const symmetric = cursor.acceptWord('symmetric');
  if (!symmetric) cursor.acceptWord('asymmetric');
  const low = readRestrictedExpression(cursor);
  cursor.expectWord('and');
  const high = cursor.nested(() => bind(cursor, LEVEL.range + 1, false));
  return { kind: 'Between', negated: isNot, symmetric, operand, low, high, position };
}

function readLike(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor;
  const isNot = cursor.acceptWord('not');
  const form = cursor.advance().value as Like['form'];
  if (form === 'similar') cursor.expectWord('to');
  if (isQuantifier(cursor.token)) {
    throw unsupported(
      `LIKE ${cursor.token.text.toUpperCase()}`,
      cursor.position,
      'write one LIKE for each pattern, joined by OR or AND',
    );
  }
  const pattern = cursor.nested(() => bind(cursor, LEVEL.range + 1, false));
  const escaping = cursor.acceptWord('escape') ? cursor.nested(() => bind(cursor, LEVEL.range + 1, false)) : undefined;
  return { kind: 'Like', form, negated: isNot, operand, pattern, escape: escaping, position };
}

function readTypeCast(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor.advance();
  return { kind: 'Cast', operand, type: readTypeName(cursor), position };
}

const TIMEZONE = 'timezone';

function readAtTimeZone(cursor: Cursor, operand: Expression): Expression {
  const { position } = cursor.advance();
  const local = cursor.acceptWord('local');
  if (!local) {
    cursor.expectWord('time');
    cursor.expectWord('zone');
  }
  const zone = local ? [] : [cursor.nested(() => bind(cursor, LEVEL.atTimeZone + 1, false))];
  const name: Name = { text: TIMEZONE, quoted: false, position };
  return {
    kind: 'Call',
    name: [name],
    arguments: [...zone, operand],
    star: false,
    distinct: false,
    orderBy: [],
    filter: undefined,
    over: undefined,
    position,
  };
}
