/** Tokens of a SQL text: what the lexer makes and everything behind it reads. */
import type { TextPosition } from '@ashlar/core';

/**
 * word         an unquoted name or keyword
 * quoted       a name in double quotes
 * string       '...', E'...', $tag$...$tag$
 * bits         B'...' or X'...'
 * integer      123, 1_000, 0x1F, 0o17, 0b11
 * decimal      1.5, .5, 5., 1e10
 * parameter    $1, ?, :name
 * operator     a run of operator characters, by PostgreSQL's rule of the longest match
 * punctuation  ( ) [ ] , ; . : :: := =>
 * end          the end of the text; always the last token, and there only
 */
export type TokenKind =
  | 'word'
  | 'quoted'
  | 'string'
  | 'bits'
  | 'integer'
  | 'decimal'
  | 'parameter'
  | 'operator'
  | 'punctuation'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written. */
  readonly text: string;
  /**
   * word: in lower case. quoted, string: the value meant. integer: its decimal digits. decimal: without underscores.
   * parameter: `$1` as '1', `:name` as 'name', `?` as ''. Otherwise as written.
   */
  readonly value: string;
  readonly position: TextPosition;
  /** Offset behind the last character. */
  readonly end: number;
}
