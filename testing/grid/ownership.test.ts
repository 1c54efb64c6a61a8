/** Members that leave and come back while everything is under way: what they held is told to be lost, the rest goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Grid, GridError, type GridMap, ready } from '@ashlar/client';
import * as jobs from './fixtures/jobs.ts';
import { acceptLosses, lossesTold, RestartableGrid } from './support/restartable-grid.ts';

const JOBS = fileURLToPath(new URL('fixtures/jobs.ts', import.meta.url));
const KEYS = Array.from({ length: 60 }, (_, key) => key);
const ROUNDS = 3;
const AGAIN_MS = 5;
/** Rows that take several windows, so that a result is still being read when the table changes. */
const LONG_ROWS = 40_000;
const TEXT = 'x'.repeat(200);

type Numbers = GridMap<number, { n: number }>;

interface Tally {
  acknowledged: number;
  unknown: number;
}

/** What a call that meets a change of the table may end with. */
const REPEATABLE: ReadonlySet<string> = new Set([
  'MEMBER_UNREACHABLE',
  'SHUTTING_DOWN',
  'STALE_EPOCH',
  'LEASE_EXPIRED',
  // Until an operator has accepted it.
  'PARTITION_LOST',
]);

let grid: RestartableGrid;
let client: Grid;

beforeAll(async () => {
  grid = await RestartableGrid.start();
  client = await grid.connect();
  await client.deploy(JOBS);
});

afterAll(() => grid.stop());

/** The keys that a lost member takes with it, and those of the others. */
async function keysByMember(map: Numbers): Promise<{ readonly stays: number[]; readonly goes: number[] }> {
  await map.putAll(KEYS.map((key) => [key, { n: 0 }]));
  await grid.member(1).end('SIGKILL');
  const gets = await Promise.allSettled(KEYS.map((key) => map.get(key)));
  await grid.startOne(1);
  await acceptLosses(client);
  await untilBack(() => map.putAll(KEYS.map((key) => [key, { n: 0 }])));
  const isGone = (key: number): boolean => gets[key]!.status === 'rejected';
  return { stays: KEYS.filter((key) => !isGone(key)), goes: KEYS.filter(isGone) };
}

/** Repeats what changes nothing by being repeated, until the link to the member stands again. */
async function untilBack<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code, details } = GridError.wrap(error);
      if (!REPEATABLE.has(code) && !REPEATABLE.has(String(details?.['cause']))) throw error;
      await sleep(AGAIN_MS);
    }
  }
}

/** Adds 1 to a key, each time when the answer is there, until it is told to stop. */
async function countUp(key: number, add: (key: number) => Promise<unknown>, signal: AbortSignal): Promise<Tally> {
  const tally = { acknowledged: 0, unknown: 0 };
  while (!signal.aborted) {
    try {
      await add(key);
      tally.acknowledged += 1;
    } catch (error) {
      const { code } = GridError.wrap(error);
      if (code === 'OUTCOME_UNKNOWN') tally.unknown += 1;
      else if (!REPEATABLE.has(code)) throw error;
      // A loss is told at once: whoever asks on and on would let nobody else have a turn.
      await sleep(AGAIN_MS);
    }
  }
  return tally;
}

