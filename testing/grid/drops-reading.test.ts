import { ready } from '@ashlar/api';
import { type Grid, GridError } from '@ashlar/client';
import * as jobs from './fixtures/counting-job.ts';
import { TestGrid } from './support/grid.ts';

/** More than fits into what waits for a reader, so that most of it is unread when the map is dropped. */
const COUNT = 40_000;
const VALUE = { n: 1, text: 'x'.repeat(300) };

let grid: TestGrid;
let client: Grid;
let other: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, memory: '192MiB' });
  client = await grid.connect();
  other = await grid.connect({ seeds: [grid.members[1]!.address] });
  await client.deploy(new URL('./fixtures/counting-job.ts', import.meta.url));
}, 60_000);

afterAll(() => grid.stop());

let named = 0;

/** A map of COUNT entries under a name of its own. */
async function filled(count = COUNT): Promise<string> {
  const name = `read${++named}`;
  const entries = Array.from({ length: count }, (_, key) => [key, VALUE] as const);
  await client.map(name).putAll(entries, { timeoutMs: 30_000 });
  return name;
}

/** The map is dropped when the first row was read, and another takes its name. @returns rows, or the error's code */
async function readOverDrop(name: string, rows: AsyncIterable<unknown>): Promise<number | string> {
  let count = 0;
  try {
    for await (const _ of rows) {
      if (count++ > 0) continue;
      await other.drop(name);
      await other.map(name).put('new', VALUE);
    }
    return count;
  } catch (error) {
    if (GridError.is(error)) return error.code;
    throw error;
  }
}

/** A count of what there was, or that it is gone (before it was looked for, or after); never anything between. */
async function whole(outcome: Promise<number>): Promise<void> {
  const told = await outcome.catch((error: unknown) => (GridError.is(error) ? error.code : String(error)));
  expect([COUNT, 'MAP_DROPPED', 'UNKNOWN_MAP']).toContain(told);
}

describe('reading while the map is dropped', () => {
  it.each<[string, (name: string) => AsyncIterable<unknown>]>([
    ['SELECT', (name) => client.sql(`SELECT * FROM ${name}`)],
    ['SELECT of one column', (name) => client.sql(`SELECT n, text FROM ${name} WHERE n > 0`)],
    ['batches()', (name) => client.sql(`SELECT __key, text FROM ${name}`).batches()],
    ['keys()', (name) => client.map(name).keys()],
    ['entries()', (name) => client.map(name).entries()],
  ])(
    '%s gives all rows of its snapshot, or MAP_DROPPED',
    async (what, rowsOf) => {
      const name = await filled();
      const outcome = await readOverDrop(name, rowsOf(name));
      if (what === 'batches()') expect(outcome).toBe('MAP_DROPPED');
      else expect([COUNT, 'MAP_DROPPED']).toContain(outcome);
      expect(await client.map(name).size()).toBe(1);
    },
    60_000,
  );

  it('count(*) is the whole or MAP_DROPPED', async () => {
    for (let round = 0; round < 5; round++) {
      const name = await filled();
      await client.sql(`SELECT count(*) AS c FROM ${name}`).all();
      const count = client.sql<{ c: number }>(`SELECT count(*) AS c FROM ${name} WHERE n + round(n) > $1`, [round - 9]);
      const counted = whole(count.first().then((row) => row!.c));
      await other.drop(name);
      await counted;
    }
  }, 60_000);

  it('a job reads the whole or ends with MAP_DROPPED', async () => {
    const name = await filled();
    const started = Promise.withResolvers<void>();
    const counted = whole(client.run(jobs.countSlowly, { map: name, ms: 2 }, { onProgress: () => started.resolve() }));
    await started.promise;
    await other.drop(name);
    await counted;
  }, 60_000);

  it('processWhere and statements that change rows do all of it or say that the map is gone', async () => {
    for (const change of ['process', 'update', 'delete', 'clear'] as const) {
      const name = await filled(20_000);
      const map = client.map<{ n: number }>(name);
      const changes = {
        process: () => map.processWhere('n > $1', [0], ready.increment, { path: 'n', by: 1 }).then((r) => r.affected),
        update: () =>
          client
            .sql(`UPDATE ${name} SET n = n + 1`)
            .execute()
            .then((r) => r.affected),
        delete: () =>
          client
            .sql(`DELETE FROM ${name} WHERE n > 0`)
            .execute()
            .then((r) => r.affected),
        clear: () => map.clear().then(() => 20_000),
      };
      const changing = changes[change]().catch((error: unknown) => (GridError.is(error) ? error.code : error));
      await other.drop(name);
      expect([20_000, 'MAP_DROPPED', 'UNKNOWN_MAP', 'PARTIAL', 'PARTIAL_COMMIT', 'LOG_FULL']).toContain(await changing);
      await other.map(name).put(1, VALUE);
      expect(await map.getAll([1, 2])).toEqual([VALUE, undefined]);
    }
  }, 60_000);

  it('size() and maps() count a map or leave it out, and never half of it', async () => {
    for (let round = 0; round < 20; round++) {
      const name = await filled(2000);
      const sizes = Promise.all(
        Array.from({ length: 8 }, () =>
          client
            .map(name)
            .size()
            .catch(() => 0),
        ),
      );
      const [listed] = await Promise.all([client.maps(), other.drop(name)]);
      expect(new Set([...(await sizes), 0, 2000])).toEqual(new Set([0, 2000]));
      expect([undefined, 2000]).toContain(listed.find((map) => map.name === name)?.entries);
    }
  }, 60_000);
});
