/**
 * Who holds which name: a hash table of small numbers. Names come and go with every processor call, and a Map would be
 * built anew all the time, for it forgets what was removed only by copying itself.
 *
 * held-names T1  Linear probing: no empty place lies between a name's home and its place, removals close the gap.
 * held-names T2  At most half of the places are taken. The table grows, and does not shrink.
 */
import type { GateName } from './gate-names.ts';

const FIRST_PLACES = 1024;
/** Names are hashes or small: their low bits are spread. */
const { imul } = Math;

export class HeldNames {
  #mask = FIRST_PLACES - 1;
  #names = new Int32Array(FIRST_PLACES);
  /** Undefined: the place is empty. */
  #holders: (object | undefined)[] = new Array(FIRST_PLACES).fill(undefined);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  has(name: GateName): boolean {
    return this.#holders[this.#placeOf(name)] !== undefined;
  }

  get(name: GateName): object | undefined {
    return this.#holders[this.#placeOf(name)];
  }

  /** The name must not be there. */
  add(name: GateName, holder: object): void {
    if (this.#count * 2 >= this.#names.length) this.#grow();
    const place = this.#placeOf(name);
    this.#names[place] = name;
    this.#holders[place] = holder;
    this.#count++;
  }

  /** @returns whether it was there */
  delete(name: GateName): boolean {
    let gap = this.#placeOf(name);
    if (this.#holders[gap] === undefined) return false;
    this.#count--;
    // What follows moves up as far as its home allows (held-names T1).
    for (let place = (gap + 1) & this.#mask; this.#holders[place] !== undefined; place = (place + 1) & this.#mask) {
      const home = this.#homeOf(this.#names[place]!);
      if (((place - home) & this.#mask) < ((place - gap) & this.#mask)) continue;
      this.#names[gap] = this.#names[place]!;
      this.#holders[gap] = this.#holders[place];
      gap = place;
    }
    this.#holders[gap] = undefined;
    return true;
  }

  #homeOf(name: GateName): number {
    return (imul(name, 0x9e37_79b1) >>> 7) & this.#mask;
  }

  /** Where the name is, or the empty place where it would be. */
  #placeOf(name: GateName): number {
    let place = this.#homeOf(name);
    while (this.#holders[place] !== undefined && this.#names[place] !== name) place = (place + 1) & this.#mask;
    return place;
  }

  #grow(): void {
    const names = this.#names;
    const holders = this.#holders;
    this.#mask = names.length * 2 - 1;
    this.#names = new Int32Array(names.length * 2);
    this.#holders = new Array(names.length * 2).fill(undefined);
    this.#count = 0;
    for (let place = 0; place < names.length; place++) {
      const holder = holders[place];
      if (holder !== undefined) this.add(names[place]!, holder);
    }
  }
}
