/** Writes of single entries while a listener holds the logs: they wait for it within their time, in their order. */
import { type Grid, ready } from '@ashlar/client';
import { count, Slow } from './fixtures/slow.ts';
import { TestGrid } from './support/grid.ts';

const PATIENT = { wallMs: 600_000 };
const TEXT = 't'.repeat(8000);
/** What the listener has not read may be 4 MiB. */
const SETTINGS = { 'cluster.partitionCount': 4, 'memory.logBytesPerPartition': '64KiB' };
const CALLERS = 48;
const ROUNDS = 40;

let grid: TestGrid;
let client: Grid;

beforeEach(async () => {
  grid = await TestGrid.start({ members: 1, memory: '16MiB', settings: SETTINGS });
  client = await grid.connect();
});

afterEach(() => grid.stop());

describe('beside a listener slower than its writers', () => {
  it('no verb is refused: each waits for room, and what was written is there', async () => {
    const slow = client.map(Slow);
    await slow.size();
    await client.deploy(new URL('./fixtures/slow.ts', import.meta.url), { limits: PATIENT });
    const caller = async (name: string): Promise<void> => {
      const value = (n: number) => ({ n, text: TEXT });
      const counter = `${name} counter`;
      for (let round = 0; round < ROUNDS; round++) {
        await slow.put(name, value(round));
        await slow.getAndPut(name, value(round));
        if (round % 4 === 0) await slow.replace(name, value(round));
        if (round % 4 === 1) await slow.process(counter, ready.increment, { path: 'n', by: 1 });
        if (round % 4 === 2) await slow.process(counter, count, undefined);
        if (round % 4 === 3) await slow.putAll([[`${name} other`, value(round)]]);
        if (round === 20) expect(await slow.remove(name)).toBe(true);
        if (round === 21) await client.sql`UPDATE slow SET n = n + 1 WHERE __key = ${counter}`.execute();
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(`c${index}`)));
    const { sum, n } = (await client
      .sql<{ sum: bigint; n: number }>(
        "SELECT sum(n)::bigint AS sum, count(*) AS n FROM slow WHERE __key LIKE '%counter'",
      )
      .first())!;
    expect([Number(sum), n]).toEqual([CALLERS * (ROUNDS / 2 + 1), CALLERS]);
    expect((await slow.get('c0'))!.n).toBe(ROUNDS - 1);
  }, 180_000);
});

describe('beside a listener that does not get on', () => {
  it('a write waits for its time, reads do not; LOG_FULL names the listener; when it is gone all go on in order', async () => {
    const stuck = client.map<number>('stuck');
    await stuck.size();
    await client.deploy(new URL('./fixtures/stuck.ts', import.meta.url), { limits: PATIENT });
    await stuck.putAll(Array.from({ length: 40 }, (_, key) => [key, key] as const));
    const held = client.map<{ n: number; text: string }>('held');
    const short = { timeoutMs: 1000 };
    const put = (n: number, call: { timeoutMs: number }) => held.put('key', { n, text: TEXT }, call);
    await put(0, short);
    let failure: unknown;
    for (let n = 0; failure === undefined; n++) await put(n, short).catch((error: unknown) => (failure = error));
    expect(failure).toMatchObject({
      code: 'LOG_FULL',
      retryable: true,
      details: { listener: 'stuck.waits' },
      message: expect.stringContaining('stuck.waits'),
      hint: expect.stringMatching(/ashlar stats.*memory\.maxBytes/),
    });
    const long = { timeoutMs: 60_000 };
    const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
    const first = put(1000, long);
    await turn();
    const increment = held.process('key', ready.increment, { path: 'n', by: 1 }, long);
    await turn();
    const replaced = held.getAndPut('key', { n: 2000, text: TEXT }, long);
    const read = held.get('key', long);
    await turn();
    const last = held.putAll([['key', { n: 3000, text: TEXT }]], long);
    const early = put(5, short);
    expect(await held.get('absent')).toBeUndefined();
    expect(await (await grid.connect()).map('held').has('key')).toBe(true);
    await expect(early).rejects.toMatchObject({ code: 'LOG_FULL' });
    await client.undeploy('stuck');
    expect(await Promise.all([first, increment, replaced, read, last])).toMatchObject([
      undefined,
      1001,
      { n: 1001 },
      { n: 2000 },
      undefined,
    ]);
    expect(await held.get('key')).toMatchObject({ n: 3000 });
  }, 120_000);

  it('a member that stops does not wait for what waits', async () => {
    const stuck = client.map<number>('stuck');
    await stuck.size();
    await client.deploy(new URL('./fixtures/stuck.ts', import.meta.url), { limits: PATIENT });
    await stuck.putAll(Array.from({ length: 40 }, (_, key) => [key, key] as const));
    const held = client.map<string>('held');
    const short = { timeoutMs: 500 };
    let failure: unknown;
    while (failure === undefined) await held.put('key', TEXT, short).catch((error: unknown) => (failure = error));
    const waiting = Array.from({ length: 20 }, () => held.put('key', TEXT, { timeoutMs: 600_000 }));
    const ended = Promise.allSettled(waiting);
    await held.get('absent');
    const { elapsedMs } = await grid.members[0]!.end('SIGTERM');
    await client.close();
    expect((await ended).every(({ status }) => status === 'rejected')).toBe(true);
    // Calls under way are given five seconds.
    expect(elapsedMs).toBeLessThan(4500);
  }, 60_000);
});
