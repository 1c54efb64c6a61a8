/**
 * Open snapshots. A snapshot keeps every slot that its version can see; the oldest one decides which closed slots may be
 * used again.
 *
 * Opening over several members takes two steps: every member pins its own clock (pin) and answers it; the highest is the
 * snapshot's version v; each member then raises its pin to v (openAt). From its pin on a member frees nothing that v
 * might see.
 *
 * N1  A snapshot is marked dead in shared memory before anything it held is freed; a result read at it is checked
 *     against the mark before it is delivered.
 * N2  An id is not reused within 2^21 snapshots of the same place.
 */
import { assert, GridError, type Version } from '@ashlar/core';
import type { Arena } from './arena.ts';
import { SNAPSHOTS_MAX, SNAPSHOTS_START } from './layout.ts';

const GENERATIONS = 2 ** 21;

/** Whether the snapshot is still open. Any thread. */
export function isSnapshotAlive(arena: Arena, snapshotId: number): boolean {
  return Atomics.load(arena.segments[0]!.i32, SNAPSHOTS_START + (snapshotId % SNAPSHOTS_MAX)) === snapshotId;
}

/** The writer's side. */
export class Snapshots {
  readonly #control: Int32Array;
  /** By place; Infinity when the place is free. */
  readonly #versions = new Float64Array(SNAPSHOTS_MAX).fill(Infinity);
  readonly #generations = new Int32Array(SNAPSHOTS_MAX);
  readonly #freePlaces: number[] = [];
  #oldest = Infinity;

  constructor(arena: Arena) {
    this.#control = arena.segments[0]!.i32;
    for (let place = SNAPSHOTS_MAX - 1; place >= 0; place--) this.#freePlaces.push(place);
  }

  /**
   * Holds everything visible at `version` or later.
   *
   * @returns the snapshot's id
   * @throws GridError OVERLOADED when SNAPSHOTS_MAX are open
   */
  pin(version: Version): number {
    const place = this.#freePlaces.pop();
    if (place === undefined) {
      throw new GridError('OVERLOADED', `${SNAPSHOTS_MAX} snapshots are open`, {
        hint: 'finish or cancel queries and cursors that are still open',
        details: { limit: SNAPSHOTS_MAX },
      });
    }
    const generation = (this.#generations[place]! + 1) % GENERATIONS || 1;
    this.#generations[place] = generation;
    this.#versions[place] = version;
    if (version < this.#oldest) this.#oldest = version;
    const id = generation * SNAPSHOTS_MAX + place;
    Atomics.store(this.#control, SNAPSHOTS_START + place, id);
    return id;
  }

  /** Raises a pin to the version that all members agreed on. */
  raise(id: number, version: Version): void {
    const place = this.#placeOf(id);
    assert(place >= 0, 'a pin is raised while it is open');
    assert(version >= this.#versions[place]!, 'a pin is only ever raised');
    this.#versions[place] = version;
    this.#findOldest();
  }

  /** @returns false when it was closed or expired before */
  close(id: number): boolean {
    const place = this.#placeOf(id);
    if (place < 0) return false;
    Atomics.store(this.#control, SNAPSHOTS_START + place, 0);
    const version = this.#versions[place]!;
    this.#versions[place] = Infinity;
    this.#freePlaces.push(place);
    if (version === this.#oldest) this.#findOldest();
    return true;
  }

  isOpen(id: number): boolean {
    return this.#placeOf(id) >= 0;
  }

  versionOf(id: number): Version | undefined {
    const place = this.#placeOf(id);
    return place < 0 ? undefined : (this.#versions[place] as Version);
  }

  /** The lowest version that any open snapshot reads; Infinity when none is open. */
  get oldest(): number {
    return this.#oldest;
  }

  get openCount(): number {
    return SNAPSHOTS_MAX - this.#freePlaces.length;
  }

  #placeOf(id: number): number {
    const place = id % SNAPSHOTS_MAX;
    return this.#control[SNAPSHOTS_START + place] === id && id !== 0 ? place : -1;
  }

  #findOldest(): void {
    let oldest = Infinity;
    for (const version of this.#versions) if (version < oldest) oldest = version;
    this.#oldest = oldest;
  }
}
