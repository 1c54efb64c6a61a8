/** What a router has queued and under way, in bytes and operations, and who waits until there is room for more (router R3). */
import { GridError } from '@ashlar/core';

/** Group calls go on when less than this is queued. */
const ROOM_BYTES = 32 << 20;

export class QueueRoom {
  readonly #bytesMax: number;
  readonly #operationsMax: number;
  readonly #waiters: (() => void)[] = [];
  #bytes = 0;
  #operations = 0;

  constructor(limits: { readonly queueBytesMax: number; readonly queueOperationsMax: number }) {
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
    if (bytes < 0 && this.#waiters.length > 0 && this.#bytes < ROOM_BYTES) this.wakeAll();
  }

  /** Undefined: there is room now; else a promise that resolves when there may be. */
  wait(): Promise<void> | undefined {
    if (this.#bytes < ROOM_BYTES) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  wakeAll(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
