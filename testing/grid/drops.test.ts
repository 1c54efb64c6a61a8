import { ready } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import { label } from './fixtures/processors.ts';
import { TestGrid } from './support/grid.ts';

/** Rounds enough to meet every interleaving that was ever seen to lose entries (1 to 6 of 200). */
const ROUNDS = 60;

let grid: TestGrid;
let one: Grid;
let other: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  one = await grid.connect();
  other = await grid.connect({ seeds: [grid.members[1]!.address] });
}, 60_000);

afterAll(() => grid.stop());

const entriesOf = (round: number): [string, string][] =>
  Array.from({ length: 6 }, (_, index) => [`k${index}`, `${round}`]);
const KEYS = entriesOf(0).map(([key]) => key);
const valuesOf = (round: number): string[] => KEYS.map(() => `${round}`);

describe('a map that is dropped and made again', () => {
  it('keeps every entry that was acknowledged after the drop', async () => {
    const map = one.map<string>('again');
    for (let round = 0; round < ROUNDS; round++) {
      await one.drop('again');
      await map.putAll(entriesOf(round));
      expect(await map.getAll(KEYS)).toEqual(valuesOf(round));
    }
  }, 60_000);

  it('keeps those of another client, that knew the dropped one', async () => {
    const [first, second] = [one.map<string>('known'), other.map<string>('known')];
    for (let round = 0; round < ROUNDS; round++) {
      await first.putAll(entriesOf(round));
      await one.drop('known');
      await second.putAll(entriesOf(round));
      expect(await first.getAll(KEYS)).toEqual(valuesOf(round));
      expect(await first.size()).toBe(KEYS.length);
    }
  }, 60_000);

  it('is gone for every member and every client when the drop is answered', async () => {
    const [first, second] = [one.map<string>('gone'), other.map<string>('gone')];
    for (let round = 0; round < ROUNDS / 3; round++) {
      await first.putAll(entriesOf(round));
      await second.getAll(KEYS);
      const drops = await Promise.all([one.drop('gone'), other.drop('gone')]);
      expect(drops).toContain(true);
      expect(await second.getAll(KEYS)).toEqual(KEYS.map(() => undefined));
      expect(await first.size()).toBe(0);
      expect((await other.maps()).map(({ name }) => name)).not.toContain('gone');
      await expect(other.sql('SELECT * FROM gone').all()).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    }
  }, 60_000);

  it('keeps what a statement inserts after the drop, and what was put before that', async () => {
    for (let round = 0; round < ROUNDS / 3; round++) {
      await one.drop('stated');
      await other.map<string>('stated').put('first', 'v');
      const rows = KEYS.map((key) => `('${key}', ${round})`).join(', ');
      await one.sql(`INSERT INTO stated (__key, n) VALUES ${rows}`).execute();
      const found = await other.sql('SELECT n FROM stated WHERE n IS NOT NULL').all();
      expect(found).toEqual(KEYS.map(() => ({ n: round })));
      await one.sql('DELETE FROM stated WHERE __key <> $1', ['first']).execute();
      expect(await other.map('stated').size()).toBe(1);
    }
  }, 60_000);

  it('keeps what ready-made processors count after the drop', async () => {
    const [first, second] = [one.map('counted'), other.map('counted')];
    const args = { path: 'n', by: 1 };
    for (let round = 0; round < ROUNDS / 3; round++) {
      await first.processAll(KEYS, ready.increment, args);
      await one.drop('counted');
      const counts = await second.processAll(KEYS, ready.increment, args);
      expect([counts, await first.getAll(KEYS)]).toEqual([KEYS.map(() => 1), KEYS.map(() => ({ n: 1 }))]);
    }
  }, 60_000);

  it('runs a processor anew whose entry went with the map while it ran, once', async () => {
    await one.deploy(new URL('./fixtures/processors.ts', import.meta.url));
    const map = one.map<readonly string[]>('labelled');
    for (let round = 0; round < 5; round++) {
      await map.putAll(KEYS.map((key) => [key, ['old']] as const));
      const labels = map.processAll(KEYS, label, { text: 'new', ms: 15 });
      const outcome = labels.catch((error: unknown) => error);
      await other.drop('labelled');
      const expected = [['old', 'new'], ['new']];
      for (const list of (await outcome) as string[][]) expect(expected).toContainEqual(list);
      for (const list of await map.getAll(KEYS)) expect([undefined, ['new']]).toContainEqual(list);
      await one.drop('labelled');
    }
  }, 60_000);

  it('takes other options than it had, from clients that knew the old ones', async () => {
    const keys = KEYS.map((key) => [key, 1]);
    for (let round = 0; round < 5; round++) {
      const byFirst = one.map({ name: 'shaped', options: { affinityParts: 1 } } as never);
      await byFirst.putAll(keys.map((key) => [key, round] as never));
      expect(await other.map('shaped').getAll(keys as never)).toEqual(keys.map(() => round));
      await one.drop('shaped');
      await other.map('shaped').putAll(keys.map((key) => [key, round] as never));
      expect(await one.map('shaped').getAll(keys as never)).toEqual(keys.map(() => round));
      await other.drop('shaped');
    }
  }, 60_000);

  it('is empty after a clear that another client asked for, and full again after its puts', async () => {
    const [first, second] = [one.map<string>('cleared'), other.map<string>('cleared')];
    for (let round = 0; round < ROUNDS / 3; round++) {
      await one.drop('cleared');
      await first.putAll(entriesOf(round));
      await second.clear();
      expect(await first.size()).toBe(0);
      await second.putAll(entriesOf(round));
      expect(await first.getAll(KEYS)).toEqual(valuesOf(round));
    }
  }, 60_000);

  it('holds what was written after the drop, and nothing of before, while many write', async () => {
    const clients = [one, other, await grid.connect(), await grid.connect({ seeds: [grid.members[1]!.address] })];
    for (let round = 0; round < ROUNDS; round++) {
      const writes = new Map<string, { readonly startMs: number; readonly endMs: number }>();
      let isOver = false;
      const write = async (client: Grid, writer: number): Promise<void> => {
        const map = client.map<number>('busy');
        for (let n = 0; !isOver || n < 3; n++) {
          const key = `${round}-${writer}-${n}`;
          const startMs = performance.now();
          if (n % 3 === 0) await map.putAll([[key, n]]);
          else if (n % 3 === 1) await map.put(key, n);
          else await client.sql('INSERT INTO busy (__key, __value) VALUES ($1, $2)', [key, n]).execute();
          writes.set(key, { startMs, endMs: performance.now() });
        }
      };
      const writing = Promise.all(clients.map(write));
      await new Promise((resolve) => setTimeout(resolve, round % 7));
      const startMs = performance.now();
      await clients[round % clients.length]!.drop('busy');
      const endMs = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 3));
      isOver = true;
      await writing;
      const there = new Set<unknown>();
      for await (const key of one.map('busy').keys()) there.add(key);
      for (const [key, write] of writes) {
        if (write.startMs > endMs) expect([key, there.has(key)]).toEqual([key, true]);
        if (write.endMs < startMs) expect([key, there.has(key)]).toEqual([key, false]);
      }
      expect([...there].filter((key) => !writes.has(key as string))).toEqual([]);
    }
  }, 120_000);
});
