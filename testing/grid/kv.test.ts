/** Key-value verbs of the real client against two real members, and against a plain Map. */
import { Decimal, defineMap, type Entry, type Grid, type GridKey, type GridMap } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';
import { TestGrid } from './support/grid.ts';
import { entryText, keyText, MapTwin, valueText } from './support/map-twin.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
});

afterAll(() => grid.stop());

const KEYS: readonly GridKey[] = [
  ...['', 'a', 'b', 'ä', '\u{1f600}', '__proto__', 'constructor', '1', 'x'.repeat(3000)],
  ...[0, -0, 0n, 1, 1n, -1, 1.5, 2 ** 53, 2n ** 53n, 2n ** 64n, -(2n ** 200n), 1e300, Number.POSITIVE_INFINITY],
  ...[new Uint8Array(0), Uint8Array.of(1), Uint8Array.of(1, 0, 255)],
  ...[['a', 1], ['a', 1n], ['a', 2], ['b', 1], ['a'], [1, 'a', Uint8Array.of(7)], ['', -0], ['', 0]],
];

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -0, 1, -1.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 60, 5n, 2n ** 63n, -(2n ** 200n)],
  ...['', 'text', 'long '.repeat(2000), new Date(0), new Date(-1), Decimal.parse('1.50'), Uint8Array.of(1, 2)],
  ...[[], [1, [2, [3]]], {}, { a: { b: [{ c: 1n }] } }, JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}')],
];

const NUMBERS = Array.from({ length: 10 }, (_, key) => key);

describe('a map of a grid of two members', () => {
  it.each([1, 2])('answers every verb as a plain Map does, over 2,000 random operations (seed %i)', async (seed) => {
    const map = client.map<unknown>(`twin${seed}`);
    const twin = new MapTwin();
    const random = seededRandom(seed);
    for (let step = 0; step < 2000; step += 1) await runRandomVerb(random, map, twin);
    expect(await entriesOf(map)).toEqual(twin.texts());
    expect(await map.size()).toBe(twin.size);
  });

  it('is listed with the entries and bytes of all members, until it is dropped', async () => {
    const listed = client.map<{ n: number }>('listed');
    await listed.putAll(Array.from({ length: 1000 }, (_, n) => [n, { n }]));
    const summary = (await client.maps()).find(({ name }) => name === 'listed')!;
    expect(summary).toEqual({ name: 'listed', entries: 1000, bytes: expect.any(Number) });
    const held = await Promise.all(
      grid.members.map((one) => one.metric('ashlar_grid_memory_bytes', { map: 'listed' })),
    );
    expect(summary.bytes).toBe(held[0]! + held[1]!);
    expect(held.every((bytes) => bytes! > 0)).toBe(true);
    expect(await client.drop('listed')).toBe(true);
    expect(await client.drop('listed')).toBe(false);
    expect((await client.maps()).map(({ name }) => name)).not.toContain('listed');
    expect(await listed.get(1)).toBeUndefined();
    await listed.put(1, { n: 1 });
    expect(await listed.size()).toBe(1);
  });

  it('keeps keys with the same first affinityParts parts together and finds them all', async () => {
    const orders = client.map(defineMap<readonly [string, number], number>('orders', { affinityParts: 1 }));
    const keys = Array.from({ length: 300 }, (_, index) => [`customer ${index % 7}`, index] as const);
    await orders.putAll(keys.map((key) => [key, key[1]]));
    expect(await orders.getAll(keys)).toEqual(keys.map((key) => key[1]));
    const undeclared = client.map<number>('orders');
    expect(await undeclared.get(['customer 3', 3])).toBe(3);
    await undeclared.put(['customer 3', 1000], 1000);
    expect(await orders.get(['customer 3', 1000])).toBe(1000);
    expect(await orders.size()).toBe(301);
  });

  it('refuses to know a map by other options than it was made with, and goes on', async () => {
    await client.map(defineMap<GridKey, number>('fixed', { affinityParts: 1 })).put(['a', 1], 1);
    const other = client.map(defineMap<GridKey, number>('fixed', { affinityParts: 2 }));
    await expect(other.put(['a', 2], 2)).rejects.toMatchObject({ code: 'MAP_CONFLICT' });
    expect(await client.map('fixed').get(['a', 1])).toBe(1);
  });

  it('holds 20,000 entries of one putAll, answers them in the order asked, with gaps where there is none', async () => {
    const map = client.map<{ n: number }>('many');
    await map.putAll(numbered(20_000));
    const keys = Array.from({ length: 20_200 }, (_, index) => 20_100 - index);
    const values = await map.getAll(keys);
    expect(values.map((value) => value?.n)).toEqual(keys.map((key) => (key >= 0 && key < 20_000 ? key : undefined)));
    expect(await map.size()).toBe(20_000);
    await map.clear();
    expect(await map.size()).toBe(0);
    expect(await map.get(5)).toBeUndefined();
    await map.put(5, { n: 5 });
    expect(await entriesOf(map)).toEqual([entryText(5, { n: 5 })]);
  });

  it('keeps the last of several entries with one key in a putAll', async () => {
    const map = client.map<number>('repeated');
    await map.putAll([
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['a', 3],
    ]);
    expect(await map.getAll(['a', 'b'])).toEqual([3, 1]);
    expect(await map.size()).toBe(2);
  });

  it('answers calls made without waiting in the order they were made', async () => {
    const map = client.map<number>('pipelined');
    const calls = Array.from({ length: 500 }, (_, index) => [map.put('k', index), map.getAndPut('k', index + 0.5)]);
    const before = await Promise.all(calls.map(([, old]) => old));
    expect(before).toEqual(Array.from({ length: 500 }, (_, index) => index));
    expect(await map.get('k')).toBe(499.5);
  });

  it('tells the version of an entry that was written in the same turn: a condition on it holds', async () => {
    const map = client.map<number>('versions');
    for (let round = 0; round < 5; round += 1) {
      const writing = map.put('k', round);
      const entry = (await map.getEntry('k'))!;
      await writing;
      expect(entry).toEqual(await map.getEntry('k'));
      expect(await map.replace('k', round + 0.5, { ifVersion: entry.version })).toBe(true);
    }
  });

  it('lets one of two clients win a condition on the same version', async () => {
    const other = (await grid.connect()).map<number>('contended');
    const mine = client.map<number>('contended');
    await mine.put('k', 0);
    for (let round = 0; round < 20; round += 1) {
      const entry = (await mine.getEntry('k'))!;
      const ifVersion = entry.version;
      const won = await Promise.all([mine.replace('k', 1, { ifVersion }), other.replace('k', 2, { ifVersion })]);
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await mine.get('k')).toBe(won[0] ? 1 : 2);
    }
  });
});

