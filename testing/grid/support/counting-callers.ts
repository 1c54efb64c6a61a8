/** Callers that each count up one entry of their own, by every kind of mutation, and check every answer. */
import type { Call, Grid, GridMap } from '@ashlar/client';
import { until } from './replicated-grid.ts';

export class CountingCallers {
  readonly #map: GridMap<string, number>;
  readonly #limits: Call;
  readonly #running: Promise<void>[];
  readonly counts: number[];
  #isOver = false;

  /** @param limits  of each call; default: those of any call */
  constructor(client: Grid, name: string, callers: number, limits: Call = {}) {
    this.#map = client.map<string, number>(name);
    this.#limits = limits;
    this.counts = Array.from({ length: callers }, () => 0);
    this.#running = this.counts.map((_, caller) => this.#count(caller));
  }

  async #count(caller: number): Promise<void> {
    const key = `of ${caller}`;
    const limits = this.#limits;
    for (let n = 0; !this.#isOver; n++) {
      expect(await this.#map.getAndPut(key, n, limits)).toBe(n === 0 ? undefined : n - 1);
      expect(await this.#map.get(key, limits)).toBe(n);
      if (n % 5 === 4) {
        expect(await this.#map.putIfAbsent(key, -1, limits)).toBe(false);
        expect(await this.#map.putIfAbsent(`${key}, ${n}`, n, limits)).toBe(true);
        expect(await this.#map.remove(`${key}, ${n}`, limits)).toBe(true);
      }
      this.counts[caller] = n + 1;
    }
  }

  /** Everybody has counted on by so much. Rejects when a call failed, or was answered wrongly. */
  async untilAllBy(more: number): Promise<void> {
    const wanted = this.counts.map((count) => count + more);
    await Promise.race([
      until(() => this.counts.every((count, at) => count >= wanted[at]!)),
      Promise.all(this.#running),
    ]);
  }

  /** The last call of each is answered, and what is there is what was counted. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    const keys = this.counts.map((_, caller) => `of ${caller}`);
    const values = await this.#map.getAll(keys, this.#limits);
    this.counts.forEach((count, caller) => {
      expect(values[caller]).toBe(count - 1);
    });
    expect(await this.#map.size(this.#limits)).toBe(this.counts.length);
  }
}
