import type { EntryEvent, GridKey } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import { Copies, Orders } from './fixtures/listeners.ts';
import { EventLog } from './support/event-log.ts';
import { TestGrid } from './support/grid.ts';

const DROPPED = { code: 'MAP_DROPPED', retryable: false };

let grid: TestGrid;
let client: Grid;
let other: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  other = await grid.connect({ seeds: [grid.members[1]!.address] });
}, 60_000);

afterAll(() => grid.stop());

type Event = EntryEvent<GridKey, unknown>;
const keysOf = (events: readonly Event[]): GridKey[] => events.map(({ key }) => key).sort();
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** What a token still brings, and how that ends. */
async function from(map: string, token: string): Promise<{ keys: GridKey[]; error: unknown }> {
  const log = new EventLog(other.map(map), { from: token });
  const error = await log.ended;
  return { keys: keysOf(log.events), error };
}

describe('events of a map that is dropped and made again', () => {
  it('are told from a token as far as they are there, then MAP_DROPPED', async () => {
    const map = client.map('tokens');
    const log = await EventLog.open(map);
    await map.put('seen', 1);
    const [{ token }] = (await log.until(1)) as [Event];
    await log.stop();
    for (const key of upTo(5)) await map.put(key, key);
    await other.drop('tokens');
    await map.putAll(upTo(7).map((key) => [`new${key}`, key] as const));
    for (let time = 0; time < 2; time++) {
      const { keys, error } = await from('tokens', token);
      expect([keys, error]).toEqual([upTo(5), expect.objectContaining(DROPPED)]);
    }
  });

  it('come to a subscriber that is far behind, all of them, then MAP_DROPPED', async () => {
    const map = client.map('behind');
    await map.put('first', 0);
    const ready = Promise.withResolvers<void>();
    const events = map.subscribe({ onReady: () => ready.resolve() });
    const first = events.next();
    await ready.promise;
    await map.putAll(
      upTo(20_000).map((key) => [key, { key }] as const),
      { timeoutMs: 30_000 },
    );
    await first;
    await other.drop('behind');
    await other.map('behind').putAll(upTo(100).map((key) => [`new${key}`, key] as const));
    const keys = new Set<GridKey>([(await first).value.key]);
    const reading = (async () => {
      for await (const { key } of events) keys.add(key);
    })();
    await expect(reading).rejects.toMatchObject({ ...DROPPED, details: { map: 'behind' } });
    expect([keys.size, [...keys].filter((key) => typeof key === 'string')]).toEqual([20_000, []]);
  }, 60_000);

  it('end an idle subscription, and one of both members at once', async () => {
    const map = client.map('idle');
    await map.put(1, 1);
    const logs = await Promise.all([EventLog.open(map), EventLog.open(other.map('idle'), { where: 'n > 5' })]);
    await client.drop('idle');
    for (const { ended } of logs) expect(await ended).toMatchObject(DROPPED);
  });

  it('belong to the first map for one that subscribed before there was any', async () => {
    const log = await EventLog.open(client.map('unborn-here'));
    await other.map('unborn-here').put('a', 1);
    await log.until(1);
    await other.drop('unborn-here');
    await other.map('unborn-here').put('b', 2);
    expect(await log.ended).toMatchObject(DROPPED);
    expect(keysOf(log.events)).toEqual(['a']);
  });

  it('never leave a mirror wrong without an error', async () => {
    for (let round = 0; round < 20; round++) {
      const map = client.map<number>('mirrored');
      await map.putAll(upTo(20).map((key) => [key, 0] as const));
      const mirror = new Map<GridKey, unknown>(upTo(20).map((key) => [key, 0]));
      const log = await EventLog.open(map);
      const writing = Promise.all(upTo(20).map((key) => map.put(key, round)));
      if (round % 2 === 0) await writing;
      await other.drop('mirrored');
      await writing;
      await other.map('mirrored').put('new', 1);
      expect(await log.ended).toMatchObject(DROPPED);
      for (const { key, value } of log.events) mirror.set(key, value);
      expect(mirror.has('new')).toBe(false);
      if (round % 2 === 0) expect([...mirror.values()]).toEqual(upTo(20).map(() => round));
      await other.drop('mirrored');
    }
  }, 60_000);
});

describe('a listener whose map is dropped', () => {
  const inState = async (state: string): Promise<number | undefined> =>
    grid.members[0]!.metric('ashlar_listeners', { state });
  const deploy = (): Promise<unknown> => client.deploy(new URL('./fixtures/listeners.ts', import.meta.url));

  it('gets the rest, shows that it has ended, and goes to the next map when it is deployed for it', async () => {
    await client.map(Orders).put(0, { amount: 1 });
    await deploy();
    const [running, waiting] = [await inState('running'), await inState('waiting')];
    await client.map(Orders).putAll(upTo(200).map((key) => [key, { amount: 2 }] as const));
    await other.drop('orders');
    await untilCopies(200);
    expect([await inState('running'), await inState('waiting'), await inState('ended')]).toEqual([
      running! - 2,
      waiting,
      2,
    ]);
    const states = async (): Promise<unknown[]> =>
      (await client.stats()).flatMap(({ figures }) =>
        figures
          .filter(({ name, labels }) => name === 'ashlar_listener_state' && labels['map'] === 'orders')
          .map(({ labels }) => labels['state']),
      );
    // A listener has ended on a member once it has let go of its places there.
    while ((await states()).some((state) => state !== 'ended')) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await states()).toEqual(['ended', 'ended', 'ended', 'ended']);
    await client.map(Orders).put(1000, { amount: 3 });
    await deploy();
    expect([await inState('running'), await inState('ended')]).toEqual([running, 0]);
    await client.map(Orders).put(1001, { amount: 4 });
    await untilCopies(201);
    const copies = await client.sql<{ amount: number }>('SELECT amount FROM copies WHERE amount > 2').all();
    expect(copies).toEqual([{ amount: 4 }]);
  }, 60_000);

  it('writes to whichever map has the name of its target, however often that is dropped', async () => {
    await client.map(Orders).put(2000, { amount: 9 });
    await untilCopied(9);
    for (let round = 10; round < 40; round++) {
      const putting = client.map(Orders).put(2000 + round, { amount: round });
      await other.drop('copies');
      await putting;
      await client.map(Orders).put(3000 + round, { amount: -round });
      await untilCopied(-round);
    }
  }, 60_000);

  /** Until the order of that amount is copied. */
  async function untilCopied(amount: number): Promise<void> {
    for (;;) {
      const copied = await client
        .sql('SELECT count(*) AS n FROM copies WHERE amount = $1', [amount])
        .first()
        .catch((error: { code: string }) => {
          if (error.code !== 'UNKNOWN_MAP' && error.code !== 'MAP_DROPPED') throw error;
          return { n: 0 };
        });
      if (Number((copied as { n: number }).n) > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async function untilCopies(count: number): Promise<void> {
    while ((await client.map(Copies).size()) < count) await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
