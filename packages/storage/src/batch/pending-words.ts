/**
 * Pending words: what makes a batch of any size visible by one store. A staged change carries the name of its batch's
 * word in the version lane; the word says whether, and at which version, the batch is committed. Afterwards the lanes
 * are patched with the version itself and the word is free.
 *
 * pending-words W1  The version is stored before the state, and the state by Atomics.
 * pending-words W2  A word is used again at once only if no snapshot can have been opened between its commit and the last
 *                   patch of a lane: whoever saw the word in a lane then reads at a lower version, to which any later commit
 *                   is invisible too. Otherwise it waits for the reader epoch.
 */

import {
  PENDING_BASE,
  PENDING_COMMITTED,
  PENDING_END,
  PENDING_SEALED,
  PENDING_STAGED,
  PENDING_WORD_STRIDE,
  PENDING_WORDS_MAX,
  PENDING_WORDS_START,
} from '../layout.ts';
import type { Arena } from '../memory/arena.ts';

/** The content of a version lane that names a word. */
export function pendingLane(word: number): number {
  return PENDING_BASE + 2 * word;
}

/** The word that a version lane names, or -1 when it holds a version (or LIVE, FREE, ABORTED). */
export function wordOfLane(lane: number): number {
  return lane >= PENDING_BASE && lane < PENDING_END ? (lane - PENDING_BASE) / 2 : -1;
}

/**
 * What a version lane means now: the version of a committed change, or the lane itself (above every version) while the
 * change is staged. Any thread.
 */
export function resolveLane(arena: Arena, lane: number): number {
  if (!(lane >= PENDING_BASE && lane < PENDING_END)) return lane;
  const control = arena.segments[0]!;
  const at = PENDING_WORDS_START + ((lane - PENDING_BASE) / 2) * PENDING_WORD_STRIDE;
  if (Atomics.load(control.i32, at) !== PENDING_COMMITTED) return lane;
  return control.f64[(at >>> 1) + 1]!;
}

/** The version of a sealed or committed change; NaN while its batch is open. Writer's thread only. */
export function knownVersion(arena: Arena, lane: number): number {
  if (!(lane >= PENDING_BASE && lane < PENDING_END)) return lane;
  const control = arena.segments[0]!;
  const at = PENDING_WORDS_START + ((lane - PENDING_BASE) / 2) * PENDING_WORD_STRIDE;
  return control.i32[at] === PENDING_STAGED ? Number.NaN : control.f64[(at >>> 1) + 1]!;
}

/** The writer's side: hands words out and stores their states. */
export class PendingWords<Batch> {
  readonly #arena: Arena;
  /** By word, while it is in use. */
  readonly #batches = new Array<Batch | undefined>(PENDING_WORDS_MAX).fill(undefined);
  readonly #free = new Int32Array(PENDING_WORDS_MAX);
  #freeCount = PENDING_WORDS_MAX;
  /** Called with every word that comes back, while somebody waits for one. */
  onFree: (() => void) | undefined;

  constructor(arena: Arena) {
    this.#arena = arena;
    for (let word = 0; word < PENDING_WORDS_MAX; word++) this.#free[word] = PENDING_WORDS_MAX - 1 - word;
  }

  /** @returns a word in state staged, or -1 when all are in use */
  take(batch: Batch | undefined): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const word = this.#free[this.#freeCount]!;
    this.#batches[word] = batch;
    Atomics.store(this.#arena.segments[0]!.i32, this.#at(word), PENDING_STAGED);
    return word;
  }

  give(word: number): void {
    this.#free[this.#freeCount] = word;
    this.#freeCount += 1;
    this.#batches[word] = undefined;
    this.onFree?.();
  }

  /** The batch whose change a lane holds; undefined: it names no word that is in use. */
  batchOf(lane: number): Batch | undefined {
    const word = wordOfLane(lane);
    return word < 0 ? undefined : this.#batches[word];
  }

  /** Notes the version that the word will commit at. Not yet visible. */
  seal(word: number, version: number): void {
    const control = this.#arena.segments[0]!;
    const at = this.#at(word);
    control.f64[(at >>> 1) + 1] = version;
    control.i32[at] = PENDING_SEALED;
  }

  /** The version that a sealed or committed word stands for. */
  versionOf(word: number): number {
    return this.#arena.segments[0]!.f64[(this.#at(word) >>> 1) + 1]!;
  }

  /** Makes everything staged under the word visible: the one store of a commit. */
  commit(word: number): void {
    Atomics.store(this.#arena.segments[0]!.i32, this.#at(word), PENDING_COMMITTED);
  }

  get free(): number {
    return this.#freeCount;
  }

  get inUse(): number {
    return PENDING_WORDS_MAX - this.#freeCount;
  }

  #at(word: number): number {
    return PENDING_WORDS_START + word * PENDING_WORD_STRIDE;
  }
}
