/**
 * Snapshots of this member, opened for whoever coordinates a statement or a job anywhere in the grid.
 *
 *   pin: this member's clock is held and answered -> open at the highest clock of all members -> release
 *
 * P1  What is pinned or open is kept alive for `leaseMs`; a coordinator that died holds no memory for longer.
 * P2  open(v) answers only when everything accepted at or below v is committed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GridError, type Version } from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';

export interface LocalSnapshotsOptions {
  readonly store: MemberStore;
  readonly clock: { observe(version: Version): void; now(): Version };
  readonly leaseMs: number;
  readonly openMax: number;
}

export class LocalSnapshots {
  readonly #options: LocalSnapshotsOptions;
  /** By snapshot id, which is the store's. */
  readonly #open = new Map<number, { timer: NodeJS.Timeout }>();

  constructor(options: LocalSnapshotsOptions) {
    this.#options = options;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get openMax(): number {
    return this.#options.openMax;
  }

  /**
   * Holds everything that a snapshot at the present or later could need.
   *
   * @param seen  the highest version the caller knows of
   * @throws GridError OVERLOADED, CLOCK_AHEAD
   */
  pin(seen: Version): { readonly pinId: number; readonly version: Version } {
    const { store, clock, leaseMs, openMax } = this.#options;
    if (this.#open.size >= openMax) {
      throw new GridError('OVERLOADED', `the member has ${openMax} open snapshots`, {
        hint: 'end statements that are not read',
      });
    }
    clock.observe(seen);
    const { id, version } = store.pin();
    const timer = setTimeout(() => this.#expire(id), leaseMs);
    timer.unref();
    this.#open.set(id, { timer });
    return { pinId: id, version };
  }

  /** Moves a pin up to the grid's version. @throws GridError SNAPSHOT_EXPIRED when the pin is gone */
  async open(pinId: number, version: Version): Promise<number> {
    const { store, clock } = this.#options;
    const held = this.#open.get(pinId);
    if (held === undefined) {
      throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot is not open here any more', { hint: 'ask again' });
    }
    clock.observe(version);
    while (store.isUndecidedAt(version)) await nextTurn();
    if (!this.#open.has(pinId)) throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot expired while it was opened');
    store.openAt(pinId, version);
    return pinId;
  }

  release(id: number): void {
    const held = this.#open.get(id);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#open.delete(id);
    this.#options.store.releaseSnapshot(id);
  }

  close(): void {
    for (const id of [...this.#open.keys()]) this.release(id);
  }

  #expire(id: number): void {
    if (!this.#open.delete(id)) return;
    this.#options.store.expireSnapshot(id);
  }
}
