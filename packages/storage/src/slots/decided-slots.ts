/**
 * The slot whose beginning or end was committed last, for entries with undecided changes. All slots above it in the chain
 * are undecided, thousands of them where a hot key is written faster than commits come: a search for what is committed,
 * or for a slot to take out of the chain, starts here. Writer's thread only.
 *
 *   entry.newest -> staged -> staged -> ... -> decided last -> older -> ...
 *
 * A few entries are known, by their hash. For one whose place another has taken the chain is walked.
 *
 * decided-slots D1  A slot that is noted for an entry stays right: it is forgotten once nothing of the entry is
 *                   undecided, and once its chain begins anew. Where the slot itself has been given up, nothing is
 *                   committed.
 */
import type { Ref } from '../memory/arena.ts';

const { imul } = Math;

const PLACES_BITS = 10;

/** In place of a slot. */
export const UNKNOWN = -1;
/** The entry is undecided, and not there for whoever sees what is committed. */
export const NOTHING = -2;

export class DecidedSlots {
  readonly #entries = new Uint32Array(1 << PLACES_BITS);
  readonly #slots = new Int32Array(1 << PLACES_BITS);
  /** What is noted was committed a while ago: others may have been since, and it is walked for. */
  isLate = false;

  note(entry: Ref, slot: number): void {
    if (this.isLate) {
      this.forget(entry);
      return;
    }
    const place = placeOf(entry);
    this.#entries[place] = entry;
    this.#slots[place] = slot;
  }

  /** Nothing of the entry is undecided any more. */
  forget(entry: Ref): void {
    const place = placeOf(entry);
    if (this.#entries[place] === entry) this.#entries[place] = 0;
  }

  /** The slot was given up. */
  leave(entry: Ref, slot: number): void {
    if (this.of(entry) === slot) this.#slots[placeOf(entry)] = NOTHING;
  }

  /** The slot, UNKNOWN or NOTHING. */
  of(entry: Ref): number {
    const place = placeOf(entry);
    return this.#entries[place] === entry ? this.#slots[place]! : UNKNOWN;
  }
}

function placeOf(entry: Ref): number {
  return imul(entry, 0x9e3779b1) >>> (32 - PLACES_BITS);
}
