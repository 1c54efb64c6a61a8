/**
 * A grid in one process for tests of user code: maps are JavaScript Maps, user code runs at once, and the log of each
 * partition is a queue that the test drains in an order of its choosing.
 *
 * stand-in-grid G1  Events of one partition reach the listener in order, in batches of random size.
 * stand-in-grid G2  Between partitions the order is random, from the seed.
 * stand-in-grid G3  Now and then a batch is run twice, as after a failure: calls repeat, the first write-set is lost.
 */
import type { AfterListener, EntryEvent, EntryProcessor, GridKey, ListenerGrid, MutableEntry } from '@ashlar/api';
import { type Random, seededRandom } from '@ashlar/core';

const PARTITIONS = 16;
const BATCH_MAX = 40;
const REPEAT_CHANCE = 0.1;

type Event = EntryEvent<GridKey, unknown>;

export class StandInGrid {
  readonly #maps = new Map<string, Map<string, { key: GridKey; value: unknown }>>();
  readonly #queues: Event[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly #listener: AfterListener;
  readonly #random: Random;
  #version = 0;
  /** Number of events that no listener has seen. */
  pending = 0;

  constructor(listener: AfterListener<never, never>, seed: number) {
    this.#listener = listener as unknown as AfterListener;
    this.#random = seededRandom(seed);
  }

  values(map: string): unknown[] {
    return [...this.#entries(map).values()].map((entry) => entry.value);
  }

  /** @param affinity  chooses the partition */
  put(map: string, key: GridKey, value: unknown, affinity: number): void {
    const before = this.#write(map, key, value);
    if (map !== this.#listener.map) return;
    this.#version += 1;
    const base = { map, key, version: this.#version, token: String(this.#version), value };
    const event: Event =
      before === undefined
        ? { ...base, type: 'insert', oldValue: undefined }
        : { ...base, type: 'update', oldValue: before };
    this.#queues[affinity % PARTITIONS]!.push(event);
    this.pending += 1;
  }

  /** Runs the listener on some batch of some partition. */
  async step(): Promise<void> {
    const waiting = this.#queues.filter((queue) => queue.length > 0);
    const queue = waiting[this.#random.below(waiting.length)];
    if (queue === undefined) return;
    const batch = queue.splice(0, 1 + this.#random.below(BATCH_MAX));
    this.pending -= batch.length;
    if (this.#random.next() < REPEAT_CHANCE) await this.#listener.run(batch, this.#view());
    for (const item of (await this.#listener.run(batch, this.#view())) ?? []) {
      if (item.kind === 'put') this.#write(item.map, item.key, item.value);
    }
  }

  #view(): ListenerGrid {
    const map = (definition: { readonly name: string } | string) => {
      const name = typeof definition === 'string' ? definition : definition.name;
      return {
        processEach: async (
          calls: readonly (readonly [GridKey, unknown])[],
          processor: EntryProcessor<unknown, unknown, unknown>,
        ) => calls.map(([key, args]) => this.#process(name, key, processor, args)),
      };
    };
    return { map } as unknown as ListenerGrid;
  }

  #process(map: string, key: GridKey, processor: EntryProcessor, args: unknown): unknown {
    const found = this.#entries(map).get(nameOf(key));
    const entry: MutableEntry<unknown> = {
      key,
      exists: found !== undefined,
      value: structuredClone(found?.value),
      remove: () => {
        entry.value = undefined;
      },
      ttlMs: undefined,
      now: 0,
      random: () => 0.5,
    };
    const result = processor.run(entry, structuredClone(args));
    if (entry.value === undefined) this.#entries(map).delete(nameOf(key));
    else this.#write(map, key, entry.value);
    return structuredClone(result);
  }

  #write(map: string, key: GridKey, value: unknown): unknown {
    const entries = this.#entries(map);
    const before = entries.get(nameOf(key))?.value;
    entries.set(nameOf(key), { key, value: structuredClone(value) });
    return before;
  }

  #entries(map: string): Map<string, { key: GridKey; value: unknown }> {
    const known = this.#maps.get(map) ?? new Map();
    this.#maps.set(map, known);
    return known;
  }
}

function nameOf(key: GridKey): string {
  return JSON.stringify(key);
}
