/** A full grid refuses by name, loses nothing, and takes writes again once there is room. */
import { defineMap, type Grid, GridError, type GridKey, type GridMap, ready } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const VALUE_BYTES = 2000;
const BATCH = 500;

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  const settings = { 'cluster.partitionCount': 32, 'memory.logBytesPerPartition': '64KiB' };
  grid = await TestGrid.start({ members: 1, memory: '32MiB', settings });
  client = await grid.connect();
});

afterAll(() => grid.stop());

const document = (n: number): { n: number; text: string } => ({ n, text: 'x'.repeat(VALUE_BYTES) });

/** Puts entry after entry until one is refused; gives how many were stored and the refusal. */
async function fill(map: GridMap<GridKey, unknown>): Promise<{ stored: number; refusal: GridError }> {
  let stored = 0;
  for (;;) {
    const puts = Array.from({ length: BATCH }, (_, index) => map.put(stored + index, document(stored + index)));
    const results = await Promise.allSettled(puts);
    const refused = results.find((result) => result.status === 'rejected');
    if (refused !== undefined) {
      for (const [index, { status }] of results.entries()) {
        expect((await map.get(stored + index)) !== undefined).toBe(status === 'fulfilled');
        if (status === 'rejected') await map.remove(stored + index);
      }
      await Promise.all(results.map(({ status }, index) => status === 'fulfilled' && map.remove(stored + index)));
      return { stored, refusal: refused.reason as GridError };
    }
    stored += BATCH;
  }
}

/** What was removed is freed behind the answer, in slices of the member's main loop. */
async function memoryComesBack(leastMiB = 24): Promise<void> {
  const member = grid.members[0]!;
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await member.metric('ashlar_grid_memory_free_bytes'))! > leastMiB << 20) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the memory of what was removed did not come back');
}

