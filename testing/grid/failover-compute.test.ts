/** Processors, jobs and listeners while members are killed: each call applied once, each effect there once. */
import type { EntryEvent, GridKey } from '@ashlar/api';
import { type Grid, GridError } from '@ashlar/client';
import { Causes, Effects } from './fixtures/effects.ts';
import { Accounts, total } from './fixtures/jobs.ts';
import { add, Counters } from './fixtures/processors.ts';
import { ReplicatedGrid, until } from './support/replicated-grid.ts';

const LIMITS = { timeoutMs: 20_000 };
const KEYS = Array.from({ length: 100 }, (_, key) => key);

let grid: ReplicatedGrid;
let client: Grid;

beforeAll(async () => {
  grid = await ReplicatedGrid.start({ 'cluster.partitionCount': 31 });
  client = await grid.connect();
  for (const file of ['processors.ts', 'jobs.ts', 'effects.ts']) {
    await client.deploy(new URL(`./fixtures/${file}`, import.meta.url), { limits: { wallMs: 20_000 } });
  }
}, 90_000);

afterAll(() => grid.stop());

describe('processors', () => {
  it('count each call once, and answer what they answered first, when a member is killed', async () => {
    const counters = client.map(Counters);
    const told = new Map<number, number>();
    let isOver = false;
    const counting = KEYS.map(async (key) => {
      for (let n = 1; !isOver; n++) {
        expect(await counters.process(key, add, { by: 1 }, LIMITS)).toBe(n);
        told.set(key, n);
      }
    });
    const untilAllBy = (more: number): Promise<unknown> => {
      const wanted = new Map(KEYS.map((key) => [key, (told.get(key) ?? 0) + more]));
      const isThere = (): boolean => KEYS.every((key) => (told.get(key) ?? 0) >= wanted.get(key)!);
      return Promise.race([until(isThere), Promise.all(counting)]);
    };
    await untilAllBy(3);
    await grid.kill(1);
    await untilAllBy(10);
    isOver = true;
    await Promise.all(counting);
    for (const key of KEYS) expect(await counters.get(key, LIMITS)).toEqual({ n: told.get(key) });
    await grid.back(1);
  }, 120_000);

  it('of many entries in one call run once for each', async () => {
    const counters = client.map<GridKey, { n: number }>('many_counters');
    const keys = Array.from({ length: 3000 }, (_, key) => key);
    await counters.putAll(
      keys.map((key) => [key, { n: 0 }] as const),
      LIMITS,
    );
    const calls = counters.processAll(keys, add, { by: 1 }, LIMITS);
    await grid.kill(2);
    expect(await calls).toEqual(keys.map(() => 1));
    expect((await counters.getAll(keys, LIMITS)).every((value) => value?.n === 1)).toBe(true);
    await grid.back(2);
  }, 120_000);
});

describe('jobs', () => {
  it('answer for all rows when a member is killed meanwhile, or fail by name', async () => {
    const accounts = client.map(Accounts);
    const pairs = Array.from({ length: 500 }, (_, pair) => pair);
    await accounts.putAll(
      pairs.flatMap((pair) => [0, 1].map((side) => [[pair, side], { balance: 5, moves: 1 }] as const)),
      LIMITS,
    );
    let isOver = false;
    let runs = 0;
    const running = (async () => {
      for (; !isOver; runs++) {
        const answer = await client.run(total, { map: Accounts }, LIMITS);
        expect(answer).toEqual({ count: 1000, balance: 5000, moves: 1000 });
      }
    })();
    await until(() => runs > 2);
    await grid.kill(1);
    await Promise.race([until(() => runs > 10), running]);
    isOver = true;
    await running;
    await grid.back(1);
  }, 120_000);
});

describe('listeners', () => {
  /** Counts what becomes of the effects: one that came twice is an update. */
  function watched() {
    const ready = Promise.withResolvers<void>();
    const counts: Record<string, number> = {};
    const events = client.map(Effects).subscribe({ onReady: () => ready.resolve() });
    const reading = (async () => {
      for await (const { type } of events as AsyncIterable<EntryEvent<GridKey, unknown>>) {
        counts[type] = (counts[type] ?? 0) + 1;
      }
    })();
    reading.catch((error: unknown) => ready.reject(error));
    return {
      counts,
      ready: ready.promise,
      stop: async () => {
        await events.return!();
        await reading;
      },
    };
  }

  it('go on at their checkpoints: each event has its effects once, though members are killed', async () => {
    const causes = client.map(Causes);
    const effects = client.map(Effects);
    const seen = watched();
    await seen.ready;
    let puts = 0;
    const put = async (n: number): Promise<void> => {
      await Promise.all(KEYS.map((key) => causes.put(key, { n }, LIMITS)));
      puts += KEYS.length;
    };
    for (let n = 0; n < 3; n++) await put(n);
    await grid.kill(1);
    for (let n = 3; n < 8; n++) await put(n);
    await until(async () => (await sizeOf(effects)) >= 2 * puts);
    await grid.back(1);
    await grid.kill(2);
    for (let n = 8; n < 12; n++) await put(n);
    await grid.back(2);
    await until(async () => (await sizeOf(effects)) >= 2 * puts);
    await until(() => (seen.counts['insert'] ?? 0) >= 2 * puts);
    expect(await effects.size(LIMITS)).toBe(2 * puts);
    await seen.stop();
    expect(seen.counts).toEqual({ insert: 2 * puts });
  }, 180_000);

  async function sizeOf(map: { size(options: object): Promise<number> }): Promise<number> {
    try {
      return await map.size(LIMITS);
    } catch (error) {
      if (GridError.is(error) && error.retryable) return 0;
      throw error;
    }
  }
});
