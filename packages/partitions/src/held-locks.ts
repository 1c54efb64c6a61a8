/**
 * Who holds which lock: a hash table from lock ids to holders. Ids come and go with every processor call, and a Map would be
 * built anew all the time, since it forgets what was removed only by copying itself.
 *
 * held-locks T1  Linear probing: no empty place lies between an id's first place and where it is; removals close the gap.
 * held-locks T2  At most half of the places are taken. The table grows, and does not shrink.
 */
import type { LockId } from './lock-ids.ts';

const FIRST_PLACES = 1024;
/** Ids are hashes or small numbers: their low bits are spread. */
const { imul } = Math;

export class HeldLocks {
  #mask = FIRST_PLACES - 1;
  #ids = new Int32Array(FIRST_PLACES);
  /** Undefined: the place is empty. */
  #holders: (object | undefined)[] = new Array(FIRST_PLACES).fill(undefined);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  has(id: LockId): boolean {
    return this.#holders[this.#placeOf(id)] !== undefined;
  }

  get(id: LockId): object | undefined {
    return this.#holders[this.#placeOf(id)];
  }

  /** The id must not be held yet. */
  add(id: LockId, holder: object): void {
    if (this.#count * 2 >= this.#ids.length) this.#grow();
    const place = this.#placeOf(id);
    this.#ids[place] = id;
    this.#holders[place] = holder;
    this.#count++;
  }

  /** @returns whether it was there */
  delete(id: LockId): boolean {
    let gap = this.#placeOf(id);
    if (this.#holders[gap] === undefined) return false;
    this.#count--;
    // What follows moves up as far as its first place allows (held-locks T1).
    for (let place = (gap + 1) & this.#mask; this.#holders[place] !== undefined; place = (place + 1) & this.#mask) {
      const first = this.#firstPlaceOf(this.#ids[place]!);
      if (((place - first) & this.#mask) < ((place - gap) & this.#mask)) continue;
      this.#ids[gap] = this.#ids[place]!;
      this.#holders[gap] = this.#holders[place];
      gap = place;
    }
    this.#holders[gap] = undefined;
    return true;
  }

  #firstPlaceOf(id: LockId): number {
    return (imul(id, 0x9e37_79b1) >>> 7) & this.#mask;
  }

  /** Where the id is, or the empty place where it would be. */
  #placeOf(id: LockId): number {
    let place = this.#firstPlaceOf(id);
    while (this.#holders[place] !== undefined && this.#ids[place] !== id) place = (place + 1) & this.#mask;
    return place;
  }

  #grow(): void {
    const ids = this.#ids;
    const holders = this.#holders;
    this.#mask = ids.length * 2 - 1;
    this.#ids = new Int32Array(ids.length * 2);
    this.#holders = new Array(ids.length * 2).fill(undefined);
    this.#count = 0;
    for (let place = 0; place < ids.length; place++) {
      const holder = holders[place];
      if (holder !== undefined) this.add(ids[place]!, holder);
    }
  }
}
