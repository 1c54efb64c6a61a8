/** Statements, and changes of the catalog, while members are killed: whole and right, or an error that says what is known. */
import { type Grid, GridError } from '@ashlar/client';
import { add } from './fixtures/processors.ts';
import { ReplicatedGrid, until } from './support/replicated-grid.ts';

const LIMITS = { timeoutMs: 20_000 };
const ROWS = 2000;

let grid: ReplicatedGrid;
let client: Grid;

beforeAll(async () => {
  grid = await ReplicatedGrid.start();
  client = await grid.connect();
  await client.map<number, { n: number; side: string }>('rows').putAll(
    Array.from({ length: ROWS }, (_, key) => [key, { n: 0, side: key % 2 === 0 ? 'left' : 'right' }] as const),
    LIMITS,
  );
}, 60_000);

afterAll(() => grid.stop());

interface Sums {
  readonly count: number;
  readonly least: number;
  readonly most: number;
}

async function sums(): Promise<Sums> {
  const text = 'SELECT count(*) AS count, min(n) AS least, max(n) AS most FROM rows';
  const [row] = await client.sql<Sums>(text, [], LIMITS).all();
  return row!;
}

describe('statements', () => {
  it('that read give all rows, in whichever moment a member is killed', async () => {
    let isOver = false;
    let runs = 0;
    const reading = Array.from({ length: 4 }, async (_, reader) => {
      for (; !isOver; runs++) {
        if (reader % 2 === 0) expect(await sums()).toEqual({ count: ROWS, least: 0, most: 0 });
        else {
          const rows = await client.sql('SELECT __key, n FROM rows WHERE side = $1', ['left'], LIMITS).all();
          expect(rows).toHaveLength(ROWS / 2);
        }
        expect(await client.sql('SELECT n FROM rows WHERE __key = $1', [runs % ROWS], LIMITS).all()).toEqual([
          { n: 0 },
        ]);
      }
    });
    const untilRuns = (count: number): Promise<unknown> =>
      Promise.race([until(() => runs >= count), Promise.all(reading)]);
    await untilRuns(10);
    await grid.kill(1);
    await untilRuns(runs + 40);
    await grid.back(1);
    await grid.kill(2);
    await untilRuns(runs + 40);
    isOver = true;
    await Promise.all(reading);
    await grid.back(2);
  }, 180_000);

  it('that change are done once, or not at all, or say that it is not known, or in part', async () => {
    let isOver = false;
    let done = 0;
    let unknown = 0;
    const changing = (async () => {
      while (!isOver) {
        try {
          const { affected } = await client.sql('UPDATE rows SET n = n + 1', [], LIMITS).execute();
          expect(affected).toBe(ROWS);
          done += 1;
        } catch (error) {
          if (!GridError.is(error, 'OUTCOME_UNKNOWN') && !GridError.is(error, 'PARTIAL_COMMIT')) throw error;
          unknown += 1;
        }
      }
    })();
    const untilDone = (count: number): Promise<unknown> => Promise.race([until(() => done >= count), changing]);
    await untilDone(3);
    await grid.kill(1);
    await untilDone(done + 5);
    await grid.back(1);
    await grid.kill(2);
    await untilDone(done + 5);
    isOver = true;
    await changing;
    const { count, least, most } = await sums();
    expect(count).toBe(ROWS);
    expect(least).toBeGreaterThanOrEqual(done);
    expect(most).toBeLessThanOrEqual(done + unknown);
    await grid.back(2);
  }, 180_000);
});

describe('the catalog', () => {
  it('changes while a member is gone, and is everybody’s when it is back and another one goes', async () => {
    await grid.kill(2);
    const made = client.map<number, { n: number }>('made_meanwhile');
    await made.putAll(
      Array.from({ length: 200 }, (_, key) => [key, { n: key }] as const),
      LIMITS,
    );
    expect(await client.drop('never_there', LIMITS)).toBe(false);
    await client.deploy(new URL('./fixtures/processors.ts', import.meta.url), LIMITS);
    expect(await made.process(7, add, { by: 1 }, LIMITS)).toBe(8);
    await grid.back(2);
    await grid.kill(1);
    expect(await made.size(LIMITS)).toBe(200);
    expect(await made.process(7, add, { by: 1 }, LIMITS)).toBe(9);
    expect(await made.processAll([1, 2, 3], add, { by: 10 }, LIMITS)).toEqual([11, 12, 13]);
    const sum = 'SELECT sum(n) AS sum FROM made_meanwhile';
    expect(await client.sql(sum, [], LIMITS).all()).toEqual([{ sum: (199 * 200) / 2 + 32 }]);
    expect(await client.drop('made_meanwhile', LIMITS)).toBe(true);
    await grid.back(1);
    await grid.kill(2);
    expect(await made.size(LIMITS)).toBe(0);
    await made.put(1, { n: 1 }, LIMITS);
    expect(await made.size(LIMITS)).toBe(1);
    await grid.back(2);
  }, 180_000);
});
