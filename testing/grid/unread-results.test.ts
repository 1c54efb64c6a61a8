/** Results that nobody reads, jobs that hoard: what a member holds for them is bounded, counted, and given back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Grid, GridError } from '@ashlar/client';
import * as jobs from './fixtures/heavy-jobs.ts';
import { TestGrid } from './support/grid.ts';

const MIB = 1 << 20;
const ROWS = 20_000;
const ROW_BYTES = 1000;
const BOUND_MIB = 32;
/** How many results are left unread. */
const UNREAD = 24;
const WHOLE = 'SELECT n, fill FROM rows';

/** Longer than any test: what is given up is so for want of memory. */
const NEVER_MS = 600_000;
/** What is not read for so long is given up, where a test waits for that. */
const AGE_MS = 2500;
const TIMEOUT_MS = 180_000;

let grid: TestGrid;
let client: Grid;

afterAll(() => grid.stop());

async function start(snapshotMaxAgeMs: number): Promise<void> {
  const settings = {
    'cluster.partitionCount': 32,
    'memory.statementsMaxBytes': `${BOUND_MIB}MiB`,
    'memory.queryMaxBytes': `${BOUND_MIB}MiB`,
    'limits.snapshotMaxAgeMs': `${snapshotMaxAgeMs}ms`,
  };
  await grid?.stop();
  grid = await TestGrid.start({ members: 2, settings });
  client = await grid.connect({ sqlTimeoutMs: TIMEOUT_MS });
  const rows = client.map('rows');
  const fill = 'x'.repeat(ROW_BYTES);
  for (let at = 0; at < ROWS; at += 2000) {
    await rows.putAll(Array.from({ length: 2000 }, (_, n) => [at + n, { n: at + n, fill }] as const));
  }
  await client.deploy(new URL('./fixtures/heavy-jobs.ts', import.meta.url));
}

const heldBytes = async (): Promise<number[]> =>
  Promise.all(grid.members.map(async (member) => (await member.metric('ashlar_query_memory_bytes'))!));

async function untilNothingIsHeld(): Promise<void> {
  for (;;) {
    const snapshots = await Promise.all(grid.members.map((member) => member.metric('ashlar_snapshots_open')));
    const held = [...(await heldBytes()), ...snapshots];
    if (held.every((amount) => amount === 0)) return;
    await sleep(20);
  }
}

/** Where nobody reads nobody works, once as much is made as may be unread. */
async function untilNoThreadIsBusy(): Promise<void> {
  for (const member of grid.members) {
    while ((await member.metric('ashlar_pool_busy', { pool: 'query' })) !== 0) await sleep(20);
  }
}

async function rest(iterator: AsyncIterator<unknown>): Promise<number> {
  let count = 0;
  while ((await iterator.next()).done !== true) count += 1;
  return count;
}

describe('results of which one row is read', () => {
  beforeAll(() => start(NEVER_MS), TIMEOUT_MS);

  it.each<[string, () => AsyncIterator<unknown>]>([
    ['SELECT', () => client.sql(WHOLE)[Symbol.asyncIterator]()],
    ['entries()', () => client.map('rows').entries()],
  ])(
    '%s: take a window each, and come whole when they are read on',
    async (_, open) => {
      const iterators = Array.from({ length: UNREAD }, open);
      for (const iterator of iterators) expect((await iterator.next()).done).not.toBe(true);
      for (const bytes of await heldBytes()) {
        expect(bytes).toBeGreaterThan(0);
        expect(bytes).toBeLessThan((BOUND_MIB + 4) * MIB);
      }
      const counts = await Promise.all(iterators.map(rest));
      expect(counts).toEqual(iterators.map(() => ROWS - 1));
      await untilNothingIsHeld();
    },
    TIMEOUT_MS,
  );

  it(
    'of which none is read: others run beside them, and no thread is held',
    async () => {
      const iterators = Array.from({ length: UNREAD }, () => client.sql(WHOLE)[Symbol.asyncIterator]());
      for (const iterator of iterators) await iterator.next();
      expect(await client.sql('SELECT count(*) AS n, sum(n) AS s FROM rows').all()).toEqual([
        { n: ROWS, s: (ROWS * (ROWS - 1)) / 2 },
      ]);
      await untilNoThreadIsBusy();
      expect(Math.min(...(await heldBytes()))).toBeGreaterThan(0);
      await Promise.all(iterators.map((iterator) => iterator.return?.(undefined)));
      await untilNothingIsHeld();
    },
    TIMEOUT_MS,
  );
});

