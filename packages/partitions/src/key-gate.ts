/**
 * The gate before each key: while a processor runs on a key, every other mutation of that key waits behind it, in the
 * order of arrival. Keys nobody works on cost nothing.
 *
 * key-gate K1  What waits for a key is let through in the order it came.
 * key-gate K2  A lock id (lock-ids.ts) is in the table exactly while it is held.
 * key-gate K3  At most `waitingMax` mutations wait; the next one is refused and has changed nothing.
 */
import { assert, GridError } from '@ashlar/core';
import { HeldLocks } from './held-locks.ts';
import type { LockId } from './lock-ids.ts';

/** Lets one waiting mutation go on. It may hold the key again (a processor) or be done at once. It does not throw. */
export type Waiting = () => void;

/** The holder of a hold that nobody asks about. */
const ANYONE: object = Object.freeze({});

export class KeyGate {
  /** Holders by lock id. */
  readonly #held = new HeldLocks();
  /** By lock id: what waits for it, where anything does. */
  readonly #queues = new Map<LockId, Waiting[]>();
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

  isHeld(id: LockId): boolean {
    return this.#held.has(id);
  }

  /** What hold() was given; undefined: the lock is free. */
  holderOf(id: LockId): object | undefined {
    return this.#held.get(id);
  }

  /** Whether mutations wait for the lock. */
  hasWaiting(id: LockId): boolean {
    return this.#queues.has(id);
  }

  hold(id: LockId, holder: object = ANYONE): void {
    assert(!this.#held.has(id), 'key-gate K2: a lock is held once');
    this.#held.add(id, holder);
  }

  /** @throws GridError OVERLOADED when too many wait (key-gate K3) */
  wait(id: LockId, next: Waiting): void {
    assert(this.#held.has(id), 'only a held lock is waited for');
    if (this.#waiting >= this.#waitingMax) {
      throw new GridError('OVERLOADED', `${this.#waitingMax} mutations wait for processors`, {
        hint: 'send fewer at once, or make the processor faster',
      });
    }
    this.#waiting++;
    const queue = this.#queues.get(id);
    if (queue === undefined) this.#queues.set(id, [next]);
    else queue.push(next);
  }

  /** Ends the hold; whoever waits goes on until one of them holds the lock again. */
  release(id: LockId): void {
    const wasHeld = this.#held.delete(id);
    assert(wasHeld, 'only a held lock is released');
    if (this.#queues.size > 0) this.#letThrough(id);
  }

  /**
   * Ends several holds at once, and does what they were held for before anybody who waits goes on: it finds them free, and
   * may hold them again.
   */
  releaseAll(ids: readonly LockId[], before: () => void): void {
    for (const id of ids) {
      const wasHeld = this.#held.delete(id);
      assert(wasHeld, 'only a held lock is released');
    }
    before();
    for (const id of ids) if (this.#queues.size > 0 && !this.#held.has(id)) this.#letThrough(id);
  }

  #letThrough(id: LockId): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) return;
    this.#queues.delete(id);
    for (let at = 0; at < queue.length; at++) {
      this.#waiting--;
      queue[at]!();
      if (!this.#held.has(id)) continue;
      // Held again: the rest waits on, before anyone who comes later.
      const rest = queue.slice(at + 1);
      if (rest.length > 0) this.#queues.set(id, [...rest, ...(this.#queues.get(id) ?? [])]);
      return;
    }
  }
}
