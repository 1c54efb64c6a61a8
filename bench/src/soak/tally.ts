/** The counts of a soak, by name; and the fault that ends it. */

export type Counts = Readonly<Record<string, number>>;

export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  /** Keeps the highest. */
  most(name: string, value: number): void {
    this.#counts.set(name, Math.max(this.#counts.get(name) ?? 0, value));
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** In the order in which they were first counted. */
  counts(): Counts {
    return Object.fromEntries(this.#counts);
  }
}

/** Something that must never be: what was seen, by whom, and what was known of it. */
export class SoakFault extends Error {
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(what: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(what);
    this.name = 'SoakFault';
    this.facts = facts;
  }
}
