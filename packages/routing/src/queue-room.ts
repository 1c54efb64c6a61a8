/**
 * What a router has queued and under way, in bytes and operations, and who waits until there is room for more (router R3).
 *
 * queue-room U1  What waits for a member that does not get on, or for a partition that nobody serves, takes the room of no call for
 *                others, up to half of what may be queued at all (router R5).
 */
import { GridError } from '@ashlar/core';

/** Group calls go on when less than this is queued. */
const ROOM_BYTES = 32 << 20;

/** Where calls wait. */
interface Waiting {
  /** Bytes of those that do not get on. */
  stuckBytes(nowMs: number): number;
}

export function stuckBytes(places: readonly Waiting[], nowMs: number): number {
  return places.reduce((sum, place) => sum + place.stuckBytes(nowMs), 0);
}

export class QueueRoom {
  readonly #bytesMax: number;
  readonly #operationsMax: number;
  readonly #stuckBytes: () => number;
  readonly #waiters: (() => void)[] = [];
  #bytes = 0;
  #operations = 0;

  /** @param stuckBytes  those of them that do not get on at this moment */
  constructor(
    limits: { readonly queueBytesMax: number; readonly queueOperationsMax: number },
    stuckBytes: () => number = () => 0,
  ) {
    this.#stuckBytes = stuckBytes;
    this.#bytesMax = limits.queueBytesMax;
    this.#operationsMax = limits.queueOperationsMax;
  }

  /** @throws GridError OVERLOADED when a single call more is too much */
  admit(): void {
    if (this.#bytes <= this.#bytesMax && this.#operations <= this.#operationsMax) return;
    throw new GridError('OVERLOADED', `${this.#operations} calls (${this.#bytes} bytes) are already waiting`, {
      hint: 'await calls before making more, or use putAll and getAll, which wait by themselves',
      details: { queuedBytes: this.#bytes, queuedOperations: this.#operations },
    });
  }

  /** Bytes and operations that begin (or, negative, end) to be queued or under way. */
  account(bytes: number, operations: number): void {
    this.#bytes += bytes;
    this.#operations += operations;
    if (bytes < 0) this.look();
  }

  /** Wakes who waits, where there is room: also because some of what is queued has been found not to get on. */
  look(): void {
    if (this.#waiters.length > 0 && this.#hasRoom) this.wakeAll();
  }

  /** queue-room U1 */
  get #hasRoom(): boolean {
    if (this.#bytes < ROOM_BYTES) return true;
    return this.#bytes < this.#bytesMax / 2 && this.#bytes - this.#stuckBytes() < ROOM_BYTES;
  }

  /** Undefined: there is room now; else a promise that resolves when there may be. */
  wait(): Promise<void> | undefined {
    if (this.#hasRoom) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  wakeAll(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