describe('a member that leaves and comes back under a load', () => {
  it('costs the keys of the others nothing: each change that was acknowledged is there, once', async () => {
    const map = client.map<{ n: number }>('counted') as unknown as Numbers;
    const { stays, goes } = await keysByMember(map);
    expect(Math.min(stays.length, goes.length)).toBeGreaterThan(0);
    const stop = new AbortController();
    const byProcessor = (key: number): Promise<unknown> => map.process(key, ready.increment, { path: 'n', by: 1 });
    const byStatement = (key: number): Promise<unknown> =>
      client.sql('UPDATE counted SET n = n + 1 WHERE __key = $1', [key]).execute();
    const [first, second, third] = stays as [number, number, number];
    const lost = goes[0]!;
    const loads = [
      ...[first, second].map((key) => countUp(key, byProcessor, stop.signal)),
      countUp(third, byStatement, stop.signal),
      countUp(lost, byProcessor, stop.signal),
    ];
    for (let round = 0; round < ROUNDS; round++) {
      await grid.member(1).end(round === 0 ? 'SIGTERM' : 'SIGKILL');
      await grid.startOne(1);
      await acceptLosses(client);
      await untilBack(() => map.put(lost, { n: 0 }));
    }
    stop.abort();
    const tallies = await Promise.all(loads);
    for (const [index, key] of [first, second, third].entries()) {
      const { acknowledged, unknown } = tallies[index]!;
      const { n } = (await map.get(key))!;
      expect({ key, isMissing: n < acknowledged, isTwice: n > acknowledged + unknown, acknowledged }).toEqual({
        ...{ key, isMissing: false, isTwice: false },
        acknowledged: expect.any(Number),
      });
      expect(acknowledged).toBeGreaterThan(0);
      // Its member was there all the time; that of a statement's coordinator may not have been.
      if (key !== third) expect(unknown).toBe(0);
    }
    const { acknowledged, unknown } = tallies[3]!;
    expect((await map.get(lost))?.n ?? 0).toBeLessThanOrEqual(acknowledged + unknown);
  });

  it('ends what was being read of it with an error, never with less', async () => {
    const map = client.map<{ n: number; text: string }>('read') as unknown as GridMap<
      number,
      { n: number; text: string }
    >;
    await map.putAll(Array.from({ length: LONG_ROWS }, (_, n) => [n, { n, text: TEXT }] as const));
    const rows = client.sql('SELECT n, text FROM read').batches()[Symbol.asyncIterator]();
    const entries = map.entries()[Symbol.asyncIterator]();
    let count = ((await rows.next()).value as { rowCount: number }).rowCount;
    await entries.next();
    await grid.member(1).end('SIGKILL');
    await grid.startOne(1);
    await acceptLosses(client);
    await untilBack(() => map.putAll(KEYS.map((n) => [n, { n, text: '' }] as const)));
    const rest = async (): Promise<void> => {
      for (let next = await rows.next(); next.done !== true; next = await rows.next()) count += next.value.rowCount;
    };
    const ended = {
      code: expect.stringMatching(/CONNECTION_LOST|MEMBER_UNREACHABLE|STALE_EPOCH|SNAPSHOT_EXPIRED|PARTITION_LOST/),
    };
    await expect(rest()).rejects.toMatchObject(ended);
    expect(count).toBeLessThan(LONG_ROWS);
    const more = async (): Promise<void> => {
      for (let next = await entries.next(); next.done !== true; next = await entries.next());
    };
    await expect(more()).rejects.toMatchObject(ended);
  });

  it('gives statements and jobs that begin afterwards what is there, at once', async () => {
    const map = client.map<{ balance: number; moves: number }>('held') as unknown as GridMap<
      number,
      { balance: number; moves: number }
    >;
    await map.putAll(KEYS.map((key) => [key, { balance: 1, moves: 0 }] as const));
    await grid.member(1).end('SIGKILL');
    await grid.startOne(1);
    const asked = { timeoutMs: 5000 };
    const lost = await lossesTold(client);
    await expect(client.sql('SELECT count(*) AS n FROM held', [], asked).all()).rejects.toMatchObject({
      code: 'PARTITION_LOST',
    });
    await expect(client.run(jobs.total, { map: 'held' }, asked)).rejects.toMatchObject({ code: 'PARTITION_LOST' });
    expect(await acceptLosses(client)).toEqual(lost);
    await untilBack(() => map.putAll(KEYS.map((key) => [key, { balance: 2, moves: 0 }] as const)));
    const [row] = await client.sql<{ n: number; s: number }>('SELECT count(*) AS n, sum(balance) AS s FROM held').all();
    expect(row).toEqual({ n: KEYS.length, s: 2 * KEYS.length });
    expect(await client.run(jobs.total, { map: 'held' })).toMatchObject({
      count: KEYS.length,
      balance: 2 * KEYS.length,
    });
    expect(await map.size()).toBe(KEYS.length);
    const { affected } = await map.processWhere('balance = $1', [2], ready.increment, { path: 'moves', by: 1 });
    expect(affected).toBe(KEYS.length);
  });

  it('ends a subscription whose events it took with it by name, and none silently', async () => {
    const map = client.map<{ n: number }>('told') as unknown as Numbers;
    await map.putAll(KEYS.map((key) => [key, { n: 0 }]));
    const standing = Promise.withResolvers<void>();
    const events = map.subscribe({ onReady: standing.resolve });
    const told: number[] = [];
    const reading = (async () => {
      for await (const { value } of events) told.push(value!.n);
    })();
    reading.catch(() => undefined);
    await standing.promise;
    await map.put(KEYS[0]!, { n: 1 });
    await grid.member(1).end('SIGKILL');
    await grid.startOne(1);
    await lossesTold(client);
    await expect(reading).rejects.toMatchObject({ code: 'PARTITION_LOST' });
    await acceptLosses(client);
    await untilBack(() => map.putAll(KEYS.map((key) => [key, { n: 2 }])));
  });
});
