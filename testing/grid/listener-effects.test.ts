/** Listeners of real members whose threads end, whose members stall and come back: one effect for every event. */
import type { EntryEvent, GridKey } from '@ashlar/api';
import { type Grid, GridError } from '@ashlar/client';
import { connectMember } from '@ashlar/transport';
import { encodeKey, type Key, partitionOf } from '../../packages/serialization/src/index.ts';
import { Causes, Effects } from './fixtures/effects.ts';
import { acceptLosses, RestartableGrid } from './support/restartable-grid.ts';

const KEYS = Array.from({ length: 300 }, (_, key) => key);
/** Longer than a member waits for the answer to a delivery. */
const STALL_MS = 6000;

const MODULE = new URL('./fixtures/effects.ts', import.meta.url);
const LIMITS = { limits: { wallMs: 20_000 } };
const PARTITIONS = 16;

let grid: RestartableGrid;
let client: Grid;

beforeAll(async () => {
  const settings = { 'cluster.partitionCount': PARTITIONS, 'workers.userThreads': 1, 'log.level': 'warn' };
  grid = await RestartableGrid.start({ settings });
  client = await grid.connect();
  await client.map(Causes).size();
  await client.deploy(MODULE, LIMITS);
}, 60_000);

afterAll(() => grid.stop());

/** Counts what becomes of the effects: an effect that came twice is an update. stop() waits until it has heard of so many. */
async function watched(): Promise<{ stop(events?: number): Promise<Record<string, number>> }> {
  const ready = Promise.withResolvers<void>();
  const counts: Record<string, number> = {};
  const events = client.map(Effects).subscribe({ onReady: () => ready.resolve() });
  const reading = (async () => {
    for await (const { type } of events as AsyncIterable<EntryEvent<GridKey, unknown>>) {
      counts[type] = (counts[type] ?? 0) + 1;
    }
  })();
  await ready.promise;
  reading.catch(() => undefined);
  return {
    stop: async (wanted = 0) => {
      await until(async () => Object.values(counts).reduce((sum, count) => sum + count, 0) >= wanted);
      await events.return!();
      await reading.catch((error: unknown) => {
        if (!GridError.is(error, 'SEQUENCE_GONE') && !GridError.is(error, 'PARTITION_LOST')) throw error;
      });
      return counts;
    },
  };
}

