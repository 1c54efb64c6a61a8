/** Operations of one batch that are answered late, and which of its answers were sent out of order. */
export class LateAnswers {
  /** open[operation]: answers it waits for. */
  readonly #open: Uint8Array;
  /** 1: sent, while operations before it were not. */
  #told: Uint8Array | undefined;
  /** Answers that came since some were sent last. */
  fresh = 0;

  constructor(count: number) {
    this.#open = new Uint8Array(count);
  }

  begin(operation: number): void {
    this.#open[operation]!++;
  }

  end(operation: number): void {
    this.#open[operation]!--;
    this.fresh++;
  }

  /** It goes on waiting for what it began to wait for before. */
  endUnanswered(operation: number): void {
    this.#open[operation]!--;
  }

  isOpen(operation: number): boolean {
    return this.#open[operation] !== 0;
  }

  /** Whether none of operations [from, end) is open. */
  areAnswered(from: number, end: number): boolean {
    for (let operation = from; operation < end; operation++) if (this.#open[operation] !== 0) return false;
    return true;
  }

  /** Where the answered operations from `from` on end. */
  endOfAnswered(from: number): number {
    let end = from;
    while (end < this.#open.length && this.#open[end] === 0) end++;
    return end;
  }

  isTold(operation: number): boolean {
    return this.#told?.[operation] === 1;
  }

  noteTold(first: number, end: number): void {
    this.#told ??= new Uint8Array(this.#open.length);
    this.#told.fill(1, first, end);
  }

  /** Runs [first, end) from `from` on whose answers are not sent; with `answered` only those that have an answer. */
  *untold(from: number, answered: boolean): Generator<readonly [first: number, end: number]> {
    const isNews = (operation: number): boolean =>
      !this.isTold(operation) && (!answered || this.#open[operation] === 0);
    for (let first = from; first < this.#open.length; first++) {
      if (!isNews(first)) continue;
      let end = first + 1;
      while (end < this.#open.length && isNews(end)) end++;
      yield [first, end];
      first = end;
    }
  }
}
