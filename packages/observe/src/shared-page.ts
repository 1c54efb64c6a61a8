/**
 * Something that is costly to make and that anyone may ask for: made at most once in `everyMs`, and shared by all who asked
 * meanwhile. What they get was made after they asked, so nobody reads old figures; the next asker after a pause does not wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export class SharedPage<T> {
  readonly #make: () => Promise<T>;
  readonly #everyMs: number;
  #madeAtMs = -Infinity;
  #next: Promise<T> | undefined;

  constructor(make: () => Promise<T>, everyMs: number) {
    this.#make = make;
    this.#everyMs = everyMs;
  }

  readonly get = (): Promise<T> => {
    this.#next ??= this.#makeNext();
    return this.#next;
  };

  async #makeNext(): Promise<T> {
    const waitMs = this.#madeAtMs + this.#everyMs - performance.now();
    // Also without a wait the page begins in a turn of its own, with all who ask in this one.
    await sleep(Math.max(0, waitMs), undefined, { ref: false });
    this.#next = undefined;
    this.#madeAtMs = performance.now();
    return this.#make();
  }
}
