/**
 * Snapshots of this member, opened for whoever coordinates a statement or a job anywhere in the grid.
 *
 *   pin: this member's clock is held and answered -> open at the highest clock of all members -> touch ... -> release
 *                                                                              not touched for maxAgeMs -> expired
 *
 * local-snapshots P1  What is pinned or open is held for `maxAgeMs` after it was last read or renewed: a coordinator that
 *                     died, and a reader that does not read, hold no memory for longer.
 * local-snapshots P2  open(v) answers only when everything accepted at or below v in the partitions that are read is
 *                     committed; others do not hold it up. A pin that ends meanwhile ends the wait.
 * local-snapshots P3  Readers never stop writers: where memory runs out, snapshots give way, the one not touched for longest
 *                     first.
 * local-snapshots P4  A snapshot is of the partitions as they were held when it was pinned: one that was lost since, also if
 *                     it has come back, is not read under it: it has expired. Readers check that before they hand on what they found.
 *                     Nor is one
 *                     opened above the ceiling of a partition's leases: its next primary may give such versions.
 * local-snapshots P5  What another member pinned belongs to it: it holds its share of the places at most, and all of it goes
 *                     when it starts anew.
 */
import {
  CancelledError,
  GridError,
  type MemberId,
  type PartitionId,
  StaleEpochError,
  type Version,
} from '@ashlar/core';
import type { MemberStore } from '@ashlar/storage';
import type { Ownership, OwnershipStamp } from './ownership.ts';

/** Places a member has in any case. */
const SHARE_MIN = 25;

export interface LocalSnapshotsOptions {
  readonly store: Pick<MemberStore, 'pin' | 'openAt' | 'whenDecided' | 'releaseSnapshot' | 'expireSnapshot'>;
  readonly clock: { observe(version: Version): void; now(): Version };
  readonly ownership: Pick<Ownership, 'stamp' | 'checkAll' | 'checkCeiling'>;
  readonly maxAgeMs: number;
  readonly openMax: number;
  /** Members of the grid, this one among them. */
  readonly memberCount: () => number;
  readonly nowMs: () => number;
}

export class LocalSnapshots {
  readonly #options: LocalSnapshotsOptions;
  /** By snapshot id: the other member that pinned it. */
  readonly #owners = new Map<number, MemberId>();
  /** By snapshot id: when it was pinned, in the history of what this member holds. */
  readonly #pinnedAt = new Map<number, OwnershipStamp>();
  /** By snapshot id, which is the store's: when it was touched last. */
  readonly #touchedMs = new Map<number, number>();
  /** Ids of those that are at their version. */
  readonly #opened = new Set<number>();
  /** By snapshot id: ends the wait of one that is being opened. */
  readonly #opening = new Map<number, (error: GridError) => void>();
  #expiredByAge = 0;
  #expiredForMemory = 0;

  constructor(options: LocalSnapshotsOptions) {
    this.#options = options;
  }

  get openCount(): number {
    return this.#touchedMs.size;
  }

  get openMax(): number {
    return this.#options.openMax;
  }