/** Whether a key lies on a member. */
async function partitionsOf(address: string): Promise<(key: GridKey) => boolean> {
  const connection = connectMember(address);
  const { owners, members } = await connection.admin.getTable(undefined);
  connection.close();
  const index = members.findIndex((member) => member.address === address);
  return (key) => {
    const bytes = encodeKey(key as Key);
    return owners[partitionOf(bytes, 0, bytes.length, 0, PARTITIONS)]![0] === index;
  };
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function undelivered(): Promise<number> {
  const figures = await Promise.all([0, 1].map((at) => grid.member(at).metric('ashlar_listener_undelivered_writes')));
  return figures.reduce((sum: number, figure) => sum + (figure ?? 0), 0);
}

async function lag(): Promise<number> {
  const figures = await Promise.all([0, 1].map((at) => grid.member(at).metric('ashlar_listener_lag_records')));
  return figures.reduce((sum: number, figure) => sum + (figure ?? 0), 0);
}

describe('the effects of a listener', () => {
  it('come once for every event, though its threads end now and then', async () => {
    const causes = client.map(Causes);
    const seen = await watched();
    for (let n = 0; n < 10; n++) await Promise.all(KEYS.map((key) => causes.put(key, { n })));
    const events = 10 * KEYS.length;
    await until(async () => (await client.map(Effects).size()) >= 2 * events);
    await until(async () => (await undelivered()) === 0);
    expect(await client.map(Effects).size()).toBe(2 * events);
    expect(await seen.stop(2 * events)).toEqual({ insert: 2 * events });
  }, 120_000);

  it('come once where a member stalls, and what was sent to it in vain arrives after all', async () => {
    const causes = client.map(Causes);
    const before = await client.map(Effects).size();
    const seen = await watched();
    // Those whose answers come while one member stands still.
    const stalled = grid.member(1).child;
    await Promise.all(KEYS.map((key) => causes.put(key, { n: 100 })));
    stalled.kill('SIGSTOP');
    const puts = KEYS.map((key) => causes.put(key, { n: 101 }));
    await new Promise((resolve) => setTimeout(resolve, STALL_MS));
    stalled.kill('SIGCONT');
    const done = (await Promise.allSettled(puts)).filter(({ status }) => status === 'fulfilled').length;
    expect(done).toBeGreaterThan(0);
    await until(async () => (await client.map(Effects).size()) >= before + 2 * (KEYS.length + done));
    await until(async () => (await lag()) + (await undelivered()) === 0);
    const counts = await seen.stop((await client.map(Effects).size()) - before);
    expect(Object.keys(counts)).toEqual(['insert']);
    // A put whose outcome nobody knows has its effects or has none.
    expect(counts['insert']! % 2).toBe(0);
  }, 120_000);

  it('come once where its module is deployed again while it writes, however often', async () => {
    const causes = client.map(Causes);
    const before = await client.map(Effects).size();
    const seen = await watched();
    let isWriting = true;
    const deploying = (async () => {
      while (isWriting) await client.deploy(MODULE, LIMITS);
    })();
    for (let n = 0; n < 5; n++) await Promise.all(KEYS.map((key) => causes.put(key, { n: 150 + n })));
    isWriting = false;
    await deploying;
    const effects = 2 * 5 * KEYS.length;
    await until(async () => (await client.map(Effects).size()) >= before + effects);
    await until(async () => (await lag()) + (await undelivered()) === 0);
    expect(await seen.stop(effects)).toEqual({ insert: effects });
  }, 120_000);

  it('are void in a map that is dropped meanwhile, and come once in the one that has the name then', async () => {
    const causes = client.map(Causes);
    const writing = (async () => {
      for (let n = 0; n < 5; n++) await Promise.all(KEYS.map((key) => causes.put(key, { n: 160 + n })));
    })();
    for (let drops = 0; drops < 3; drops++) await client.drop(Effects.name);
    await writing;
    await until(async () => (await lag()) + (await undelivered()) === 0);
    const before = await client.map(Effects).size();
    const seen = await watched();
    await Promise.all(KEYS.map((key) => causes.put(key, { n: 170 })));
    await until(async () => (await client.map(Effects).size()) >= before + 2 * KEYS.length);
    await until(async () => (await lag()) + (await undelivered()) === 0);
    expect(await seen.stop(2 * KEYS.length)).toEqual({ insert: 2 * KEYS.length });
  }, 120_000);

  it('come once on a member that lives, where the other is killed in the middle of their writing', async () => {
    const causes = client.map(Causes);
    const seen = await watched();
    const before = await client.map(Effects).size();
    const isHere = await partitionsOf(grid.member(0).address);
    let isKilled = false;
    const writing = (async () => {
      // Until the member that is killed is missed, and a round more.
      for (let n = 180, rounds = 0; rounds < 2; n++) {
        await Promise.allSettled(KEYS.map((key) => causes.put(key, { n }, { timeoutMs: 5000 })));
        if (isKilled) rounds += 1;
      }
    })();
    await until(async () => (await client.map(Effects).size()) > before + KEYS.length);
    await grid.member(1).end('SIGKILL');
    isKilled = true;
    await writing;
    await grid.startOne(1);
    await acceptLosses(client);
    await until(async () => (await lag()) + (await undelivered()) === 0);
    // A subscription ends with the log of the member that is gone: what it brought until then came once.
    const counts = await seen.stop();
    expect(Object.keys(counts).filter((type) => type !== 'insert')).toEqual([]);
    expect(counts['insert']).toBeGreaterThan(0);
    const keys = KEYS.filter((key) => isHere(key));
    const entries = await Promise.all(keys.map((key) => causes.getEntry(key)));
    const effects = keys.flatMap((key, at) => [0, 1].map((copy) => [key, entries[at]!.version, copy] as const));
    const there = effects.filter((effect) => isHere(effect));
    const values = await client.map(Effects).getAll(there);
    expect(there.length).toBeGreaterThan(0);
    expect(values).toEqual(there.map(([key]) => entries[keys.indexOf(key)]!.value.n));
  }, 120_000);

  it('go on after a member came back, which has nothing of the time before', async () => {
    const causes = client.map(Causes);
    await grid.member(1).end('SIGKILL');
    await grid.startOne(1);
    await acceptLosses(client);
    const isBack = async (): Promise<boolean> => {
      const puts = await Promise.allSettled(KEYS.map((key) => causes.put(key, { n: 199 })));
      return puts.every(({ status }) => status === 'fulfilled');
    };
    await until(isBack);
    const version = async (key: number): Promise<number> => (await causes.getEntry(key))!.version;
    await Promise.all(KEYS.map((key) => causes.put(key, { n: 200 })));
    for (const key of KEYS) {
      const effect = [key, await version(key), 0] as const;
      await until(async () => (await client.map(Effects).get(effect)) === 200);
    }
    await until(async () => (await lag()) + (await undelivered()) === 0);
  }, 120_000);
});
