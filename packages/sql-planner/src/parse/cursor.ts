/**
 * A place in the tokens of one statement, and what reading needs beside it: the parameters met so far, the nesting, and
 * the two entries of the grammar that call each other in a circle (an expression holds queries, a query expressions).
 */
import type { TextPosition } from '@ashlar/core';
import { LIMITS } from '../guard/guard.ts';
import { canBeName } from '../guard/keywords.ts';
import { tooLarge, unexpected } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import type { ParameterList } from './parameters.ts';
import type { Expression, Name, Query } from './syntax.ts';

export interface Grammar {
  /** An expression up to the first token that cannot continue it. */
  expression(cursor: Cursor): Expression;
  /** An expression without AND, OR, NOT, IS, IN, LIKE and BETWEEN (PostgreSQL's b_expr), where one of these follows. */
  restrictedExpression(cursor: Cursor): Expression;
  /** WITH, SELECT, VALUES, TABLE or a query in brackets, with all that belongs to it. */
  query(cursor: Cursor): Query;
}

export class Cursor {
  readonly grammar: Grammar;
  readonly parameters: ParameterList;
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;
  /** The height of the highest expression read since this was last set to 0; kept by the expression parser. */
  peakHeight = 0;

  /** @param tokens end with one of kind 'end' */
  constructor(tokens: readonly Token[], grammar: Grammar, parameters: ParameterList) {
    this.#tokens = tokens;
    this.grammar = grammar;
    this.parameters = parameters;
  }

  get token(): Token {
    return this.#tokens[this.#at]!;
  }

  get position(): TextPosition {
    return this.token.position;
  }

  /** The token `distance` behind the present one; the end token from there on. */
  ahead(distance: number): Token {
    return this.#tokens[this.#at + distance] ?? this.#tokens.at(-1)!;
  }

  /** The token before the present one, or the present one at the beginning. */
  get before(): Token {
    return this.#tokens[Math.max(0, this.#at - 1)]!;
  }

  advance(): Token {
    const token = this.token;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  isWord(word: string): boolean {
    const { kind, value } = this.token;
    return kind === 'word' && value === word;
  }

  isWordAhead(distance: number, word: string): boolean {
    const { kind, value } = this.ahead(distance);
    return kind === 'word' && value === word;
  }

  /** Whether the token is this punctuation or operator. */
  isSign(sign: string): boolean {
    return isSign(this.token, sign);
  }

  isSignAhead(distance: number, sign: string): boolean {
    return isSign(this.ahead(distance), sign);
  }

  acceptWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.#at++;
    return true;
  }

  acceptSign(sign: string): boolean {
    if (!this.isSign(sign)) return false;
    this.#at++;
    return true;
  }

  expectWord(word: string): Token {
    if (!this.isWord(word)) throw unexpected(this.token, word.toUpperCase());
    return this.advance();
  }

  expectSign(sign: string): Token {
    if (!this.isSign(sign)) throw unexpected(this.token, `'${sign}'`);
    return this.advance();
  }

  /** Whether the token can name a column or a table. */
  isName(): boolean {
    const { kind, value } = this.token;
    return kind === 'quoted' || (kind === 'word' && canBeName(value));
  }

  /** @param what for the message: "a column's name" */
  name(what: string): Name {
    if (!this.isName()) throw unexpected(this.token, what, this.#reservedHint());
    return this.#takeName();
  }

  /** A name where every keyword may stand: behind AS or a dot. */
  label(what: string): Name {
    if (this.token.kind !== 'word' && this.token.kind !== 'quoted') throw unexpected(this.token, what);
    return this.#takeName();
  }

  /** '(' name, ... ')'. */
  nameList(what: string): Name[] {
    this.expectSign('(');
    const names = [this.name(what)];
    while (this.acceptSign(',')) names.push(this.name(what));
    this.expectSign(')');
    return names;
  }

  /** Whether a query begins at this token: a word of its own, or a bracket that holds one. */
  isQuery(): boolean {
    return isQueryWord(this.token) || this.isQueryGroup();
  }

  /**
   * Whether the bracket at this token holds a query, as `(SELECT 1)` and `((SELECT 1) UNION (SELECT 2))` do, and not an
   * expression, as `((SELECT 1) + 2)` does.
   */
  isQueryGroup(): boolean {
    return this.isSign('(') && this.#holdsQuery(this.#at);
  }

  /** Reads something that may hold another of its kind: the depth is bounded, and so is the stack. */
  nested<T>(read: () => T): T {
    const limit = LIMITS.expressionDepthMax;
    if (this.#nesting >= limit) throw tooLarge(`the statement is nested more than ${limit} deep`, limit, this.position);
    this.#nesting++;
    try {
      return read();
    } finally {
      this.#nesting--;
    }
  }

  #holdsQuery(open: number): boolean {
    const first = this.#tokens[open + 1]!;
    if (isQueryWord(first)) return true;
    if (!isSign(first, '(') || !this.#holdsQuery(open + 1)) return false;
    const behind = this.#tokens[this.#closing(open + 1) + 1]!;
    return isSign(behind, ')') || (behind.kind === 'word' && CONTINUES_QUERY.has(behind.value));
  }

  /** The index of the bracket that closes the one at `open`; the guard has seen to it that there is one. */
  #closing(open: number): number {
    let depth = 0;
    for (let index = open; ; index++) {
      const token = this.#tokens[index]!;
      if (isSign(token, '(')) depth++;
      else if (isSign(token, ')') && --depth === 0) return index;
    }
  }

  #takeName(): Name {
    const { kind, text, value, position } = this.advance();
    return kind === 'quoted' ? { text: value, quoted: true, position } : { text, quoted: false, position };
  }

  #reservedHint(): string | undefined {
    const { kind, text } = this.token;
    return kind === 'word' ? `${text.toUpperCase()} is a keyword: as a name it needs double quotes` : undefined;
  }
}

const CONTINUES_QUERY: ReadonlySet<string> = new Set('union intersect except order limit offset fetch for'.split(' '));

function isQueryWord(token: Token): boolean {
  const { kind, value } = token;
  return kind === 'word' && (value === 'select' || value === 'with' || value === 'values' || value === 'table');
}

function isSign(token: Token, sign: string): boolean {
  return (token.kind === 'punctuation' || token.kind === 'operator') && token.text === sign;
}
