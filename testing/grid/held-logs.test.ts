/** Large writes while listeners hold the logs: they work, in their own time, or say what to set. */
import type { Grid } from '@ashlar/client';
import { Copies, Orders } from './fixtures/listeners.ts';
import { raiseAmount } from './fixtures/raise.ts';
import { TestGrid } from './support/grid.ts';

/** A busy machine must not look like user code without end. */
const PATIENT = { wallMs: 20_000 };
const ROWS = 20_000;
const TIMEOUT = { timeoutMs: 60_000 };

let grid: TestGrid;
let client: Grid;

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function fill(name: string, rows: number, text = ''): Promise<void> {
  const entries = Array.from({ length: rows }, (_, key) => [key, { amount: key % 7, text }] as const);
  await client.map(name).putAll(entries, TIMEOUT);
}

async function countOf(name: string): Promise<number> {
  const row = await client.sql<{ n: number }>(`SELECT count(*) AS n FROM "${name}"`, [], TIMEOUT).first();
  return Number(row!.n);
}

beforeAll(async () => {
  grid = await TestGrid.start({
    members: 2,
    memory: '64MiB',
    settings: { 'cluster.partitionCount': 8, 'memory.logBytesPerPartition': '64KiB' },
  });
  client = await grid.connect();
  for (const file of ['listeners.ts', 'raise.ts']) {
    await client.deploy(new URL(`./fixtures/${file}`, import.meta.url), { limits: PATIENT });
  }
});

afterAll(() => grid.stop());

describe('with a listener on another map', () => {
  it('statements over twenty thousand rows apply, one by one', async () => {
    await fill('other', ROWS);
    await client.map(Orders).put(1, { amount: 1 });
    const affected = async (text: string): Promise<number> => (await client.sql(text, [], TIMEOUT).execute()).affected;
    expect(await affected('UPDATE other SET amount = amount + 1')).toBe(ROWS);
    expect(await affected('UPDATE other SET amount = amount + 1')).toBe(ROWS);
    const raised = await client
      .map<{ amount: number; text: string }>('other')
      .processWhere('amount > 0', [], raiseAmount, { by: 1 }, TIMEOUT);
    expect(raised.affected).toBe(ROWS);
    const sum = await client.sql<{ s: number }>('SELECT sum(amount) AS s FROM other', [], TIMEOUT).first();
    const opening = Array.from({ length: ROWS }, (_, key) => key % 7).reduce((total, amount) => total + amount, 0);
    expect(Number(sum!.s)).toBe(opening + 3 * ROWS);
    expect(await affected('DELETE FROM other WHERE amount > 5')).toBeGreaterThan(ROWS / 2);
    await client.map('other').clear(TIMEOUT);
    expect(await countOf('other')).toBe(0);
    await fill('other', ROWS);
    await client.map('other').clear(TIMEOUT);
    expect(await client.map('other').size()).toBe(0);
  }, 120_000);

  it('one INSERT of many rows and one putAll of large values apply', async () => {
    const values = Array.from({ length: 2000 }, (_, key) => `(${key}, '${'x'.repeat(100)}')`);
    const { affected } = await client.sql(`INSERT INTO rows (__key, t) VALUES ${values.join(', ')}`).execute();
    expect(affected).toBe(2000);
    await fill('large', 5000, 'y'.repeat(2000));
    expect(await client.map('large').size()).toBe(5000);
    await client.drop('large');
  }, 120_000);

  it('a clear of more than all logs can hold goes in pieces', async () => {
    await fill('wide', 9000, 'z'.repeat(4000));
    await client.map('wide').clear(TIMEOUT);
    expect(await client.map('wide').size()).toBe(0);
  }, 120_000);

  it('a statement of more than all logs can hold is refused at once, changes nothing, and says what to set', async () => {
    await fill('wide', 9000, 'z'.repeat(4000));
    const refused = client.sql('UPDATE wide SET amount = 9', [], TIMEOUT).execute();
    await expect(refused).rejects.toMatchObject({
      code: 'LOG_FULL',
      hint: expect.stringMatching(/fewer rows at a time.*memory\.maxBytes/),
    });
    const row = await client.sql<{ n: number }>('SELECT count(*) AS n FROM wide WHERE amount = 9').first();
    expect(Number(row!.n)).toBe(0);
    const some = await client.sql('UPDATE wide SET amount = 9 WHERE __key < 500', [], TIMEOUT).execute();
    expect(some.affected).toBe(500);
    await client.drop('wide');
  }, 120_000);
});

describe('with a listener on the same map', () => {
  it('every event of a large statement is heard, and what it writes to the logs that it holds is taken', async () => {
    await client.map(Orders).clear(TIMEOUT);
    await client.map(Orders).putAll(
      Array.from({ length: ROWS }, (_, key) => [key, { amount: 1 }] as const),
      TIMEOUT,
    );
    await until(async () => (await countOf('copies')) >= ROWS);
    const before = await countOf('copies');
    const { affected } = await client.sql('UPDATE orders SET amount = 2', [], TIMEOUT).execute();
    expect(affected).toBe(ROWS);
    await until(async () => (await countOf('copies')) >= before + ROWS);
    const twos = await client.sql<{ n: number }>('SELECT count(*) AS n FROM copies WHERE amount = 2').first();
    expect(Number(twos!.n)).toBe(ROWS);
    expect(await client.map(Copies).size()).toBe(before + ROWS);
  }, 180_000);
});

describe('with a listener that does not get on', () => {
  it('a statement that lacks room says so before its time is over, changes nothing, and applies when it is gone', async () => {
    const small = await TestGrid.start({ members: 1, memory: '64MiB', settings: { 'cluster.partitionCount': 4 } });
    try {
      const own = await small.connect();
      const stuck = own.map<number>('stuck');
      await stuck.size();
      await own.deploy(new URL('./fixtures/stuck.ts', import.meta.url), { limits: { wallMs: 600_000 } });
      await stuck.putAll(Array.from({ length: 40 }, (_, key) => [key, key] as const));
      const held = own.map<{ n: number; text: string }>('held');
      await held.putAll(Array.from({ length: 1500 }, (_, key) => [key, { n: 0, text: 't'.repeat(500) }] as const));
      const update = () => own.sql('UPDATE held SET n = n + 1', [], { timeoutMs: 6000 }).execute();
      let applied = 0;
      let failure: unknown;
      while (failure === undefined) {
        await update().then(
          () => (applied += 1),
          (error: unknown) => (failure = error),
        );
      }
      expect(failure).toMatchObject({
        code: 'LOG_FULL',
        retryable: true,
        hint: expect.stringContaining('ashlar stats'),
      });
      expect(applied).toBeGreaterThan(1);
      const row = await own
        .sql<{ low: number; high: number }>('SELECT min(n) AS low, max(n) AS high FROM held')
        .first();
      expect(row).toEqual({ low: applied, high: applied });
      await own.undeploy('stuck');
      await until(async () => (await update().catch(() => undefined)) !== undefined);
    } finally {
      await small.stop();
    }
  }, 120_000);
});
