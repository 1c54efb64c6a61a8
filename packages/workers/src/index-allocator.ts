/**
 * Numbers of reader-epoch words: one for each living worker of all pools of a member.
 *
 * index-allocator A1  A number belongs to at most one worker between take() and release(); release() follows the worker's
 *                     'exit' event.
 */
import { assert } from '@ashlar/core';

export class IndexAllocator {
  readonly capacity: number;
  readonly #free: number[];
  readonly #taken = new Set<number>();
  readonly #waiting = new Set<() => void>();

  /** @param capacity  more than the threads of all pools together: a killed worker keeps its number until it is gone */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
  }

  /** Numbers that nobody holds. */
  get freeCount(): number {
    return this.#free.length;
  }

  take(): number {
    const index = this.#free.pop();
    assert(index !== undefined, () => `all ${this.capacity} worker numbers are taken`);
    this.#taken.add(index);
    return index;
  }

  release(index: number): void {
    assert(this.#taken.delete(index), () => `worker number ${index} was not taken`);
    this.#free.push(index);
    for (const notify of [...this.#waiting]) notify();
  }

  /** Calls `notify` after each release, until the returned function is called. */
  onRelease(notify: () => void): () => void {
    this.#waiting.add(notify);
    return () => void this.#waiting.delete(notify);
  }
}
