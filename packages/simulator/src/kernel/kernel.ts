/**
 * The one thread on which a simulated grid runs: a queue of events in virtual time.
 *
 *   after(delay, run) -> [ (time, tie, run) ... ] -> run() of the earliest -> more events
 *
 * Nothing here asks the operating system for time or chance, so a seed and a set of rules give the same run on every machine.
 *
 * kernel K1  Time never goes back; an event runs at the time it was asked for, or now if that has passed.
 * kernel K2  Events of one time run in an order that the seed decides, not in that in which they were asked for: what
 *            happens to hold only for first come, first served must not pass.
 */
import { assert, type Random } from '@ashlar/core';

/** What is to happen; cancelled by `Kernel.cancel`. */
export interface Happening {
  readonly timeMs: number;
  readonly tie: number;
  run: (() => void) | undefined;
}

export class Kernel {
  readonly #random: Random;
  readonly #heap: Happening[] = [];
  #nowMs = 0;
  #ran = 0;

  /** @param random  decides the order of events of one time */
  constructor(random: Random) {
    this.#random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have run. */
  get ran(): number {
    return this.#ran;
  }

  /** @param delayMs  0 is later too: behind what runs at this moment */
  after(delayMs: number, run: () => void): Happening {
    return this.at(this.#nowMs + delayMs, run);
  }

  at(timeMs: number, run: () => void): Happening {
    assert(!Number.isNaN(timeMs), 'kernel K1: a time is a number');
    const happening = { timeMs: Math.max(timeMs, this.#nowMs), tie: this.#random.next(), run };
    this.#push(happening);
    return happening;
  }

  cancel(happening: Happening | undefined): void {
    if (happening !== undefined) happening.run = undefined;
  }

  /** Runs what is due up to and at `untilMs`, and goes on to that time. */
  runUntil(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.timeMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      assert(next.timeMs >= this.#nowMs, 'kernel K1: time goes back');
      this.#nowMs = next.timeMs;
      this.#ran += 1;
      run();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(happening, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = happening;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.tie < b.tie);
}