describe('results that are not read for limits.snapshotMaxAgeMs', () => {
  beforeAll(() => start(AGE_MS), TIMEOUT_MS);

  it(
    'are given up, and tell their reader',
    async () => {
      const sorted = client.sql(`${WHOLE} WHERE n < 15000 ORDER BY n DESC`)[Symbol.asyncIterator]();
      const plain = client.sql(WHOLE)[Symbol.asyncIterator]();
      await Promise.all([sorted.next(), plain.next()]);
      await untilNothingIsHeld();
      for (const iterator of [sorted, plain]) {
        await expect(rest(iterator)).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED', retryable: true });
      }
    },
    TIMEOUT_MS,
  );

  it(
    'live as long as they are read, however slowly',
    async () => {
      const iterator = client.sql(`SELECT n, fill, '${'y'.repeat(1000)}' AS more FROM rows`)[Symbol.asyncIterator]();
      let count = 0;
      const endMs = performance.now() + 1.5 * AGE_MS;
      while ((await iterator.next()).done !== true) {
        count += 1;
        if (count % 500 === 0 && performance.now() < endMs) await sleep(300);
      }
      expect(count).toBe(ROWS);
      expect(performance.now()).toBeGreaterThan(endMs);
    },
    TIMEOUT_MS,
  );
});

describe('results that are merged', () => {
  it(
    'stay within the bound of the member: what has no room waits, takes the place of unread ones, or is refused',
    async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, async () => {
          const iterator = client.sql(`${WHOLE} WHERE n < 10000 ORDER BY n`)[Symbol.asyncIterator]();
          const first = await iterator.next().then(
            () => 'first',
            (error: GridError) => error.code,
          );
          for (const bytes of await heldBytes()) expect(bytes).toBeLessThan((BOUND_MIB + 16) * MIB);
          return { iterator, first };
        }),
      );
      for (const { first } of outcomes) expect(['first', 'OVERLOADED']).toContain(first);
      expect(outcomes.some(({ first }) => first === 'first')).toBe(true);
      const ends = await Promise.all(
        outcomes
          .filter(({ first }) => first === 'first')
          .map(({ iterator }) => rest(iterator).catch((error: GridError) => error.code)),
      );
      for (const end of ends) expect([9999, 'SNAPSHOT_EXPIRED']).toContain(end);
      await untilNothingIsHeld();
    },
    TIMEOUT_MS,
  );
});

describe('jobs', () => {
  it(
    'whose partial results have no room are refused by name; smaller ones run',
    async () => {
      const hoarding = client.run(jobs.hoard, { map: 'rows', bytes: 4 * MIB });
      await expect(hoarding).rejects.toMatchObject({ code: 'QUERY_MEMORY_EXCEEDED' });
      await untilNothingIsHeld();
      expect(await client.run(jobs.hoard, { map: 'rows', bytes: 100_000 })).toBe(32 * 100_000);
      await untilNothingIsHeld();
    },
    TIMEOUT_MS,
  );

  it(
    'keep their snapshot while they get on, and lose it when they stand still',
    async () => {
      // Its partitions take longer than the age together.
      expect(await client.run(jobs.standStill, { map: 'rows', ms: 200 })).toBe(ROWS);
      const standing = client.run(jobs.standStill, { map: 'rows', ms: 1.5 * AGE_MS }).then(
        () => 'ran',
        (error: unknown) => (GridError.is(error) ? error.code : String(error)),
      );
      expect(await standing).toBe('SNAPSHOT_EXPIRED');
    },
    TIMEOUT_MS,
  );
});
