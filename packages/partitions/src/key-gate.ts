/**
 * The gate before each key: while a processor runs on a key, every other mutation of that key waits behind it, in the
 * order of arrival. Keys nobody works on cost nothing.
 *
 * key-gate K1  What waits for a key is let through in the order it came.
 * key-gate K2  A name (gate-names.ts) is in the table exactly while it is held.
 * key-gate K3  At most `waitingMax` mutations wait; the next one is refused and has changed nothing.
 */
import { assert, GridError } from '@ashlar/core';
import type { GateName } from './gate-names.ts';
import { HeldNames } from './held-names.ts';

/** Lets one waiting mutation go on. It may hold the key again (a processor) or be done at once. It does not throw. */
export type Waiting = () => void;

/** The holder of a hold that nobody asks about. */
const ANYONE: object = Object.freeze({});

export class KeyGate {
  /** Who holds a name. */
  readonly #held = new HeldNames();
  /** Who waits for a held name, where anyone does. */
  readonly #queues = new Map<GateName, Waiting[]>();
  readonly #waitingMax: number;
  #waiting = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  get waitingCount(): number {
    return this.#waiting;
  }

  get waitingMax(): number {
    return this.#waitingMax;
  }

  isHeld(name: GateName): boolean {
    return this.#held.has(name);
  }

  /** What hold() was given; undefined: the name is free. */
  holderOf(name: GateName): object | undefined {
    return this.#held.get(name);
  }

  /** Whether mutations wait for a held name. */
  hasWaiting(name: GateName): boolean {
    return this.#queues.has(name);
  }

  hold(name: GateName, holder: object = ANYONE): void {
    assert(!this.#held.has(name), 'key-gate K2: a name is held once');
    this.#held.add(name, holder);
  }

  /** @throws GridError OVERLOADED when too many wait (key-gate K3) */
  wait(name: GateName, next: Waiting): void {
    assert(this.#held.has(name), 'only a held name is waited for');
    if (this.#waiting >= this.#waitingMax) {
      throw new GridError('OVERLOADED', `${this.#waitingMax} mutations wait for processors`, {
        hint: 'send fewer at once, or make the processor faster',
      });
    }
    this.#waiting++;
    const queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, [next]);
    else queue.push(next);
  }

  /** Ends the hold; whoever waits goes on until one of them holds the name again. */
  release(name: GateName): void {
    const wasHeld = this.#held.delete(name);
    assert(wasHeld, 'only a held name is released');
    if (this.#queues.size > 0) this.#letThrough(name);
  }

  #letThrough(name: GateName): void {
    const queue = this.#queues.get(name);
    if (queue === undefined) return;
    this.#queues.delete(name);
    for (let at = 0; at < queue.length; at++) {
      this.#waiting--;
      queue[at]!();
      if (!this.#held.has(name)) continue;
      // Held again: the rest waits on, before anyone who comes later.
      const rest = queue.slice(at + 1);
      if (rest.length > 0) this.#queues.set(name, [...rest, ...(this.#queues.get(name) ?? [])]);
      return;
    }
  }
}
