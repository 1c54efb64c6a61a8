/**
 * Who waits for an answer, and for how long. A member that stands still, or is cut off, tells nobody so: whoever has waited for long
 * listens for new tables, which say that it is taken for dead, and who has what it had.
 *
 *   begin -> answered in a moment -> end                     nobody listens
 *        \-> not answered after LATE_MS -> listens -> end    until nobody waits so long any more
 *
 * late-waits L1  While anybody waits there is one timer, however many they are; while nobody does there is none.
 */
export const LATE_MS = 250;

/** One who waits. */
interface Wait {
  readonly sinceMs: number;
}

export class LateWaits {
  readonly #nowMs: () => number;
  readonly #look: () => void;
  /** In the order in which they began, but for those that count as late from the first moment. */
  readonly #waiting = new Set<Wait>();
  readonly #always = new Set<Wait>();
  #timer: NodeJS.Timeout | undefined;

  /** @param look  called every LATE_MS while somebody waits, and once more when nobody does */
  constructor(nowMs: () => number, look: () => void) {
    this.#nowMs = nowMs;
    this.#look = look;
  }

  /** Whether somebody has waited for long. */
  get isAnyLate(): boolean {
    if (this.#always.size > 0) return true;
    for (const { sinceMs } of this.#waiting) return this.#nowMs() - sinceMs >= LATE_MS;
    return false;
  }

  /** Passes an answer on, and waits for it meanwhile. */
  async for<T>(answer: Promise<T>): Promise<T> {
    const wait = { sinceMs: this.#nowMs() };
    this.#waiting.add(wait);
    this.#arm();
    try {
      return await answer;
    } finally {
      this.#waiting.delete(wait);
    }
  }

  /** For who waits for whatever comes, whenever it does. @returns the way to end it */
  always(): () => void {
    const wait = { sinceMs: this.#nowMs() };
    this.#always.add(wait);
    this.#arm();
    return () => void this.#always.delete(wait);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
    this.#always.clear();
  }

  #arm(): void {
    this.#timer ??= setInterval(() => {
      if (this.#waiting.size + this.#always.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
      this.#look();
    }, LATE_MS).unref();
  }
}
