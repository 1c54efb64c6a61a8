/**
 * PostgreSQL's lexical rules (scan.l, standard_conforming_strings on), and two of our own: `?` and `:name` are
 * parameters where an operand is expected.
 *
 *   text -> tokens, each with its place; white space and comments are gone
 *
 * lexer L1  Every character of the text is part of exactly one token, comment or white space: nothing is skipped silently.
 * lexer L2  The lexer alone decides where a string ends; no later stage reads a quote again.
 * lexer L3  The time is linear in the text.
 */
import type { TextPosition } from '@ashlar/core';
import { endsOperand } from './keywords.ts';
import { readOperator } from './lexer-operators.ts';
import { type LexedString, readDollarString, readEscapeString, readQuotedName, readString } from './lexer-strings.ts';
import { SHELL_HINT, syntaxError, tooLarge, unsupported } from './sql-errors.ts';
import type { Token, TokenKind } from './token.ts';

const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const WORD_START = /[A-Za-z_\u0080-\uffff]/;
const RADIX = /0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)/y;
const NUMBER = /(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?/y;
const SPACE = /[ \t\n\r\f\v]+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const NUMBERED = /\$\d+/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const OPERATOR_START = /[-+*/<>=~!@#%^&|`?]/;
/** Longest number, as long as the precision of a numeric can be: a conversion takes time in the square of the length. */
const NUMBER_LENGTH_MAX = 1_000;
const DIGIT = /\d/;

/**
 * Cuts a text into tokens; the last one is of kind 'end'.
 *
 * @param tokenCountMax  how many tokens the text may have, the end not counted
 * @throws GridError STATEMENT_TOO_LARGE beyond that; SYNTAX_ERROR at an unterminated string or comment, a malformed number, or a foreign character;
 *         UNSUPPORTED_SQL at U&'...' and N'...'
 */
export function tokenize(text: string, tokenCountMax = Number.POSITIVE_INFINITY): Token[] {
  return new Lexer(text, tokenCountMax).run();
}

class Lexer {
  readonly #text: string;
  readonly #tokenCountMax: number;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #lineStart = 0;
  #nextNewline: number;

  constructor(text: string, tokenCountMax: number) {
    this.#text = text;
    this.#tokenCountMax = tokenCountMax;
    this.#nextNewline = text.indexOf('\n');
  }

  run(): Token[] {
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) break;
      if (this.#tokens.length >= this.#tokenCountMax) throw this.#tooMany();
      this.#token();
    }
    this.#push('end', this.#at, '');
    return this.#tokens;
  }

  #tooMany(): Error {
    const limit = this.#tokenCountMax;
    return tooLarge(`the statement has more than ${limit} tokens`, limit, this.#position(this.#at));
  }

  #token(): void {
    const char = this.#text[this.#at]!;
    const next = this.#text[this.#at + 1] ?? '';
    if (char === "'") this.#string('string', readString(this.#text, this.#at, this.#position(this.#at)));
    else if (char === '"') this.#string('quoted', readQuotedName(this.#text, this.#at, this.#position(this.#at)));
    else if (WORD_START.test(char)) this.#word(char, next);
    else if (DIGIT.test(char) || (char === '.' && DIGIT.test(next))) this.#number();
    else if (char === '$') this.#dollar();
    else if (char === ':') this.#colon(next);
    else if (char === '=' && next === '>' && !this.#longerOperator()) this.#push('punctuation', this.#at + 2);
    else if (OPERATOR_START.test(char)) this.#operator();
    else if ('()[],;.'.includes(char)) this.#push('punctuation', this.#at + 1);
    else throw this.#foreign(char);
  }

  #foreign(char: string): Error {
    const hint = char === '\\' ? SHELL_HINT : undefined;
    return syntaxError(`the character '${char}' has no meaning here`, this.#position(this.#at), hint);
  }

  #word(char: string, next: string): void {
    if (next === "'" && 'eEbBxXnN'.includes(char)) {
      this.#prefixed(char.toLowerCase());
      return;
    }
    if (next === '&' && 'uU'.includes(char) && /['"]/.test(this.#text[this.#at + 2] ?? '')) {
      throw unsupported("a string of the form U&'...'", this.#position(this.#at), "write E'\\uXXXX' instead");
    }
    const end = this.#match(WORD)!;
    const text = this.#text.slice(this.#at, end);
    this.#push('word', end, text.toLowerCase());
  }

  #prefixed(prefix: string): void {
    const position = this.#position(this.#at);
    if (prefix === 'n') throw unsupported("a string of the form N'...'", position, "write '...'");
    if (prefix === 'e') this.#string('string', readEscapeString(this.#text, this.#at + 1, position));
    else this.#string('bits', readString(this.#text, this.#at + 1, position));
  }

  #string(kind: TokenKind, read: LexedString): void {
    this.#push(kind, read.end, read.value);
  }

  #number(): void {
    const radixEnd = this.#match(RADIX);
    const end = radixEnd ?? this.#match(NUMBER)!;
    if (end - this.#at > NUMBER_LENGTH_MAX) {
      throw tooLarge('a number is too long', NUMBER_LENGTH_MAX, this.#position(this.#at));
    }
    const digits = this.#text.slice(this.#at, end).replaceAll('_', '');
    const after = this.#text[end] ?? '';
    if (WORD_START.test(after) || DIGIT.test(after)) {
      throw syntaxError(`a number and a name run together at '${digits}${after}'`, this.#position(this.#at));
    }
    if (radixEnd !== undefined) this.#push('integer', end, BigInt(digits).toString());
    else this.#push(/^\d+$/.test(digits) ? 'integer' : 'decimal', end, digits);
  }

  #dollar(): void {
    const position = this.#position(this.#at);
    const numbered = this.#match(NUMBERED);
    if (numbered !== undefined) {
      if (WORD_START.test(this.#text[numbered] ?? '')) {
        throw syntaxError('a parameter and a name run together', position);
      }
      this.#push('parameter', numbered, this.#text.slice(this.#at + 1, numbered));
      return;
    }
    const tagEnd = this.#match(DOLLAR_TAG);
    if (tagEnd === undefined) throw syntaxError("'$' has no meaning here", position, 'parameters are $1, $2, ...');
    this.#string('string', readDollarString(this.#text, this.#at, tagEnd, position));
  }

  #colon(next: string): void {
    if (next === ':' || next === '=') {
      this.#push('punctuation', this.#at + 2);
    } else if (!WORD_START.test(next) || this.#afterOperand()) {
      this.#push('punctuation', this.#at + 1);
    } else {
      WORD.lastIndex = this.#at + 1;
      WORD.test(this.#text);
      const end = WORD.lastIndex;
      this.#push('parameter', end, this.#text.slice(this.#at + 1, end));
    }
  }

  #longerOperator(): boolean {
    return OPERATOR_START.test(this.#text[this.#at + 2] ?? '');
  }

  #operator(): void {
    if (this.#text[this.#at] === '?' && !this.#afterOperand()) this.#push('parameter', this.#at + 1, '');
    else this.#push('operator', readOperator(this.#text, this.#at));
  }

  /** Whether the token before can end an operand: then an operator follows, never a parameter. */
  #afterOperand(): boolean {
    const last = this.#tokens.at(-1);
    if (last === undefined) return false;
    if (last.kind === 'word') return endsOperand(last.value);
    if (last.kind === 'punctuation') return last.text === ')' || last.text === ']';
    return last.kind !== 'operator';
  }

  #skipBlank(): void {
    for (;;) {
      const end = this.#match(SPACE) ?? this.#match(LINE_COMMENT) ?? this.#blockCommentEnd();
      if (end === undefined) return;
      this.#at = end;
    }
  }

  /** Comments nest, as the standard asks and PostgreSQL does. */
  #blockCommentEnd(): number | undefined {
    if (!this.#text.startsWith('/*', this.#at)) return undefined;
    const marks = /\/\*|\*\//g;
    marks.lastIndex = this.#at;
    let depth = 0;
    for (let mark = marks.exec(this.#text); mark !== null; mark = marks.exec(this.#text)) {
      depth += mark[0] === '/*' ? 1 : -1;
      if (depth === 0) return marks.lastIndex;
    }
    throw syntaxError('the comment is never closed', this.#position(this.#at));
  }

  /** Where a match of `pattern` (sticky) at the present place ends, or undefined. */
  #match(pattern: RegExp): number | undefined {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text) ? pattern.lastIndex : undefined;
  }

  #push(kind: TokenKind, end: number, value?: string): void {
    const text = this.#text.slice(this.#at, end);
    this.#tokens.push({ kind, text, value: value ?? text, position: this.#position(this.#at), end });
    this.#at = end;
  }

  /** Offsets are asked for in ascending order, so the whole text is searched for line ends once. */
  #position(offset: number): TextPosition {
    while (this.#nextNewline >= 0 && this.#nextNewline < offset) {
      this.#line++;
      this.#lineStart = this.#nextNewline + 1;
      this.#nextNewline = this.#text.indexOf('\n', this.#lineStart);
    }
    return { offset, line: this.#line, column: offset - this.#lineStart + 1 };
  }
}
