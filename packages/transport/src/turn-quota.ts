/**
 * Shares the event loop between results and key-value traffic: all streams of one process together send at most
 * TURN_BYTES_MAX a turn; what wants more waits, first come first served.
 */

const TURN_BYTES_MAX = 1 << 20;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class TurnQuota {
  readonly #waiting: Waiting[] = [];
  #used = 0;
  #turnAwaited = false;

  /** Resolves when `bytes` may be sent; undefined: at once. */
  take(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#use(bytes);
      return undefined;
    }
    this.#awaitTurn();
    return new Promise((go) => this.#waiting.push({ bytes, go }));
  }

  /** A single piece always fits into an empty turn. */
  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= TURN_BYTES_MAX;
  }

  #use(bytes: number): void {
    this.#used += bytes;
    this.#awaitTurn();
  }

  #awaitTurn(): void {
    if (this.#turnAwaited) return;
    this.#turnAwaited = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#turnAwaited = false;
    this.#used = 0;
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#use(first.bytes);
      first.go();
    }
  }
}
