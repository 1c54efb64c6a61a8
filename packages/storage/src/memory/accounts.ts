/**
 * Byte accounts: every byte handed out is charged to a map and a kind, and credited when it comes back. What is charged
 * is what is taken (a block's class, a run's pages), so that accounts, slack and free pages add up to the arena.
 */

export const MEMORY_KINDS = ['entries', 'slots', 'values', 'index', 'columns', 'log', 'query', 'control'] as const;
export type MemoryKindName = (typeof MEMORY_KINDS)[number];

/** Indexes into an account. */
export const MemoryKind = {
  entries: 0,
  slots: 1,
  values: 2,
  index: 3,
  columns: 4,
  log: 5,
  query: 6,
  control: 7,
} as const satisfies Record<MemoryKindName, number>;
export type MemoryKind = (typeof MemoryKind)[MemoryKindName];

export class ByteAccount {
  /** Bytes by MemoryKind. */
  readonly bytes = new Float64Array(MEMORY_KINDS.length);

  get total(): number {
    let sum = 0;
    for (const bytes of this.bytes) sum += bytes;
    return sum;
  }

  /** The kinds that hold anything, for stats. */
  toObject(): Record<MemoryKindName, number> {
    return Object.fromEntries(MEMORY_KINDS.map((name, kind) => [name, this.bytes[kind]!])) as Record<
      MemoryKindName,
      number
    >;
  }
}