describe('a full grid', () => {
  let full: GridMap<GridKey, { n: number; text: string }>;
  let stored: number;

  beforeAll(async () => {
    full = client.map('full');
    const filled = await fill(full);
    stored = filled.stored;
    expect(filled.refusal).toMatchObject({ code: 'OUT_OF_MEMORY', retryable: true });
    expect(filled.refusal.message).toMatch(/memory/);
  });

  it('holds what it took: most of its memory is entries', async () => {
    expect(stored * VALUE_BYTES).toBeGreaterThan(20 << 20);
    expect(await full.size()).toBe(stored);
  });

  it('still reads every entry, counts them, and answers about its health', async () => {
    const keys = Array.from({ length: stored }, (_, key) => key);
    const values = await full.getAll(keys);
    expect(values.map((value) => value?.n)).toEqual(keys);
    const member = grid.members[0]!;
    expect(JSON.parse((await member.page('/readyz')).text)).toEqual({ ready: true, reasons: [] });
    expect(await member.metric('ashlar_map_entries', { map: 'full' })).toBe(stored);
    const free = (await member.metric('ashlar_grid_memory_free_bytes'))!;
    expect(free).toBeGreaterThanOrEqual(0);
  });

  it('names the keys of a putAll that does not fit, and stores all or none of a partition', async () => {
    const [groups, size] = [40, 100];
    stored -= 1500;
    await Promise.all(Array.from({ length: 1500 }, (_, n) => full.remove(stored + n)));
    const grouped = client.map(defineMap<[number, number], unknown>('grouped', { affinityParts: 1 }));
    const keys = Array.from({ length: groups * size }, (_, n): [number, number] => [n % groups, n]);
    const failure = await grouped.putAll(keys.map((key) => [key, document(key[1])])).then(
      () => new GridError('INTERNAL', 'it fitted'),
      (error: GridError) => error,
    );
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      message: expect.stringMatching(
        /putAll was done in part \(\d+ of 4000 keys done, \d+ not done, 0 unknown\).*memory/,
      ),
      details: { cause: 'OUT_OF_MEMORY' },
    });
    const details = failure.details as { keys: string[]; failed: number };
    const kept = (await grouped.getAll(keys)).map((value) => value !== undefined);
    for (const key of details.keys) expect(await grouped.has(JSON.parse(key) as [number, number])).toBe(false);
    expect(details.keys.length).toBeGreaterThan(0);
    expect(kept.filter((one) => !one)).toHaveLength(details.failed);
    expect(details.failed).toBeLessThan(keys.length);
    for (let group = 0; group < groups; group += 1) {
      expect(new Set(kept.filter((_, n) => n % groups === group)).size).toBe(1);
    }
    await grouped.clear();
    await memoryComesBack(1);
  });

  it('refuses other maps, and growth by a processor, and leaves the entry as it was', async () => {
    const other = client.map<{ items: string[] }>('other');
    await full.remove(0);
    await other.put('k', { items: [] });
    // More than the entries that made room for the putAll above have left free.
    const items = Array.from({ length: 100 }, () => 'x'.repeat(100_000));
    const growing = other.process('k', ready.append, { path: 'items', items });
    await expect(growing).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(await other.get('k')).toEqual({ items: [] });
    await other.clear();
    await full.put(0, document(0));
  });

  it('takes removes and shorter values, and after them new entries, again and again', async () => {
    for (let round = 0; round < 3; round += 1) {
      const some = Array.from({ length: 2000 }, (_, key) => key);
      expect((await Promise.all(some.map((key) => full.remove(key)))).every(Boolean)).toBe(true);
      await full.putAll(some.map((key) => [key, document(key)]));
      expect(await full.size()).toBe(stored);
    }
    await full.put(0, { n: 0, text: '' });
    expect(await full.get(0)).toEqual({ n: 0, text: '' });
  });

  it('is empty again after clear(), and holds as much as before', async () => {
    await full.clear();
    expect(await full.size()).toBe(0);
    await memoryComesBack();
    const again = client.map('again');
    const { stored: refilled } = await fill(again);
    expect(refilled).toBeGreaterThan(stored * 0.8);
    await again.clear();
    await memoryComesBack();
  });

  it('answers statements, or refuses them by name, and never ends', async () => {
    const map = client.map('queried');
    const { stored: count } = await fill(map);
    const outcome = await client
      .sql<{ n: number }>('SELECT count(*) AS n, sum(n) AS total FROM queried')
      .all()
      .then(
        ([row]) => row!.n,
        (error: GridError) => error.code,
      );
    expect([count, 'OUT_OF_MEMORY', 'QUERY_MEMORY_EXCEEDED']).toContain(outcome);
    const update = await client
      .sql('UPDATE queried SET n = n + 1')
      .execute()
      .then(
        ({ affected }) => affected,
        (error: GridError) => error.code,
      );
    expect([count, 'OUT_OF_MEMORY', 'QUERY_MEMORY_EXCEEDED', 'LOG_FULL']).toContain(update);
    const first = (await map.get(1)) as { n: number };
    expect(first.n).toBe(update === count ? 2 : 1);
    await map.clear();
    await map.put('k', 1);
    expect(await client.sql('SELECT count(*) AS n FROM queried').all()).toEqual([{ n: 1 }]);
  });
});

describe('entries that expire', () => {
  it('give their memory back: a grid takes many times what it holds', async () => {
    const map = client.map<string>('passing');
    const total = 40_000;
    for (let first = 0; first < total; first += BATCH) {
      const load = Array.from({ length: BATCH }, (_, n) => [first + n, 'y'.repeat(VALUE_BYTES)] as const);
      for (let tries = 0; ; tries += 1) {
        try {
          await map.putAll(load, { ttlMs: 100 });
          break;
        } catch (error) {
          if (!isFull(error) || tries > 100) throw error;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    }
    for (let tries = 0; tries < 200 && (await map.size()) > 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await map.size()).toBe(0);
  });
});

/** Whether a load was refused for want of memory, wholly or in part. */
function isFull(error: unknown): boolean {
  if (GridError.is(error, 'PARTIAL')) return error.details?.cause === 'OUT_OF_MEMORY';
  return GridError.is(error, 'OUT_OF_MEMORY');
}
