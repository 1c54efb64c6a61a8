import { setTimeout as sleep } from 'node:timers/promises';
import { type EntryEvent, type GridKey, type GridMap, ready } from '@ashlar/api';
import { connect, type Grid } from '@ashlar/client';
import { EventLog } from './support/event-log.ts';
import { memberFlags, TestGrid } from './support/grid.ts';
import { MemberProcess } from './support/member-process.ts';
import { freePort, TcpProxy } from './support/tcp-proxy.ts';

interface Counter {
  readonly n: number;
}

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start();
  client = await grid.connect();
});

afterAll(() => grid.stop());

/** Long enough that what is not there by then does not come. */
const QUIET_MS = 150;

/** The number of each event of each key, in the order of the events. */
function numbersByKey(events: readonly EntryEvent<GridKey, Counter>[]): Map<GridKey, number[]> {
  const numbers = new Map<GridKey, number[]>();
  for (const { key, value } of events) numbers.set(key, [...(numbers.get(key) ?? []), value!.n]);
  return numbers;
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

function step(map: GridMap<GridKey, unknown>, key: GridKey): Promise<number> {
  return map.process(key, ready.increment, { path: 'n', by: 1 });
}

describe('a subscription', () => {
  it('to a map that does not exist yet sees its first put', async () => {
    const map = client.map<string>('unborn');
    const log = await EventLog.open(map);
    await map.put('k', 'first');
    const [event] = await log.until(1);
    expect(event).toMatchObject({ type: 'insert', map: 'unborn', key: 'k', value: 'first' });
    await log.stop();
  });

  it('tells what happened, with old and new value, version and token', async () => {
    const map = client.map<Counter>('kinds');
    const log = await EventLog.open(map);
    await map.put('k', { n: 1 });
    await map.put('k', { n: 2 });
    await map.remove('k');
    await map.put('k', { n: 3 }, { ttlMs: 50 });
    const events = await log.until(5);
    expect(events.map(({ type, value, oldValue }) => [type, oldValue, value])).toEqual([
      ['insert', undefined, { n: 1 }],
      ['update', { n: 1 }, { n: 2 }],
      ['remove', { n: 2 }, undefined],
      ['insert', undefined, { n: 3 }],
      ['expire', { n: 3 }, undefined],
    ]);
    const versions = events.map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(5);
    for (const { token } of events) expect(token).toMatch(/^[\w-]+$/);
    await log.stop();
  });

  it('brings the events of a key in their order, each once, while many write it at once', async () => {
    const map = client.map('order');
    const log = await EventLog.open(map as GridMap<GridKey, Counter>);
    const keys = upTo(20);
    const others = await Promise.all([grid.connect(), grid.connect()]);
    const maps = [map, ...others.map((other) => other.map('order'))];
    await Promise.all(
      maps.flatMap((one) => Array.from({ length: 20 }, () => keys.map((key) => step(one, key))).flat()),
    );
    const events = await log.until(keys.length * 60);
    await sleep(QUIET_MS);
    for (const { value, oldValue } of events) expect(oldValue?.n ?? 0).toBe(value!.n - 1);
    expect(numbersByKey(events)).toEqual(new Map([...numbersByKey(events).keys()].map((key) => [key, upTo(60)])));
    expect(await log.stop()).toHaveLength(keys.length * 60);
  });

  it('brings only what meets its condition, on paths of any depth, and the types it asked for', async () => {
    const map = client.map<unknown>('filtered');
    await map.put('seed', { owner: { id: 0 }, balance: 0 });
    const where = { where: 'owner.id = $1 AND balance < $2', params: [7, 10] };
    const logs = await Promise.all([
      EventLog.open(map, where),
      EventLog.open(map, { ...where, types: ['remove'] }),
      EventLog.open(map, { types: ['insert'] }),
      EventLog.open(map, { where: `tags[0] = 'x'` }),
    ]);
    await map.put('a', { owner: { id: 7 }, balance: 5 });
    await map.put('b', { owner: { id: 8 }, balance: 5 });
    await map.put('a', { owner: { id: 7 }, balance: 50 });
    await map.put('c', { owner: { id: 7 }, balance: 9, tags: ['x', 'y'] });
    await map.put('d', { tags: ['y'] });
    await map.put('e', 'text');
    await map.remove('a');
    await map.remove('c');
    await map.put('last', { owner: { id: 7 }, balance: 1, tags: ['x'] });
    await map.remove('last');
    await Promise.all([logs[0]!.until(5), logs[1]!.until(2), logs[2]!.until(6), logs[3]!.until(4)]);
    await sleep(QUIET_MS);
    const seen = await Promise.all(logs.map((log) => log.stop()));
    const told = seen.map((events) => events.map(({ type, key }) => `${type} ${key}`).sort());
    expect(told).toEqual([
      ['insert a', 'insert c', 'insert last', 'remove c', 'remove last'],
      ['remove c', 'remove last'],
      ['insert a', 'insert b', 'insert c', 'insert d', 'insert e', 'insert last'],
      ['insert c', 'insert last', 'remove c', 'remove last'],
    ]);
  });

  it('brings what is its own, where many ask by many constants while many write', async () => {
    const map = client.map<{ readonly owner: unknown; readonly n: number }>('owned');
    const owners = Array.from({ length: 24 }, (_, at) => `owner ${at}`);
    const logs = await Promise.all([
      ...owners.map((owner) => EventLog.open(map, { where: 'owner = $1 AND n >= 0', params: [owner] })),
      ...owners.map((_, at) => EventLog.open(map, { where: `n IN (${at}, ${at + 100}, 9999)` })),
      EventLog.open(map, { where: `__key = 'k3'` }),
      EventLog.open(map, { where: `__key = 'nobody'` }),
      EventLog.open(map, { where: 'owner = 7' }),
    ]);
    const writes = Array.from({ length: 24 * 20 }, (_, at) => at);
    const owner = (at: number): unknown => (at % 40 === 7 ? 7 : owners[at % 24]);
    await Promise.all(writes.map((at) => map.put(`k${at}`, { owner: owner(at), n: at % 124 })));
    await map.put('last', { owner: owners[0], n: 9999 });
    const wanted = [
      ...owners.map((name, at) => writes.filter((write) => owner(write) === name).length + (at === 0 ? 1 : 0)),
      ...owners.map((_, at) => writes.filter((write) => write % 124 === at || write % 124 === at + 100).length + 1),
      ...[1, 0, 12],
    ];
    await Promise.all(logs.map((log, at) => log.until(wanted[at]!)));
    await sleep(QUIET_MS);
    const seen = await Promise.all(logs.map((log) => log.stop()));
    expect(seen.map(({ length }) => length)).toEqual(wanted);
    seen.slice(0, 24).forEach((events, at) => {
      expect(new Set(events.map(({ value }) => value!.owner))).toEqual(new Set([owners[at]]));
    });
  });

  it('is resolved up to a version only when all events up to it were handed over', async () => {
    const map = client.map<Counter>('resolved');
    const resolved: { version: number; handed: number }[] = [];
    const log = new EventLog(map, {
      onResolved: (version) => resolved.push({ version, handed: log.events.length }),
    });
    await log.ready;
    for (let round = 0; round < 20; round++) {
      await map.putAll(upTo(50).map((key) => [key, { n: round }] as const));
    }
    const events = await log.until(1000);
    const last = Math.max(...events.map(({ version }) => version));
    while ((resolved.at(-1)?.version ?? 0) < last) await sleep(10);
    await log.stop();
    for (const { version, handed } of resolved) {
      const missing = events.slice(handed).filter((event) => event.version <= version);
      expect(missing).toEqual([]);
    }
    const versions = resolved.map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  });

  it('is one of several: each brings everything', async () => {
    const map = client.map<Counter>('shared');
    const logs = await Promise.all(Array.from({ length: 5 }, () => EventLog.open(map)));
    await map.putAll(upTo(400).map((key) => [key, { n: 1 }] as const));
    const seen = await Promise.all(logs.map((log) => log.until(400)));
    const names = seen.map((events) => events.map(({ key, version }) => `${key} ${version}`).sort());
    for (const one of names) expect(one).toEqual(names[0]);
    expect(new Set(names[0]).size).toBe(400);
    await Promise.all(logs.map((log) => log.stop()));
  });

  it('goes on from the token of an event, over both members: no gap, no repeat', async () => {
    const map = client.map('resumed');
    const counters = map as GridMap<GridKey, Counter>;
    const keys = upTo(100);
    const write = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) await Promise.all(keys.map((key) => step(map, key)));
    };
    const first: EntryEvent<GridKey, Counter>[] = [];
    const opened = Promise.withResolvers<void>();
    const reading = (async () => {
      for await (const event of counters.subscribe({ onReady: () => opened.resolve() })) {
        first.push(event);
        if (first.length === 333) return;
      }
    })();
    await opened.promise;
    await write(5);
    await reading;
    await write(5);
    const second = await EventLog.open(counters, { from: first.at(-1)!.token });
    await write(2);
    await second.until(keys.length * 12 - first.length);
    await sleep(QUIET_MS);
    const all = [...first, ...(await second.stop())];
    expect(numbersByKey(all)).toEqual(new Map([...numbersByKey(all).keys()].map((key) => [key, upTo(12)])));
    expect(all).toHaveLength(keys.length * 12);
  });

  it('refuses tokens that are none, or of another map, and conditions that are none', async () => {
    const map = client.map('tokens');
    const log = await EventLog.open(map);
    await map.put('k', 1);
    const [{ token }] = (await log.until(1)) as [EntryEvent<GridKey, unknown>];
    await log.stop();
    const refused = async (options: object, name = 'tokens'): Promise<unknown> =>
      new EventLog(client.map(name), options).ended;
    expect(await refused({ from: 'nonsense' })).toMatchObject({ code: 'INVALID_TOKEN' });
    expect(await refused({ from: token.slice(0, -4) })).toMatchObject({ code: 'INVALID_TOKEN' });
    expect(await refused({ from: token }, 'kinds')).toMatchObject({ code: 'INVALID_TOKEN' });
    expect(await refused({ where: 'n <' })).toMatchObject({ code: 'SYNTAX_ERROR' });
    expect(await refused({ where: 'n < $1' })).toMatchObject({ code: 'INVALID_PARAMETER' });
  });

  it('ends by return, by its signal, and with its client', async () => {
    const other = await connect({ seeds: grid.seeds });
    const map = other.map<Counter>('ends');
    const abort = new AbortController();
    const [returned, aborted, closed] = [
      await EventLog.open(map),
      await EventLog.open(map, { signal: abort.signal }),
      await EventLog.open(map),
    ] as const;
    await map.put('k', { n: 1 });
    await Promise.all([returned.until(1), aborted.until(1), closed.until(1)]);
    expect(await returned.stop()).toHaveLength(1);
    abort.abort();
    expect(await aborted.ended).toMatchObject({ code: 'CANCELLED' });
    await map.put('k', { n: 2 });
    await closed.until(2);
    await other.close();
    expect(await closed.ended).toMatchObject({ code: 'CLIENT_CLOSED' });
    expect([returned, aborted, closed].map(({ events }) => events.length)).toEqual([1, 1, 2]);
    const late = await new EventLog(client.map('ends'), { signal: AbortSignal.abort() }).ended;
    expect(late).toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a subscriber that reads too slowly', () => {
  const value = (n: number, bytes: number) => ({ n, text: 'x'.repeat(bytes) });

  /** Opens a subscription that reads nothing yet. */
  async function asleep<V>(map: GridMap<GridKey, V>, onSlow: 'lag' | 'conflate' | 'cut') {
    const opened = Promise.withResolvers<void>();
    const events = map.subscribe({ onSlow, onReady: () => opened.resolve() });
    await opened.promise;
    return events;
  }

  it('is given one change a key where it asked for that, also when the log has long moved on', async () => {
    const map = client.map<{ n: number; text: string }>('conflated');
    const keys = upTo(50);
    await map.putAll([...keys.map((key) => [key, value(0, 10)] as const), [0, value(0, 10)], [-1, value(0, 10)]]);
    const [conflating, lagging] = [await asleep(map, 'conflate'), await asleep(map, 'lag')];
    const rounds = 500;
    for (let round = 1; round <= rounds; round++) {
      await map.putAll(keys.map((key) => [key, value(round, 800)] as const));
      if (round === 250) await map.remove(0);
    }
    await map.remove(-1);
    await map.put(-1, value(rounds, 1));
    const known = new Map<GridKey, number | undefined>([...keys, 0, -1].map((key) => [key, 0]));
    let count = 0;
    for await (const { key, oldValue, value: seen } of conflating) {
      expect(oldValue?.n).toBe(known.get(key));
      known.set(key, seen?.n);
      count++;
      if (known.get(-1) === rounds && keys.every((one) => known.get(one) === rounds)) break;
    }
    expect(known.get(0)).toBeUndefined();
    // What was on its way before the reader slept comes as it was.
    expect(count).toBeLessThan((keys.length * rounds) / 4);
    const read = (async () => {
      for await (const _ of lagging);
    })();
    await expect(read).rejects.toMatchObject({ code: 'SEQUENCE_GONE' });
  });

  it('is cut off where it asked for that, and else reads on from the log', async () => {
    const map = client.map<{ n: number; text: string }>('cut');
    const [cut, lagging] = await Promise.all([asleep(map, 'cut'), asleep(map, 'lag')]);
    const count = 28_000;
    await map.putAll(Array.from({ length: count }, (_, key) => [key, value(key, 300)] as const));
    await sleep(QUIET_MS);
    const read = (async () => {
      for await (const _ of cut);
    })();
    await expect(read).rejects.toMatchObject({ code: 'SLOW_CONSUMER', hint: expect.any(String) });
    const seen = new Set<GridKey>();
    for await (const { key } of lagging) if (seen.add(key).size === count) break;
    expect(seen.size).toBe(count);
  });
});

describe('over links that break', () => {
  let links: TcpProxy[];
  let members: MemberProcess[];
  let far: Grid;

  beforeAll(async () => {
    links = [];
    members = [];
    for (const targetPort of [await freePort(), await freePort()]) {
      const link = await TcpProxy.listen(targetPort);
      links.push(link);
      const settings = {
        'grpc.port': targetPort,
        'grpc.advertise': link.address,
        'memory.logBytesPerPartition': '64KiB',
      };
      const join = members.length === 0 ? undefined : links[0]!.address;
      members.push(await MemberProcess.start(memberFlags({ settings }, 2, join)));
    }
    far = await connect({ seeds: links.map(({ address }) => address) });
  });

  afterAll(async () => {
    await far?.close();
    await Promise.all(members.map((member) => member.end('SIGKILL')));
    await Promise.all(links.map((link) => link.close()));
  });

  it('a subscription goes on by itself: no gap, no repeat', async () => {
    const map = far.map<Counter>('broken');
    const log = await EventLog.open(map);
    const rounds = 100;
    const writing = Promise.all(
      upTo(10).map(async (key) => {
        for (let n = 1; n <= rounds; n++) {
          await map.put(key, { n });
          await sleep(5);
        }
      }),
    );
    for (let cut = 0; cut < 6; cut++) {
      await sleep(80);
      links[cut % 2]!.cut();
    }
    await writing;
    const events = await log.until(10 * rounds);
    await sleep(QUIET_MS);
    expect(numbersByKey(events)).toEqual(new Map([...numbersByKey(events).keys()].map((key) => [key, upTo(rounds)])));
    expect(await log.stop()).toHaveLength(10 * rounds);
  });

  it('a subscriber hears that events were lost when the log no longer holds them', async () => {
    const map = far.map<{ n: number; text: string }>('trimmed');
    const log = await EventLog.open(map);
    await map.put('k', { n: 0, text: '' });
    const [{ token }] = (await log.until(1)) as [EntryEvent<GridKey, unknown>];
    await log.stop();
    const lagging = map.subscribe();
    for (let n = 1; n <= 300; n++) await map.put('k', { n, text: 'x'.repeat(20_000) });
    const lost = { code: 'SEQUENCE_GONE', retryable: false };
    expect(await new EventLog(map, { from: token }).ended).toMatchObject(lost);
    const reading = (async () => {
      for await (const _ of lagging);
    })();
    await expect(reading).rejects.toMatchObject(lost);
    const fresh = await EventLog.open(map, { from: 'now' });
    await map.put('k', { n: -1, text: '' });
    expect((await fresh.until(1))[0]).toMatchObject({ value: { n: -1 } });
    await fresh.stop();
  });
});
