/** Documents of a million elements and more: what would hold the loop of a member is done in its workers. */
import type { Grid } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const ELEMENTS = 1_100_000;
let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, memory: '128MiB' });
  client = await grid.connect();
  const a = Array.from({ length: ELEMENTS }, (_, n) => n % 100);
  await client.map('long').putAll(
    ['one', 'two', 'three'].map((key) => [key, { n: key.length, a }]),
    { timeoutMs: 60_000 },
  );
}, 60_000);

afterAll(() => grid.stop());

describe('a document of more than a million elements', () => {
  const rows = (text: string, parameters: readonly unknown[] = []) =>
    client.sql<Record<string, unknown>>(text, parameters, { timeoutMs: 60_000 }).all();

  it('is found by its key as by any other condition', async () => {
    for (const key of ['one', 'two', 'three']) {
      const want = [{ __key: key, n: key.length, last: (ELEMENTS - 1) % 100 }];
      const columns = `__key, n, a[${ELEMENTS - 1}] AS last`;
      expect(await rows(`SELECT ${columns} FROM long WHERE __key = $1`, [key])).toEqual(want);
      expect(await rows(`SELECT ${columns} FROM long WHERE __key = '${key}' AND n > 0`)).toEqual(want);
      expect(await rows(`SELECT ${columns} FROM long WHERE __key IN ('${key}', 'none')`)).toEqual(want);
      expect(await rows(`SELECT ${columns} FROM long WHERE __key = $1 AND n < 0`, [key])).toEqual([]);
    }
    await expect(rows("SELECT 1 / (n - 3) FROM long WHERE __key = 'one'")).rejects.toMatchObject({
      code: 'DIVISION_BY_ZERO',
      position: expect.anything(),
    });
  }, 60_000);

  it('is changed and removed by its key', async () => {
    const change = (text: string) => client.sql(text, [], { timeoutMs: 60_000 }).execute();
    expect(await change("UPDATE long SET n = n + 10 WHERE __key = 'two'")).toMatchObject({ affected: 1 });
    expect(await rows("SELECT n FROM long WHERE __key = 'two'")).toEqual([{ n: 13 }]);
    expect(await change("DELETE FROM long WHERE __key = 'two'")).toMatchObject({ affected: 1 });
    expect(await rows("SELECT n FROM long WHERE __key = 'two'")).toEqual([]);
  }, 60_000);
});