  /** Ended since the start before their readers were done, by reason. */
  get expired(): { readonly age: number; readonly memory: number } {
    return { age: this.#expiredByAge, memory: this.#expiredForMemory };
  }

  /** For how long the snapshot that was touched longest ago has lain untouched; 0 when none is open. */
  get longestUntouchedMs(): number {
    const oldest = this.#oldest();
    return oldest === undefined ? 0 : this.#options.nowMs() - oldest.touchedMs;
  }

  /**
   * Holds everything that a snapshot at the present or later could need.
   *
   * @param seen   the highest version the caller knows of
   * @param owner  the other member that asks; undefined: this one
   * @throws GridError OVERLOADED, CLOCK_AHEAD
   */
  pin(seen: Version, owner?: MemberId): { readonly pinId: number; readonly version: Version } {
    const { store, clock, ownership, openMax, nowMs } = this.#options;
    if (this.#touchedMs.size >= openMax) {
      throw new GridError('OVERLOADED', `the member has ${openMax} open snapshots`, {
        hint: 'finish or close statements whose results nobody reads',
      });
    }
    if (owner !== undefined) this.#checkShare(owner);
    clock.observe(seen);
    const { id, version } = store.pin();
    this.#touchedMs.set(id, nowMs());
    this.#pinnedAt.set(id, ownership.stamp);
    if (owner !== undefined) this.#owners.set(id, owner);
    return { pinId: id, version };
  }

  /**
   * Moves a pin up to the grid's version; asked again for a snapshot that is open there, renews it.
   *
   * @param partitions  those it will be read in; omitted: all
   * @throws GridError SNAPSHOT_EXPIRED when the pin is gone, or goes, or a partition was lost; LEASE_EXPIRED (local-snapshots P4);
   *   CANCELLED
   */
  async open(
    pinId: number,
    version: Version,
    partitions?: readonly PartitionId[],
    signal?: AbortSignal,
  ): Promise<number> {
    const { store, clock, ownership } = this.#options;
    if (!this.#touchedMs.has(pinId)) {
      throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot is no longer open here', { hint: 'ask again' });
    }
    if (!this.#opened.has(pinId)) {
      clock.observe(version);
      await this.#whenDecided(pinId, version, partitions, signal);
      // It may have gone in the turn in which the last batch was decided, or another call may have opened it.
      if (!this.#touchedMs.has(pinId)) throw goneWhileOpened();
      if (partitions !== undefined) {
        this.checkHeld(pinId, partitions);
        ownership.checkCeiling(partitions, version);
      }
      if (!this.#opened.has(pinId)) store.openAt(pinId, version, partitions);
      this.#opened.add(pinId);
    }
    this.touch(pinId);
    return pinId;
  }

  /**
   * What is read in these partitions under the snapshot is what was there when it was pinned (local-snapshots P4).
   *
   * @throws GridError SNAPSHOT_EXPIRED when one of them was lost since, or the snapshot is not open any more; LEASE_EXPIRED
   */
  checkHeld(id: number, partitions: Iterable<PartitionId>): void {
    const pinnedAt = this.#pinnedAt.get(id);
    if (pinnedAt === undefined)
      throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot is no longer open here', { hint: 'ask again' });
    try {
      this.#options.ownership.checkAll(partitions, pinnedAt);
    } catch (error) {
      throw error instanceof StaleEpochError ? lostSince(error) : error;
    }
  }

  async #whenDecided(
    pinId: number,
    version: Version,
    partitions: readonly PartitionId[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#options.store.whenDecided(version, partitions, resolve)) return;
    const cancel = (): void => reject(new CancelledError('the snapshot'));
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    this.#opening.set(pinId, reject);
    try {
      await promise;
    } finally {
      this.#opening.delete(pinId);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** It is being read: its age starts anew. */
  touch(id: number): void {
    if (this.#touchedMs.has(id)) this.#touchedMs.set(id, this.#options.nowMs());
  }

  release(id: number): void {
    this.#owners.delete(id);
    this.#pinnedAt.delete(id);
    this.#opened.delete(id);
    if (!this.#touchedMs.delete(id)) return;
    this.#options.store.releaseSnapshot(id);
    this.#endOpening(id);
  }

  /** A pin that is being opened is gone (local-snapshots P2). */
  #endOpening(id: number): void {
    this.#opening.get(id)?.(goneWhileOpened());
  }

  /** A member started anew, or left: nobody asks for what it pinned (local-snapshots P5). */
  releaseOf(owner: MemberId): void {
    for (const [id, by] of this.#owners) if (by === owner) this.release(id);
  }

  /** @throws GridError OVERLOADED (local-snapshots P5) */
  #checkShare(owner: MemberId): void {
    const { openMax, memberCount } = this.#options;
    const share = Math.max(SHARE_MIN, Math.floor(openMax / memberCount()));
    let held = 0;
    for (const by of this.#owners.values()) if (by === owner) held++;
    if (held < share) return;
    throw new GridError('OVERLOADED', `member '${owner}' has ${share} snapshots open here, its share`, {
      hint: 'finish or close statements whose results nobody reads',
    });
  }

  /** Expires what was not touched for too long (local-snapshots P1). Called now and then. */
  sweep(): void {
    const sinceMs = this.#options.nowMs() - this.#options.maxAgeMs;
    for (const [id, touchedMs] of this.#touchedMs) {
      if (touchedMs > sinceMs) continue;
      this.#expire(id);
      this.#expiredByAge++;
    }
  }

  /**
   * Memory is short: the snapshot that was not touched for longest goes (local-snapshots P3).
   *
   * @param leastMs  one touched since then stays
   * @returns whether there was one
   */
  giveWay(leastMs: number): boolean {
    const oldest = this.#oldest();
    if (oldest === undefined || this.#options.nowMs() - oldest.touchedMs < leastMs) return false;
    this.#expire(oldest.id);
    this.#expiredForMemory++;
    return true;
  }

  close(): void {
    for (const id of [...this.#touchedMs.keys()]) this.release(id);
  }

  #oldest(): { readonly id: number; readonly touchedMs: number } | undefined {
    let oldest: { readonly id: number; readonly touchedMs: number } | undefined;
    for (const [id, touchedMs] of this.#touchedMs) {
      if (oldest === undefined || touchedMs < oldest.touchedMs) oldest = { id, touchedMs };
    }
    return oldest;
  }

  #expire(id: number): void {
    this.#touchedMs.delete(id);
    this.#pinnedAt.delete(id);
    this.#owners.delete(id);
    this.#opened.delete(id);
    this.#options.store.expireSnapshot(id);
    this.#endOpening(id);
  }
}

function lostSince(cause: StaleEpochError): GridError {
  const { details } = cause;
  return new GridError('SNAPSHOT_EXPIRED', 'a partition has changed hands since the snapshot was opened', {
    hint: 'ask again',
    details,
    cause,
  });
}

function goneWhileOpened(): GridError {
  return new GridError('SNAPSHOT_EXPIRED', 'the snapshot expired while it was opened', { hint: 'ask again' });
}