describe('a write that its caller has not waited for', () => {
  let late: TestGrid;

  beforeAll(async () => {
    late = await TestGrid.start({ members: 1, settings: { 'testing.commitDelayMs': '50ms' } });
  });

  afterAll(() => late.stop());

  it.each<[string, (own: Grid) => Promise<number>]>([
    ['size()', (own) => own.map('own').size()],
    ['keys()', async (own) => (await collect(own.map('own').keys())).length],
    ['entries()', async (own) => (await collect(own.map('own').entries())).length],
    ['getAll()', async (own) => (await own.map('own').getAll(NUMBERS)).filter((value) => value !== undefined).length],
    ['SELECT', async (own) => Number((await own.sql<{ n: bigint }>`SELECT count(*) AS n FROM own`.first())!.n)],
  ])('is seen by %s of the same client, once it is committed', async (_, count) => {
    const own = await late.connect();
    const map = own.map<number>('own');
    await map.put('first', 0);
    await map.clear();
    for (const key of NUMBERS) {
      const writing = map.put(key, key);
      // It leaves with the turn.
      await new Promise((resolve) => setImmediate(resolve));
      expect(await count(own)).toBe(key + 1);
      await writing;
    }
    const removing = map.remove(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await count(own)).toBe(NUMBERS.length - 1);
    expect(await removing).toBe(true);
  });
});

describe('a map that nobody made', () => {
  it('has no entries, however often it is asked for: connections between members stay', async () => {
    const map = client.map('never-made');
    for (let round = 0; round < 20; round += 1) {
      const sizes = await Promise.all(Array.from({ length: 100 }, () => map.size()));
      expect(new Set(sizes)).toEqual(new Set([0]));
    }
    expect(await map.get('k')).toBeUndefined();
  });
});

