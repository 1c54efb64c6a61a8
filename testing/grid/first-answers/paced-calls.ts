/**
 * Calls at a steady pace, each to a key of its own, of every kind that changes an entry. The answer of a call shows whether it was
 * applied once: a second application of a getAndPut finds the new value, of a putIfAbsent the key.
 */
import { type Grid, GridError, ready } from '@ashlar/client';
import { Swapped, swap } from '../fixtures/swap.ts';

const TICK_MS = 2;
/** Keys that are there beforehand, for the kinds that need one. */
const PREPARED = 2000;

/** What became of a call. `wrong`: an answer that its first sending cannot have given. */
export type Outcome = 'first' | 'unknown' | 'refused' | 'wrong';

interface Kind {
  readonly needsEntry: boolean;
  readonly answer: unknown;
  call(grid: Grid, key: string): Promise<unknown>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  putIfAbsent: { needsEntry: false, answer: true, call: (grid, key) => grid.map(Swapped).putIfAbsent(key, 'new') },
  getAndPut: { needsEntry: true, answer: 'old', call: (grid, key) => grid.map(Swapped).getAndPut(key, 'new') },
  replace: { needsEntry: true, answer: true, call: (grid, key) => grid.map(Swapped).replace(key, 'new') },
  remove: { needsEntry: true, answer: true, call: (grid, key) => grid.map(Swapped).remove(key) },
  getAndRemove: { needsEntry: true, answer: 'old', call: (grid, key) => grid.map(Swapped).getAndRemove(key) },
  increment: {
    needsEntry: false,
    answer: 1,
    call: (grid, key) => grid.map<{ n: number }>('counted').process(key, ready.increment, { path: 'n', by: 1 }),
  },
  processor: { needsEntry: true, answer: 'old', call: (grid, key) => grid.map(Swapped).process(key, swap, 'new') },
};
const NAMES = Object.keys(KINDS);

/** One call, and what becomes of it. */
export interface PacedCall {
  readonly kind: string;
  readonly outcome: Promise<Outcome>;
}

export class PacedCalls {
  readonly #grid: Grid;
  readonly #aTick: number;
  readonly #underWay = new Set<PacedCall>();
  readonly #entries: string[] = [];
  #made = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param aSecond  calls, about */
  constructor(grid: Grid, aSecond: number) {
    this.#grid = grid;
    this.#aTick = Math.max(1, Math.round((aSecond * TICK_MS) / 1000));
  }

  /** Calls that are not answered at the moment. */
  get underWay(): readonly PacedCall[] {
    return [...this.#underWay];
  }

  /** Stores the entries that calls of the next time need. */
  async prepare(): Promise<void> {
    const keys = Array.from({ length: PREPARED - this.#entries.length }, () => `entry ${this.#made++}`);
    await this.#grid.map(Swapped).putAll(keys.map((key) => [key, 'old']));
    this.#entries.push(...keys);
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (let count = 0; count < this.#aTick; count++) this.#call();
    }, TICK_MS);
  }

  /** No more calls; resolves once all are answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.underWay.map(({ outcome }) => outcome));
  }

  #call(): void {
    const kind = NAMES[this.#made % NAMES.length]!;
    const { needsEntry, answer, call } = KINDS[kind]!;
    const key = needsEntry ? this.#entries.pop() : `key ${this.#made}`;
    this.#made++;
    if (key === undefined) return;
    const outcome = call(this.#grid, key).then(
      (given): Outcome => (given === answer ? 'first' : 'wrong'),
      (error: unknown): Outcome => (GridError.is(error, 'OUTCOME_UNKNOWN') ? 'unknown' : 'refused'),
    );
    const made: PacedCall = { kind, outcome };
    this.#underWay.add(made);
    void outcome.then(() => this.#underWay.delete(made));
  }
}
