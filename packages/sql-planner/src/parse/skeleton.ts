/**
 * A statement with everything taken out that node-sql-parser could misread: it sees clause words, commas and numbered
 * placeholders, without brackets around anything but names, without strings, quotes, comments and operators.
 *
 *   SELECT sum("a"), b + 1 c FROM "T" x WHERE a OR b   ->   SELECT 0, 1 t2 FROM t3 t4 WHERE 5
 *
 * K1  Placeholder n is slot n; what it stands for has been read and keeps its place.
 * K2  The text holds nothing of the user's: only words of ours and placeholders.
 * K3  It never nests, so the parser's backtracking stays linear.
 */
import type { TextPosition } from '@ashlar/core';
import type { Token } from '../guard/token.ts';
import type { Alias, Expression, FromItem, Path, SelectItem } from './syntax.ts';

export type Slot =
  | { readonly kind: 'expression'; readonly expression: Expression; readonly position: TextPosition }
  | { readonly kind: 'star'; readonly item: SelectItem }
  | { readonly kind: 'source'; readonly item: FromItem }
  | { readonly kind: 'alias'; readonly alias: Alias }
  | { readonly kind: 'target'; readonly path: Path };

export class Skeleton {
  #text = '';
  readonly #slots: Slot[] = [];
  /** Where in the text each piece begins, and the token it stands for. */
  readonly #starts: number[] = [];
  readonly #tokens: Token[] = [];

  get text(): string {
    return this.#text;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** Appends words of ours. */
  words(text: string, token: Token): void {
    this.#mark(token);
    this.#text += ` ${text}`;
  }

  /** Appends a placeholder: a number where an expression stands, `t` and a number where a name stands. */
  slot(slot: Slot, token: Token): void {
    this.#mark(token);
    const named = slot.kind === 'source' || slot.kind === 'alias' || slot.kind === 'target';
    this.#text += named ? ` t${this.#slots.length}` : ` ${this.#slots.length}`;
    this.#slots.push(slot);
  }

  slotAt(index: number): Slot | undefined {
    return this.#slots[index];
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