describe('a time to live', () => {
  it('ends an entry for get, has, size, keys and conditions, and a new put starts anew', async () => {
    const sessions = client.map<string>('sessions');
    await sessions.put('stays', 'yes');
    const [entry, ttlMs] = await putAndSeen(sessions, 'goes', 'soon');
    expect(entry.expiresAtMs! - entry.version / 1000).toBeLessThanOrEqual(ttlMs);
    expect((await sessions.getEntry('stays'))!.expiresAtMs).toBeUndefined();
    await waitUntil(async () => (await sessions.get('goes')) === undefined);
    await waitUntil(async () => (await sessions.size()) === 1);
    expect(await sessions.has('goes')).toBe(false);
    expect(await sessions.replace('goes', 'again')).toBe(false);
    expect(await entriesOf(sessions)).toEqual([entryText('stays', 'yes')]);
    expect(await sessions.putIfAbsent('goes', 'back')).toBe(true);
    expect((await sessions.getEntry('goes'))!.expiresAtMs).toBeUndefined();
  });

  it('comes from the map where the call names none', async () => {
    const map = client.map(defineMap<string, number>('expiring', { ttlMs: 80 }));
    await map.put('c', 3, { ttlMs: 600_000 });
    let entry: Entry<string, number> | undefined;
    // On a busy machine it may be over before it is asked for.
    while (entry === undefined) {
      await map.putAll([
        ['a', 1],
        ['b', 2],
      ]);
      entry = await map.getEntry('a');
    }
    expect(entry.expiresAtMs! - entry.version / 1000).toBeLessThanOrEqual(80);
    await waitUntil(async () => (await map.size()) === 1);
    expect(await map.getAll(['a', 'b', 'c'])).toEqual([undefined, undefined, 3]);
  });
});

describe('keys() and entries()', () => {
  it('tells the deadline of an entry to getEntry, to entries() and to SQL alike', async () => {
    const map = client.map<number>('deadlines');
    await map.put('stays', 1);
    await map.put('goes', 2, { ttlMs: 600_000 });
    const { expiresAtMs } = (await map.getEntry('goes'))!;
    expect(expiresAtMs! - Date.now()).toBeGreaterThan(590_000);
    const listed = new Map<GridKey, number | undefined>();
    for await (const entry of map.entries()) listed.set(entry.key, entry.expiresAtMs);
    expect(listed.get('stays')).toBeUndefined();
    expect(Math.abs(listed.get('goes')! - expiresAtMs!)).toBeLessThanOrEqual(1);
    const rows = await client.sql<{ at: Date }>`SELECT __expires_at AS at FROM deadlines WHERE __key = ${'goes'}`.all();
    expect(Math.abs(rows[0]!.at.getTime() - expiresAtMs!)).toBeLessThanOrEqual(1);
  });

  it('see one moment of the whole map, over both members, while writes go on', async () => {
    const map = client.map<number>('moving');
    await map.putAll(Array.from({ length: RING }, (_, key) => [key, key]));
    const stop = new AbortController();
    const writing = writeInTurn(map, stop.signal);
    const newest: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      const seen: number[] = [];
      for await (const { key, value } of map.entries()) seen[key as number] = value;
      newest.push(Math.max(...seen));
      expect(seen).toEqual(ringAfter(newest.at(-1)!));
    }
    stop.abort();
    expect(newest).toEqual(newest.toSorted((one, other) => one - other));
    expect(await writing).toBeGreaterThanOrEqual(newest.at(-1)!);
    expect(newest.at(-1)).toBeGreaterThan(RING);
    expect((await collect(map.keys())).toSorted((one, other) => Number(one) - Number(other))).toEqual(
      ringAfter(RING - 1),
    );
  });

  it('end early when the caller stops reading, and give every kind of key back', async () => {
    const map = client.map<number>('kinds');
    const twin = new MapTwin();
    for (const key of KEYS) {
      twin.put(key, 1);
      await map.put(key, 1);
    }
    expect(await entriesOf(map)).toEqual(twin.texts());
    for await (const _key of map.keys()) break;
    expect((await collect(map.keys())).map(keyText).toSorted()).toHaveLength(twin.size);
  });
});

describe('a map that nobody has written to', () => {
  it('is empty for key-value calls and unknown to SQL, which names the nearest one', async () => {
    await client.map('accounts').put('a', 1);
    const map = client.map('acounts');
    expect(await map.get('a')).toBeUndefined();
    expect(await map.getEntry('a')).toBeUndefined();
    expect(await map.getAll(['a', 'b'])).toEqual([undefined, undefined]);
    expect([await map.has('a'), await map.size()]).toEqual([false, 0]);
    expect(await collect(map.keys())).toEqual([]);
    await expect(client.sql('SELECT * FROM acounts').all()).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: "did you mean 'accounts'?",
    });
  });
});

function* numbered(count: number): Generator<[number, { n: number }]> {
  for (let n = 0; n < count; n += 1) yield [n, { n }];
}

/** Keys written in turn: whoever sees write n sees every write before it, and so knows what each key holds. */
const RING = 100;

async function writeInTurn(map: GridMap<GridKey, number>, signal: AbortSignal): Promise<number> {
  let last = RING - 1;
  while (!signal.aborted) {
    last += 1;
    await map.put(last % RING, last);
  }
  return last;
}

