import { setTimeout as sleep } from 'node:timers/promises';
import type { EntryEvent, GridKey } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import { Born, Copies, type Order, Orders, Tallies, tally, Unborn } from './fixtures/listeners.ts';
import { Drafts, Rewritten } from './fixtures/rewrite-one.ts';
import { Survivors, Troubled } from './fixtures/troubled.ts';
import { TestGrid } from './support/grid.ts';

/** Calls that a listener makes may be repeated after a failure: a busy machine must not look like one. */
const PATIENT = { wallMs: 20_000 };
const WALL_MS = 400;

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  // One thread a pool: calls from listeners could starve each other if they shared one.
  grid = await TestGrid.start({ settings: { 'workers.userThreads': 1 } });
  client = await grid.connect();
  await client.deploy(fixture('listeners.ts'), { limits: PATIENT });
  await client.deploy(fixture('troubled.ts'), { limits: { wallMs: WALL_MS, heapBytes: 16 << 20 } });
});

afterAll(() => grid.stop());

function fixture(file: string): URL {
  return new URL(`./fixtures/${file}`, import.meta.url);
}

describe('a listener', () => {
  it('that was deployed before its map exists sees the first put', async () => {
    await client.map(Unborn).put('first', 1);
    await untilSize('born', 1);
    expect(await client.map(Born).get('first')).toBe(1);
  });

  it('writes to another map once for every event, with all workers busy on both members', async () => {
    const copied = countTypes('copies');
    await copied.ready;
    const orders = client.map(Orders);
    const keys = Array.from({ length: 2_000 }, (_, index) => index);
    const amountOf = (key: number): Order => ({ amount: key % 7 });
    await orders.putAll(keys.map((key) => [key, amountOf(key)] as const));
    const others = Promise.all(
      keys.slice(0, 500).map((key) => client.map(Tallies).process(key % 50, tally, { amount: 1 })),
    );
    await Promise.all(keys.map((key) => orders.put(key, { amount: 1 })));
    await Promise.all(keys.slice(0, 500).map((key) => orders.remove(key)));
    await others;
    const events = 2 * keys.length + 500;
    await untilSize('copies', events);
    await sleep(200);
    expect(await client.map(Copies).size()).toBe(events);
    expect(await copied.stop()).toEqual({ insert: events });
    const types = await client.sql<{ type: string; n: number | bigint }>`
      SELECT type, count(*) AS n FROM copies GROUP BY type ORDER BY type`.all();
    expect(types.map(({ type, n }) => [type, Number(n)])).toEqual([
      ['insert', keys.length],
      ['remove', 500],
      ['update', keys.length],
    ]);
  });

  it('keeps state through processors on the keys of both members', async () => {
    const events = 2 * 2_000 + 500 + 500;
    const total = async (): Promise<{ events: number; amount: number }> => {
      const values = await client.map(Tallies).getAll(Array.from({ length: 50 }, (_, key) => key));
      const sum = { events: 0, amount: 0 };
      for (const value of values) {
        sum.events += value?.events ?? 0;
        sum.amount += value?.amount ?? 0;
      }
      return sum;
    };
    await until(async () => (await total()).events >= events);
    await sleep(200);
    const amounts = Array.from({ length: 2_000 }, (_, key) => key % 7).reduce((sum, amount) => sum + amount, 0);
    expect(await total()).toEqual({ events, amount: amounts + 2_000 + 500 });
  });
});

describe('a listener that is deployed again', () => {
  it('goes on where the old one stopped: nothing is lost, nothing comes twice', async () => {
    const drafts = client.map(Drafts);
    const written = countTypes('rewritten');
    await written.ready;
    await client.deploy(fixture('rewrite-one.ts'), { name: 'rewrite', limits: PATIENT });
    let next = 0;
    const put = async (count: number): Promise<void> => {
      for (const end = next + count; next < end; ) {
        await Promise.all(Array.from({ length: 20 }, () => drafts.put(next, next++)));
      }
    };
    await put(500);
    await Promise.all([put(1_000), client.deploy(fixture('rewrite-two.ts'), { name: 'rewrite', limits: PATIENT })]);
    const deployedAt = next;
    await put(500);
    await untilSize('rewritten', next);
    expect(await written.stop()).toEqual({ insert: next });
    const keys = Array.from({ length: 500 }, (_, index) => deployedAt + index);
    expect(new Set(await client.map(Rewritten).getAll(keys))).toEqual(new Set(['two']));
    expect(await client.map(Rewritten).get(0)).toBe('one');
  });

  it('stops when its module is taken away', async () => {
    const before = await client.map(Rewritten).size();
    await client.undeploy('rewrite');
    await client.map(Drafts).put(-1, 1);
    await sleep(200);
    expect(await client.map(Rewritten).size()).toBe(before);
  });
});

describe('a listener that throws, loops for ever, fills its heap or writes more than a value may have', () => {
  it('holds up nobody else, loses none of the other events, and the member tells of it in its log', async () => {
    const map = client.map(Troubled);
    const harms = ['throw', 'loop', 'heap', 'large'] as const;
    const log = () => grid.members.flatMap((member) => member.log).filter((line) => line.includes('passed over'));
    await Promise.all(harms.map((act) => map.put(act, { act })));
    await sleep(50);
    const keys = Array.from({ length: 300 }, (_, index) => `k${index}`);
    await map.putAll(keys.map((key) => [key, { act: 'copy' }] as const));
    const copiedBefore = await client.map(Copies).size();
    await client.map(Orders).put(9_999, { amount: 1 });
    await until(async () => (await client.map(Copies).size()) > copiedBefore);
    await until(async () => (await client.map(Survivors).getAll(keys)).filter((one) => one === undefined).length <= 20);
    // After so many tries such an event is passed over: what is behind it in its partition comes then.
    await until(async () => (await client.map(Survivors).getAll(keys)).every((one) => one === 'copied'));
    await until(async () => log().length >= harms.length);
    const causes = ['RangeError: no such order', 'USER_CODE_TIMEOUT', 'USER_CODE_OUT_OF_MEMORY', 'VALUE_TOO_LARGE'];
    for (const cause of causes) expect(log().some((line) => line.includes(cause))).toBe(true);
    expect(await client.map(Survivors).getAll(harms)).toEqual(harms.map(() => undefined));
    expect(await map.getAll(harms)).toEqual(harms.map((act) => ({ act })));
    expect(grid.members.map((member) => member.hasEnded)).toEqual([false, false]);
  });
});

/** Counts the events of a map by their type until it is told to stop. */
function countTypes(map: string): { readonly ready: Promise<void>; stop(): Promise<Record<string, number>> } {
  const ready = Promise.withResolvers<void>();
  const counts: Record<string, number> = {};
  const events = client.map(map).subscribe({ onReady: () => ready.resolve() });
  const reading = (async () => {
    for await (const { type } of events as AsyncIterable<EntryEvent<GridKey, unknown>>) {
      counts[type] = (counts[type] ?? 0) + 1;
    }
  })();
  const stop = async (): Promise<Record<string, number>> => {
    await sleep(200);
    await events.return!();
    await reading;
    return counts;
  };
  return { ready: ready.promise, stop };
}

async function untilSize(map: string, size: number): Promise<void> {
  await until(async () => (await client.map(map).size()) >= size);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(20);
}
