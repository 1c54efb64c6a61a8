/**
 * Open snapshots. A snapshot keeps every slot that its version sees, and no other: what began and ended between two
 * snapshots is nobody's, however old the older one is.
 *
 * Opening over several members takes two steps: every member pins its own clock (pin) and answers it; the highest is the
 * snapshot's version v; each member then raises its pin to v (openAt). From its pin on a member frees nothing that v
 * might see.
 *
 * snapshots N1  A snapshot is marked dead in shared memory before anything it held is freed; a result read at it is checked
 *               against the mark before it is delivered.
 * snapshots N2  An id is not reused within 2^21 snapshots of the same place.
 * snapshots N3  A pin may be raised to any later version: it keeps whatever ends above it.
 */
import { assert, GridError, type Version } from '@ashlar/core';
import { SNAPSHOTS_MAX, SNAPSHOTS_START } from './layout.ts';
import type { Arena } from './memory/arena.ts';

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
  /** Versions of those that are raised, ascending; equal ones as often as they are open. */
  readonly #raised: number[] = [];
  /** By place: 1 when it is raised. */
  readonly #isRaised = new Uint8Array(SNAPSHOTS_MAX);
  #oldest = Infinity;
  #lowestPin = Infinity;
  #changes = 0;

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
    if (version < this.#lowestPin) this.#lowestPin = version;
    const id = generation * SNAPSHOTS_MAX + place;
    Atomics.store(this.#control, SNAPSHOTS_START + place, id);
    return id;
  }

  /** Raises a pin to the version that all members agreed on. */
  raise(id: number, version: Version): void {
    const place = this.#placeOf(id);
    assert(place >= 0, 'a pin is raised while it is open');
    assert(version >= this.#versions[place]!, 'a pin is only ever raised');
    this.#letGo(place);
    this.#versions[place] = version;
    this.#isRaised[place] = 1;
    this.#raised.splice(this.#firstRaisedFrom(version), 0, version);
    this.#findLowest();
  }

  /** @returns false when it was closed or expired before */
  close(id: number): boolean {
    const place = this.#placeOf(id);
    if (place < 0) return false;
    Atomics.store(this.#control, SNAPSHOTS_START + place, 0);
    this.#letGo(place);
    this.#versions[place] = Infinity;
    this.#freePlaces.push(place);
    this.#findLowest();
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

  /** Whether any open snapshot sees a slot of these versions, or might (snapshots N3). */
  needs(begin: number, end: number): boolean {
    if (end > this.#lowestPin) return true;
    const first = this.#firstRaisedFrom(begin);
    return first < this.#raised.length && this.#raised[first]! < end;
  }

  /** Something else that held slots has let go of them. */
  noteChange(): void {
    this.#changes += 1;
  }

  /** Rises whenever something that was needed before may no longer be needed by anybody. */
  get changes(): number {
    return this.#changes;
  }

  get openCount(): number {
    return SNAPSHOTS_MAX - this.#freePlaces.length;
  }

  #placeOf(id: number): number {
    const place = id % SNAPSHOTS_MAX;
    return this.#control[SNAPSHOTS_START + place] === id && id !== 0 ? place : -1;
  }

  /** The place no longer reads at its version. */
  #letGo(place: number): void {
    this.#changes += 1;
    if (this.#isRaised[place] === 0) return;
    this.#isRaised[place] = 0;
    this.#raised.splice(this.#firstRaisedFrom(this.#versions[place]!), 1);
  }

  /** The place in `#raised` of the lowest version that is not below `version`. */
  #firstRaisedFrom(version: number): number {
    let low = 0;
    for (let high = this.#raised.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#raised[middle]! < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #findLowest(): void {
    let oldest = Infinity;
    let pin = Infinity;
    for (let place = 0; place < SNAPSHOTS_MAX; place++) {
      const version = this.#versions[place]!;
      if (version < oldest) oldest = version;
      if (version < pin && this.#isRaised[place] === 0) pin = version;
    }
    this.#oldest = oldest;
    this.#lowestPin = pin;
  }
}
