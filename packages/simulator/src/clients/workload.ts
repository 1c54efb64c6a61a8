/**
 * What simulated clients do: a few hot keys that all of them write, counters, and keys that are written once.
 *
 * workload V1  Every value that is put is put once in a run: what is read tells who wrote it.
 */
import type { Random } from '@ashlar/core';
import type { KeyRequest } from '../grid/messages.ts';

/** Values of puts: never two the same in a run, and far above what counters reach. */
const FIRST_VALUE = 1_000_000;
const INCREMENT_MAX = 3;

export class KeySpace {
  readonly partitionCount: number;
  readonly registers: readonly string[];
  readonly counters: readonly string[];
  /** Written once each, by one client. */
  readonly once: string[] = [];
  #nextValue = FIRST_VALUE;

  constructor(partitionCount: number, registersEach: number) {
    this.partitionCount = partitionCount;
    const named = (kind: string, count: number): string[] =>
      Array.from(
        { length: partitionCount * count },
        (_, at) => `${at % partitionCount}:${kind}${Math.floor(at / partitionCount)}`,
      );
    this.registers = named('r', registersEach);
    this.counters = named('n', 1);
  }

  nextValue(): number {
    return this.#nextValue++;
  }

  /** A key that nobody has written. */
  newOnce(partition: number): string {
    const key = `${partition}:w${this.once.length}`;
    this.once.push(key);
    return key;
  }

  all(): string[] {
    return [...this.registers, ...this.counters, ...this.once];
  }

  /** Keys that many clients write. */
  keysOf(partitions: readonly number[]): string[] {
    return [...this.registers, ...this.counters].filter((key) => partitions.includes(partitionOf(key)));
  }
}

/** The partition is written in front of every key. */
export function partitionOf(key: string): number {
  return Number.parseInt(key, 10);
}

export interface Chosen {
  readonly key: string;
  readonly partition: number;
  readonly verb: KeyRequest['verb'];
  readonly given: number;
}

export function choose(keys: KeySpace, writeShare: number, random: Random): Chosen {
  const of = (key: string, verb: Chosen['verb'], given: number): Chosen => ({
    key,
    partition: partitionOf(key),
    verb,
    given,
  });
  const from = (names: readonly string[]): string => names[random.below(names.length)]!;
  const kind = random.below(10);
  if (random.next() >= writeShare) {
    if (kind === 0 && keys.once.length > 0) return of(from(keys.once), 'get', 0);
    return of(from(kind < 4 ? keys.counters : keys.registers), 'get', 0);
  }
  if (kind === 0) return of(keys.newOnce(random.below(keys.partitionCount)), 'put', keys.nextValue());
  if (kind < 4) return of(from(keys.counters), 'increment', 1 + random.below(INCREMENT_MAX));
  return of(from(keys.registers), 'put', keys.nextValue());
}
