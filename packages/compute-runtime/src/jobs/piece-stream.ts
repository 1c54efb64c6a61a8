/** The newest of some pieces as a stream: a reader that is slow skips what was replaced meanwhile. */
export class PieceStream<T> {
  #piece: { readonly of: T } | undefined;
  #isEnded = false;
  #wake: (() => void) | undefined;

  replace(piece: T): void {
    this.#piece = { of: piece };
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (!this.#isEnded || this.#piece !== undefined) {
      const piece = this.#piece;
      this.#piece = undefined;
      if (piece !== undefined) yield piece.of;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
