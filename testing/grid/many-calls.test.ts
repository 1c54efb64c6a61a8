/** Much asked at once through one client: it waits its turn there, and all of it is answered. */
import { type Grid, GridError, ready } from '@ashlar/client';
import * as jobs from './fixtures/heavy-jobs.ts';
import { TestGrid } from './support/grid.ts';

const KEYS = 1000;
const AT_ONCE = 10_000;
const WAIT_MS = 120_000;

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, settings: { 'cluster.partitionCount': 32 } });
  client = await grid.connect({ sqlTimeoutMs: WAIT_MS });
  await client.map('rows').putAll(Array.from({ length: KEYS }, (_, n) => [n, { n, name: `n${n}` }] as const));
  await client.deploy(new URL('./fixtures/heavy-jobs.ts', import.meta.url));
});

afterAll(() => grid.stop());

const codeOf = (error: unknown): string => (GridError.is(error) ? error.code : String(error));

describe('ten thousand statements at once', () => {
  it('that look one key up are all answered', async () => {
    const asked = Array.from({ length: AT_ONCE }, async (_, n) => {
      const row = await client.sql<{ n: number }>('SELECT n FROM rows WHERE __key = $1', [n % KEYS]).first();
      return row?.n === n % KEYS;
    });
    expect((await Promise.all(asked)).every(Boolean)).toBe(true);
  });

  it('of every kind are all answered, none twice', async () => {
    await client.map('counted').put('c', { n: 0 });
    const kinds = [
      () => client.sql('SELECT count(*) AS n FROM rows WHERE n < 10').all(),
      () => client.sql('SELECT name FROM rows ORDER BY n LIMIT 3').all(),
      () => client.sql("UPDATE counted SET n = n + 1 WHERE __key = 'c'").execute(),
      () => client.map('rows').size(),
    ];
    const each = 250;
    await Promise.all(Array.from({ length: each * kinds.length }, (_, n) => kinds[n % kinds.length]!()));
    expect(await client.map('counted').get('c')).toEqual({ n: each });
  });

  it('leave the queue by signal and by deadline, were never sent then, and others go on', async () => {
    await client.map('counted').put('c', { n: 0 });
    const update = "UPDATE counted SET n = n + 1 WHERE __key = 'c'";
    const abort = new AbortController();
    const others = Array.from({ length: 1000 }, () => client.sql('SELECT count(*) AS n FROM rows').all());
    const cancelled = Array.from({ length: 100 }, () => client.sql(update, [], { signal: abort.signal }).execute());
    const late = Array.from({ length: 100 }, () => client.sql(update, [], { timeoutMs: 1 }).execute());
    const outcomes = Promise.allSettled([...cancelled, ...late]);
    abort.abort();
    const codes = (await outcomes).map((one) => (one.status === 'rejected' ? codeOf(one.reason) : 'done'));
    expect(new Set(codes)).toEqual(new Set(['CANCELLED', 'DEADLINE_EXCEEDED']));
    expect((await Promise.all(others)).every(([row]) => row!['n'] === KEYS)).toBe(true);
    expect(await client.map('counted').get('c')).toEqual({ n: 0 });
  });

  it('end with CLIENT_CLOSED when the client is closed, those in the queue too', async () => {
    const leaving = await grid.connect({ sqlTimeoutMs: WAIT_MS });
    const asked = Array.from({ length: 2000 }, () => leaving.sql('SELECT count(*) AS n FROM rows').all());
    const outcomes = Promise.allSettled(asked);
    await leaving.close();
    const codes = (await outcomes).map((one) => (one.status === 'rejected' ? codeOf(one.reason) : 'done'));
    expect(codes).toContain('CLIENT_CLOSED');
    for (const code of new Set(codes)) expect(['CLIENT_CLOSED', 'done']).toContain(code);
  });
});

describe('other calls at once', () => {
  it('jobs, processWhere and questions about the grid are all answered', async () => {
    const run = await Promise.all(
      Array.from({ length: 200 }, () => client.run(jobs.hoard, { map: 'rows', bytes: 10 })),
    );
    expect(run.every((bytes) => bytes === 320)).toBe(true);
    const found = await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        client
          .map<{ n: number; seen?: boolean }>('rows')
          .processWhere('n = $1', [n], ready.mergePatch, { patch: { seen: true } }),
      ),
    );
    expect(found.every(({ affected }) => affected === 1)).toBe(true);
    const lists = await Promise.all(Array.from({ length: 3000 }, () => client.maps()));
    expect(lists.every((maps) => maps.some(({ name }) => name === 'rows'))).toBe(true);
  });

  it('open results beyond what a member keeps wait, and come when others are read', async () => {
    const iterators = Array.from({ length: 1000 }, () => client.sql('SELECT n FROM rows')[Symbol.asyncIterator]());
    const firsts = iterators.map((iterator) => iterator.next());
    await firsts[0];
    const counts = await Promise.all(
      iterators.map(async (iterator, index) => {
        await firsts[index];
        let count = 1;
        while ((await iterator.next()).done !== true) count += 1;
        return count;
      }),
    );
    expect(new Set(counts)).toEqual(new Set([KEYS]));
  });
});
