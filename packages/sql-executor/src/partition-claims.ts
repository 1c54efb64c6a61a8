/**
 * Partitions that several tasks of one fragment share: each task claims the next one when it has done its last. So all
 * threads end at about the same time, however rows and processors are distributed, and no task waits for another to be
 * handed out.
 *
 *   main: make ----- shared word: next index ----- workers: claim
 *
 * partition-claims C1  Every index below `count` is claimed once.
 *
 * @see Leis, Boncz, Kemper, Neumann, "Morsel-driven parallelism", SIGMOD 2014
 */
const NEXT = 0;
const WORDS = 1;

export class PartitionClaims {
  /** The shared word, as a task is sent it. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #count: number;

  /** @param shared  of claims made elsewhere; new ones by default */
  constructor(count: number, shared: SharedArrayBuffer = new SharedArrayBuffer(WORDS * 4)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
    this.#count = count;
  }

  /** The index of a partition that is nobody else's, or -1. */
  claim(): number {
    const index = Atomics.add(this.#words, NEXT, 1);
    return index < this.#count ? index : -1;
  }

  get isExhausted(): boolean {
    return Atomics.load(this.#words, NEXT) >= this.#count;
  }
}
