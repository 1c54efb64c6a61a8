/**
 * Small whole numbers that wait for their turn: what has something new among many, so that a wake-up costs what changed.
 *
 * index-queue Q1  A number waits once, however often it is added; who came first is taken first.
 * index-queue Q2  What comes and goes allocates nothing: all memory is taken when the queue is made.
 */
import { assert } from '@ashlar/core';

export class IndexQueue {
  readonly #ring: Uint32Array;
  /** isWaiting[number] */
  readonly #isWaiting: Uint8Array;
  #head = 0;
  #size = 0;

  /** @param count  numbers below it may wait */
  constructor(count: number) {
    this.#ring = new Uint32Array(count);
    this.#isWaiting = new Uint8Array(count);
  }

  get size(): number {
    return this.#size;
  }

  add(index: number): void {
    assert(index >= 0 && index < this.#ring.length, 'index-queue Q1: a number is out of the range that may wait');
    if (this.#isWaiting[index] === 1) return;
    this.#isWaiting[index] = 1;
    const tail = this.#head + this.#size;
    this.#ring[tail < this.#ring.length ? tail : tail - this.#ring.length] = index;
    this.#size += 1;
  }

  has(index: number): boolean {
    return this.#isWaiting[index] === 1;
  }

  /** The one that waits longest; undefined: none does. */
  peek(): number | undefined {
    return this.#size === 0 ? undefined : this.#ring[this.#head];
  }

  /** Takes the one that waits longest. */
  take(): number | undefined {
    const index = this.peek();
    if (index === undefined) return undefined;
    this.#head = this.#head + 1 === this.#ring.length ? 0 : this.#head + 1;
    this.#size -= 1;
    this.#isWaiting[index] = 0;
    return index;
  }

  /** Those that wait, in their order. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let step = 0; step < this.#size; step++) yield this.#ring[(this.#head + step) % this.#ring.length]!;
  }
}
