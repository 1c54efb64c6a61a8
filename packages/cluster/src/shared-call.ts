/**
 * A question that many callers have at the same time, asked once for all of them.
 *
 *   call, nothing under way -> asked        call while one is under way -> asked once more after it, for all who came since
 *
 * shared-call C1  The answer that a caller gets was asked for after it called: it is never older than its caller.
 * shared-call C2  At most one question is under way, and at most one waits behind it.
 */
import { assert } from '@ashlar/core';

export class SharedCall<T> {
  readonly #ask: () => Promise<T>;
  #current: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  call(): Promise<T> {
    if (this.#next !== undefined) return this.#next;
    if (this.#current === undefined) return this.#begin();
    const begin = (): Promise<T> => this.#begin();
    this.#next = this.#current.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<T> {
    assert(this.#current === undefined, 'shared-call C2: a second question is under way');
    this.#next = undefined;
    const asked = this.#ask().finally(() => {
      if (this.#current === asked) this.#current = undefined;
    });
    this.#current = asked;
    return asked;
  }
}
