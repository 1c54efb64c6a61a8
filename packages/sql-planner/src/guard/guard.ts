/**
 * The guard before every parser: bounds for the text and its tokens, so that nothing behind them can be made to hang or to
 * overflow.
 *
 *   text -> size -> tokens -> brackets balanced, depth, counts -> one statement
 *
 * guard G1  Brackets are balanced and at most BRACKET_DEPTH_MAX deep.
 * guard G2  There is exactly one statement; the only semicolons are behind it.
 * guard G3  Joins, SELECTs, list items, steps of a path and tokens are within their bounds.
 */
import type { TextPosition } from '@ashlar/core';
import { tokenize } from './lexer.ts';
import { syntaxError, tooLarge } from './sql-errors.ts';
import type { Token } from './token.ts';

export const LIMITS = {
  textBytesMax: 1_048_576,
  tokenCountMax: 100_000,
  bracketDepthMax: 50,
  joinCountMax: 100,
  /** SELECTs of one statement: branches of UNION, subqueries. */
  selectCountMax: 500,
  /** Items between two brackets (an IN list, a row), or rows of VALUES. */
  listItemCountMax: 10_000,
  /** Columns of a SELECT, items of GROUP BY, of ORDER BY; PostgreSQL's own bound. */
  clauseItemCountMax: 1_664,
  /** Levels of an expression: operators, CASE, calls, brackets. What walks the tree may recurse. */
  expressionDepthMax: 500,
  /** Names and indexes of one path; a value has at most as many levels. */
  pathStepCountMax: 100,
} as const;

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']' };

/**
 * The tokens of a text that keeps every bound; trailing semicolons are gone, the last token is of kind 'end'.
 *
 * @throws GridError STATEMENT_TOO_LARGE, SYNTAX_ERROR or UNSUPPORTED_SQL, with the place
 */
export function guardText(text: string): Token[] {
  // A text of this many UTF-16 units has at least as many bytes: only shorter ones need counting.
  if (text.length > LIMITS.textBytesMax || Buffer.byteLength(text) > LIMITS.textBytesMax) {
    throw tooLarge(`the statement is longer than ${LIMITS.textBytesMax} bytes`, LIMITS.textBytesMax);
  }
  const tokens = tokenize(text, LIMITS.tokenCountMax);
  checkBrackets(tokens);
  const single = oneStatement(tokens);
  checkCounts(single);
  checkPaths(single);
  return single;
}

interface OpenBracket {
  readonly token: Token;
  commas: number;
}

function checkBrackets(tokens: readonly Token[]): void {
  const open: OpenBracket[] = [];
  let topCommas = 0;
  for (const token of tokens) {
    if (token.kind !== 'punctuation') continue;
    if (token.text === '(' || token.text === '[') {
      open.push({ token, commas: 0 });
    } else if (token.text === ')' || token.text === ']') {
      close(open.pop(), token);
    } else if (token.text === ',') {
      const top = open.at(-1);
      checkListItems(top === undefined ? ++topCommas : ++top.commas, token.position);
    }
    if (open.length > LIMITS.bracketDepthMax) checkDepth(tokens, token);
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) {
    throw syntaxError(`'${unclosed.token.text}' is never closed`, unclosed.token.position);
  }
}

function close(opened: OpenBracket | undefined, token: Token): void {
  if (opened === undefined) throw syntaxError(`'${token.text}' closes nothing`, token.position);
  const wanted = CLOSING[opened.token.text]!;
  if (token.text === wanted) return;
  const { line, column } = opened.token.position;
  const opening = `'${opened.token.text}' of line ${line}, column ${column}`;
  throw syntaxError(`'${token.text}' where '${wanted}' has to close the ${opening}`, token.position);
}

/** Too deep: but if the text is also unbalanced, the writer's mistake is that, and the place is that bracket. */
function checkDepth(tokens: readonly Token[], deepest: Token): void {
  const open: Token[] = [];
  for (const token of tokens) {
    if (token.kind !== 'punctuation') continue;
    if (token.text === '(' || token.text === '[') open.push(token);
    else if (token.text === ')' || token.text === ']') open.pop();
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) throw syntaxError(`'${unclosed.text}' is never closed`, unclosed.position);
  const limit = LIMITS.bracketDepthMax;
  throw tooLarge(`brackets are nested more than ${limit} deep`, limit, deepest.position);
}

function checkListItems(commas: number, position: TextPosition): void {
  const limit = LIMITS.listItemCountMax;
  if (commas >= limit) throw tooLarge(`a list has more than ${limit} items`, limit, position);
}

function oneStatement(tokens: Token[]): Token[] {
  const semicolon = tokens.findIndex((token) => token.kind === 'punctuation' && token.text === ';');
  if (semicolon < 0) return tokens;
  const next = tokens.slice(semicolon).find((token) => token.text !== ';')!;
  if (next.kind !== 'end' || semicolon === 0) {
    const where = next.kind === 'end' ? tokens[semicolon]! : next;
    throw syntaxError('a text holds exactly one statement', where.position, 'send each statement on its own');
  }
  return [...tokens.slice(0, semicolon), next];
}

/** A path goes on with `.name` and `[index]`; anything else, or a name behind a name, ends it. */
function checkPaths(tokens: readonly Token[]): void {
  const limit = LIMITS.pathStepCountMax;
  let steps = 0;
  let isOperand = false;
  for (const token of tokens) {
    const isStep = token.text === '.' || token.text === '[';
    const wasOperand = isOperand;
    isOperand = token.text === ']' || !['punctuation', 'operator', 'end'].includes(token.kind);
    if (isStep) steps += 1;
    else if (!isOperand || (wasOperand && token.text !== ']')) steps = 0;
    if (steps >= limit) throw tooLarge(`a path has more than ${limit} steps`, limit, token.position);
  }
}

function checkCounts(tokens: readonly Token[]): void {
  let joins = 0;
  let selects = 0;
  for (const token of tokens) {
    if (token.kind !== 'word') continue;
    if (token.value === 'join' && ++joins > LIMITS.joinCountMax) {
      const limit = LIMITS.joinCountMax;
      throw tooLarge(`the statement has more than ${limit} joins`, limit, token.position);
    }
    const query = token.value === 'select' || token.value === 'values' || token.value === 'table';
    if (query && ++selects > LIMITS.selectCountMax) {
      const limit = LIMITS.selectCountMax;
      throw tooLarge(`the statement has more than ${limit} SELECTs`, limit, token.position);
    }
  }
}
