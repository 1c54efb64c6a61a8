/**
 * A statement with everything taken out that node-sql-parser could misread: it sees clause words, commas and numbered
 * placeholders, without brackets around anything but names, without strings, quotes, comments and operators.
 *
 *   SELECT sum("a"), b + 1 c FROM "T" x WHERE a OR b   ->   SELECT 0, 1 t2 FROM t3 t4 WHERE 5
 *
 * skeleton K1  Placeholder n of the text is the n-th of the list; what it stands for has been read and keeps its place.
 * skeleton K2  The text holds nothing of the user's: only words of ours and placeholders.
 * skeleton K3  It never nests, so the parser's backtracking stays linear.
 */
import type { TextPosition } from '@ashlar/core';
import type { Token } from '../guard/token.ts';
import type { Alias, Expression, FromItem, Path, SelectItem } from './syntax.ts';

/** What a placeholder stands for. */
export type Placeholder =
  | { readonly kind: 'expression'; readonly expression: Expression; readonly position: TextPosition }
  | { readonly kind: 'star'; readonly item: SelectItem }
  | { readonly kind: 'source'; readonly item: FromItem }
  | { readonly kind: 'alias'; readonly alias: Alias }
  | { readonly kind: 'target'; readonly path: Path };

export class Skeleton {
  #text = '';
  readonly #placeholders: Placeholder[] = [];
  /** Where in the text each piece begins, and the token it stands for. */
  readonly #starts: number[] = [];
  readonly #tokens: Token[] = [];

  get text(): string {
    return this.#text;
  }

  get placeholderCount(): number {
    return this.#placeholders.length;
  }

  /** Appends words of ours. */
  words(text: string, token: Token): void {
    this.#mark(token);
    this.#text += ` ${text}`;
  }

  /** Appends a placeholder: a number where an expression stands, `t` and a number where a name stands. */
  placeholder(placeholder: Placeholder, token: Token): void {
    this.#mark(token);
    const named = placeholder.kind === 'source' || placeholder.kind === 'alias' || placeholder.kind === 'target';
    this.#text += named ? ` t${this.#placeholders.length}` : ` ${this.#placeholders.length}`;
    this.#placeholders.push(placeholder);
  }

  placeholderAt(index: number): Placeholder | undefined {
    return this.#placeholders[index];
  }

  /** The token of the piece that holds this offset of the text; undefined behind the last piece. */
  tokenAt(offset: number): Token | undefined {
    return offset >= this.#text.length ? undefined : this.#tokens[this.#pieceAt(offset)];
  }

  /** The token of the piece before the one that holds this offset. */
  tokenBefore(offset: number): Token | undefined {
    return this.#tokens[this.#pieceAt(offset) - 1];
  }

  #pieceAt(offset: number): number {
    const next = this.#starts.findIndex((start) => start > offset);
    return (next < 0 ? this.#starts.length : next) - 1;
  }

  #mark(token: Token): void {
    this.#starts.push(this.#text.length);
    this.#tokens.push(token);
  }
}
