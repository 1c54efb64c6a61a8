/** Subscriptions and their tokens, and deadlines of entries, while members are killed. */
import { defineMap } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import { EventLog } from './support/event-log.ts';
import { ReplicatedGrid, until } from './support/replicated-grid.ts';

const LIMITS = { timeoutMs: 20_000 };
const KEYS = Array.from({ length: 60 }, (_, key) => key);
/** Of keys that must have gone by themselves by the time that somebody looks. */
const SHORT_MS = 3000;
const LONG_MS = 3_600_000;
const Idle = defineMap<number, number>('idle', { maxIdleMs: 8000 });

let grid: ReplicatedGrid;
let client: Grid;

beforeAll(async () => {
  grid = await ReplicatedGrid.start();
  client = await grid.connect();
}, 60_000);

afterAll(() => grid.stop());

interface Numbered {
  readonly key: unknown;
  readonly value?: { readonly n: number } | undefined;
}

/** Every key's events, each beginning where the one before left, none twice, none missing. */
function expectChains(events: readonly Numbered[], from: number, to: number): void {
  const next = new Map<unknown, number>();
  for (const { key, value } of events) {
    expect([key, value?.n]).toEqual([key, next.get(key) ?? from]);
    next.set(key, value!.n + 1);
  }
  for (const key of KEYS) expect([key, next.get(key) ?? from]).toEqual([key, to]);
}

describe('subscriptions', () => {
  it('have every event once and in its key’s order when members are killed, and so has who goes on by a token', async () => {
    const map = client.map<number, { n: number }>('told');
    const log = await EventLog.open(map);
    let n = 0;
    const put = async (rounds: number): Promise<void> => {
      for (const end = n + rounds; n < end; n++) {
        const value = { n };
        await Promise.all(KEYS.map((key) => map.put(key, value, LIMITS)));
      }
    };
    await put(5);
    const before = (await log.until(5 * KEYS.length)).length;
    const { token } = log.events[before - 1]!;
    await grid.kill(1);
    await put(10);
    await log.until(15 * KEYS.length);
    await grid.back(1);
    await grid.kill(2);
    await put(10);
    expectChains(await log.until(25 * KEYS.length), 0, 25);
    const late = await EventLog.open(map, { from: token });
    expectChains(await late.until(20 * KEYS.length), 5, 25);
    await grid.back(2);
    await put(1);
    await log.until(26 * KEYS.length);
    await late.until(21 * KEYS.length);
    expectChains(await log.stop(), 0, 26);
    expectChains(await late.stop(), 5, 26);
  }, 180_000);

  it('resolve no version of which an event is still to come', async () => {
    const map = client.map<number, { n: number }>('resolved');
    let resolved = 0;
    let isOver = false;
    const ready = Promise.withResolvers<void>();
    const events = map.subscribe({ onReady: () => ready.resolve(), onResolved: (version) => (resolved = version) });
    let seen = 0;
    const reading = (async () => {
      for await (const { version } of events) {
        expect(version).toBeGreaterThan(resolved);
        seen += 1;
      }
    })();
    reading.catch((error: unknown) => ready.reject(error));
    await ready.promise;
    const writing = (async () => {
      for (let n = 0; !isOver; n++) await Promise.all(KEYS.map((key) => map.put(key, { n }, LIMITS)));
    })();
    const untilSeen = (count: number): Promise<unknown> => Promise.race([until(() => seen >= count), reading, writing]);
    await untilSeen(KEYS.length);
    await grid.kill(1);
    await untilSeen(seen + 20 * KEYS.length);
    isOver = true;
    await writing;
    expect(resolved).toBeGreaterThan(0);
    await events.return!();
    await reading;
    await grid.back(1);
  }, 120_000);
});

describe('deadlines of entries', () => {
  it('go on at who takes over: what has time stays, with its deadline, what has none goes', async () => {
    const map = client.map<string, number>('timed');
    for (const key of KEYS) {
      await map.put(`short ${key}`, key, { ...LIMITS, ttlMs: SHORT_MS });
      await map.put(`long ${key}`, key, { ...LIMITS, ttlMs: LONG_MS });
      await map.put(`ever ${key}`, key, LIMITS);
    }
    const before = await Promise.all(KEYS.map((key) => map.getEntry(`long ${key}`, LIMITS)));
    await grid.kill(2);
    const after = await Promise.all(KEYS.map((key) => map.getEntry(`long ${key}`, LIMITS)));
    expect(after).toEqual(before);
    for (const key of KEYS) expect(await map.get(`ever ${key}`, LIMITS)).toBe(key);
    await until(async () => {
      const left = await map.getAll(
        KEYS.map((key) => `short ${key}`),
        LIMITS,
      );
      return left.every((value) => value === undefined);
    });
    expect(await map.size(LIMITS)).toBe(2 * KEYS.length);
    await grid.back(2);
    expect(await map.size(LIMITS)).toBe(2 * KEYS.length);
  }, 120_000);

  it('that idle time decides begin anew at who takes over: nothing goes that was used', async () => {
    const map = client.map(Idle);
    await Promise.all(KEYS.map((key) => map.put(key, key, LIMITS)));
    await grid.kill(1);
    for (let round = 0; round < 20; round++) {
      for (const key of KEYS) expect(await map.get(key, LIMITS)).toBe(key);
    }
    await grid.back(1);
    expect(await map.size(LIMITS)).toBe(KEYS.length);
  }, 120_000);
});