function ringAfter(last: number): number[] {
  return Array.from({ length: RING }, (_, key) => last - ((last - key) % RING));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function entriesOf(map: GridMap<GridKey, unknown>): Promise<string[]> {
  return (await collect(map.entries())).map(({ key, value }) => entryText(key, value)).toSorted();
}

/** Puts with a time to live that is short, and long enough for this machine to see the entry before it ends. */
async function putAndSeen<V>(
  map: GridMap<GridKey, V>,
  key: GridKey,
  value: V,
): Promise<readonly [Entry<GridKey, V>, number]> {
  for (let ttlMs = 60; ; ttlMs *= 2) {
    await map.put(key, value, { ttlMs });
    const entry = await map.getEntry(key);
    if (entry !== undefined) return [entry, ttlMs];
  }
}

async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

type Verb = (random: Random, map: GridMap<GridKey, unknown>, twin: MapTwin) => Promise<void>;

const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!;
const some = (random: Random): GridKey[] => Array.from({ length: random.below(12) }, () => pick(random, KEYS));

async function runRandomVerb(random: Random, map: GridMap<GridKey, unknown>, twin: MapTwin): Promise<void> {
  await pick(random, VERBS)(random, map, twin);
}

/** A version that the entry has, had, or never had. */
function someVersion(random: Random, key: GridKey, twin: MapTwin): number {
  const known = twin.versionOf(key);
  return known === undefined || random.below(3) === 0 ? 1 + random.below(1000) : known;
}

const VERBS: readonly Verb[] = [
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    expect(valueText(await map.get(key))).toBe(valueText(twin.get(key)));
  },
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    const entry = await map.getEntry(key);
    expect(valueText(entry?.value)).toBe(valueText(twin.get(key)));
    expect(entry === undefined).toBe(!twin.has(key));
    if (entry === undefined) return;
    expect(entry.version).toBe(twin.versionOf(key) ?? entry.version);
    twin.learnVersion(key, entry.version);
  },
  async (random, map, twin) => {
    const keys = some(random);
    expect((await map.getAll(keys)).map(valueText)).toEqual(keys.map((key) => valueText(twin.get(key))));
  },
  async (random, map, twin) => {
    const [key, value] = [pick(random, KEYS), pick(random, VALUES)];
    expect(await map.put(key, value)).toBeUndefined();
    twin.put(key, value);
  },
  async (random, map, twin) => {
    const entries = some(random).map((key) => [key, pick(random, VALUES)] as const);
    await map.putAll(entries);
    for (const [key, value] of entries) twin.put(key, value);
  },
  async (random, map, twin) => {
    const [key, value] = [pick(random, KEYS), pick(random, VALUES)];
    expect(await map.putIfAbsent(key, value)).toBe(!twin.has(key));
    if (!twin.has(key)) twin.put(key, value);
  },
  async (random, map, twin) => {
    const [key, value] = [pick(random, KEYS), pick(random, VALUES)];
    expect(valueText(await map.getAndPut(key, value))).toBe(valueText(twin.get(key)));
    twin.put(key, value);
  },
  async (random, map, twin) => {
    const [key, value] = [pick(random, KEYS), pick(random, VALUES)];
    expect(await map.replace(key, value)).toBe(twin.has(key));
    if (twin.has(key)) twin.put(key, value);
  },
  async (random, map, twin) => {
    const [key, value] = [pick(random, KEYS), pick(random, VALUES)];
    const ifVersion = someVersion(random, key, twin);
    const fits = twin.has(key) && twin.versionOf(key) === ifVersion;
    expect(await map.replace(key, value, { ifVersion })).toBe(fits);
    if (fits) twin.put(key, value);
  },
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    expect(await map.remove(key)).toBe(twin.has(key));
    twin.remove(key);
  },
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    const ifVersion = someVersion(random, key, twin);
    const fits = twin.has(key) && twin.versionOf(key) === ifVersion;
    expect(await map.remove(key, { ifVersion })).toBe(fits);
    if (fits) twin.remove(key);
  },
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    expect(valueText(await map.getAndRemove(key))).toBe(valueText(twin.get(key)));
    twin.remove(key);
  },
  async (random, map, twin) => {
    const key = pick(random, KEYS);
    expect(await map.has(key)).toBe(twin.has(key));
  },
  async (random, map, twin) => {
    if (random.below(4) === 0) expect(await map.size()).toBe(twin.size);
  },
  async (random, map, twin) => {
    if (random.below(10) > 0) return;
    expect(await entriesOf(map)).toEqual(twin.texts());
  },
  async (random, map, twin) => {
    if (random.below(10) > 0) return;
    await map.clear();
    twin.clear();
  },
];
