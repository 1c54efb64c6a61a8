/**
 * The gate before each key: while a processor runs on a key, every other mutation of that key waits behind it, in the
 * order of arrival. Keys nobody works on cost nothing, and a batch that meets an empty gate does not even build a name.
 *
 * K1  What waits for a key is let through in the order it came.
 * K2  A key has an element in the map exactly while it is held.
 * K3  At most `waitingMax` mutations wait; the next one is refused and has changed nothing.
 */
import { assert, GridError } from '@ashlar/core';

/** Lets one waiting mutation go on. It may hold the key again (a processor) or be done at once. */
export type Waiting = () => void;

export class KeyGate {
  readonly #held = new Map<string, Waiting[]>();
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

  isHeld(name: string): boolean {
    return this.#held.has(name);
  }

  /** Whether mutations wait for a held key. */
  hasWaiting(name: string): boolean {
    return (this.#held.get(name)?.length ?? 0) > 0;
  }

  hold(name: string): void {
    assert(!this.#held.has(name), 'K2: a key is held once');
    this.#held.set(name, []);
  }

  /** @throws GridError OVERLOADED when too many wait (K3) */
  wait(name: string, next: Waiting): void {
    const queue = this.#held.get(name);
    assert(queue !== undefined, 'only a held key is waited for');
    if (this.#waiting >= this.#waitingMax) {
      throw new GridError('OVERLOADED', `${this.#waitingMax} mutations wait for processors`, {
        hint: 'send less at once, or make the processor faster',
      });
    }
    this.#waiting++;
    queue.push(next);
  }

  /** Ends the hold; whoever waits goes on until one of them holds the key again. */
  release(name: string): void {
    const queue = this.#held.get(name);
    assert(queue !== undefined, 'only a held key is released');
    this.#held.delete(name);
    for (let at = 0; at < queue.length; at++) {
      this.#waiting--;
      queue[at]!();
      const again = this.#held.get(name);
      if (again === undefined) continue;
      // Held again: the rest waits on, before anyone who comes later.
      again.unshift(...queue.slice(at + 1));
      return;
    }
  }
}

/** A key's name in the gate: the map, then the canonical bytes as Latin-1. */
export function gateName(mapId: number, bytes: Uint8Array, start: number, end: number): string {
  return `${mapId}:${Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')}`;
}
