/**
 * When memory that was unlinked may be used again. Every worker has a word in shared memory: 0 while it looks at
 * nothing, else the epoch in which it last entered (it enters anew for each chunk).
 *
 *   writer:  unlink X, stamp = current epoch, advance    ...    reuse X once every word is 0 or above the stamp
 *   reader:  word = current epoch, read references, look, word = 0
 *
 * reader-epochs E1  A reader stores its word before it loads any reference, and keeps none once the word changed.
 * reader-epochs E2  The writer unlinks before it advances and looks at the words afterwards; the sequentially consistent
 *                   store of the epoch lies between, so a reader that was not seen cannot find what was unlinked.
 * reader-epochs E3  A worker that was killed counts until workerGone() says that its thread has exited.
 */

import { CONTROL_EPOCH_WORD, WORKER_WORD_STRIDE, WORKER_WORDS_START } from './layout.ts';
import type { Arena } from './memory/arena.ts';

/** Something unlinked, and how it is given back once no reader can see it. */
interface Retired {
  readonly stamp: number;
  readonly release: () => void;
}

/** The writer's side. */
export class ReaderEpochs {
  readonly #control: Int32Array;
  readonly #workers: number;
  #retired: Retired[] = [];
  #current = 1;
  /** The stamp that passed() last said yes to: it stays so. */
  #lastPassed = 0;
  #bytesRetired = 0;

  constructor(arena: Arena, workers: number) {
    this.#control = arena.segments[0]!.i32;
    this.#workers = workers;
    Atomics.store(this.#control, CONTROL_EPOCH_WORD, this.#current);
  }

  /**
   * Ends the current epoch: call it after unlinking.
   *
   * @returns the stamp to hand to passed()
   */
  advance(): number {
    const stamp = this.#current;
    this.#current = (stamp + 1) | 0 || 1;
    Atomics.store(this.#control, CONTROL_EPOCH_WORD, this.#current);
    return stamp;
  }

  /** Whether every worker has left, or entered after, the epoch. */
  passed(stamp: number): boolean {
    if (stamp === this.#lastPassed) return true;
    for (let worker = 0; worker < this.#workers; worker++) {
      const word = Atomics.load(this.#control, WORKER_WORDS_START + worker * WORKER_WORD_STRIDE);
      if (word !== 0 && ((word - stamp) | 0) <= 0) return false;
    }
    this.#lastPassed = stamp;
    return true;
  }

  /** Keeps something unlinked until no reader can see it; for whole tables, chunks and regions, not for entries. */
  retire(bytes: number, release: () => void): void {
    this.#bytesRetired += bytes;
    this.#retired.push({
      stamp: this.advance(),
      release: () => {
        this.#bytesRetired -= bytes;
        release();
      },
    });
  }

  /** Gives back what every worker has passed. O(what is given back). */
  releasePassed(): void {
    let released = 0;
    while (released < this.#retired.length && this.passed(this.#retired[released]!.stamp)) {
      this.#retired[released]!.release();
      released += 1;
    }
    if (released > 0) this.#retired = this.#retired.slice(released);
  }

  get retiredBytes(): number {
    return this.#bytesRetired;
  }

  /** The worker's thread has exited: nothing is held for it any more. */
  workerGone(worker: number): void {
    Atomics.store(this.#control, WORKER_WORDS_START + worker * WORKER_WORD_STRIDE, 0);
  }
}
