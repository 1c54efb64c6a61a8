/** Callers whose links stand still: what a member holds for them is bounded, and given back by cutting the link. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestGrid } from './support/grid.ts';
import { freePort, TcpProxy } from './support/tcp-proxy.ts';

const MIB = 1 << 20;
const VALUE_BYTES = 4 * MIB;
const SUBSCRIBERS = 45;
const BOUND = 128 * MIB;

let grid: TestGrid;
let proxy: TcpProxy;

beforeAll(async () => {
  const port = await freePort();
  proxy = await TcpProxy.listen(port);
  const settings = {
    'cluster.partitionCount': 1,
    // The events stay in the log for those who come late to them.
    'memory.logBytesPerPartition': '32MiB',
    'grpc.port': port,
    'grpc.advertise': proxy.address,
  };
  grid = await TestGrid.start({ members: 1, memory: '256MiB', settings });
});

afterAll(async () => {
  await grid.stop();
  await proxy.close();
});

const metric = async (name: string): Promise<number> => (await grid.members[0]!.metric(name))!;

describe('subscribers whose link stands still', () => {
  it('hold no more than the bound, lose the link, and go on from where they were; others never stop', async () => {
    const stalling = await grid.connect();
    const values = stalling.map<string>('large');
    await values.put('first', 'x');
    const feeds = Array.from({ length: SUBSCRIBERS }, () => values.subscribe());
    const first = feeds.map((feed) => feed.next());
    await subscribed(SUBSCRIBERS);
    proxy.stopTaking();

    const client = await grid.connect();
    const map = client.map<string>('large');
    const reading = map.subscribe();
    const own = reading.next();
    await subscribed(SUBSCRIBERS + 1);
    for (let n = 0; n < 3; n += 1) await map.put(`k${n}`, String(n).repeat(VALUE_BYTES));
    while ((await metric('ashlar_links_cut_total')) === 0) await sleep(25);
    // Links are cut where the bound is reached; the message that reaches it is written whole.
    const most = await metric('ashlar_unsent_bytes_most');
    expect(most).toBeGreaterThanOrEqual(BOUND);
    expect(most).toBeLessThan(BOUND + VALUE_BYTES + MIB);
    expect((await own).value).toMatchObject({ type: 'insert', key: 'k0' });
    await reading.return?.();
    const leaving = Promise.allSettled(first.slice(1));
    await Promise.all(feeds.slice(1).map((feed) => feed.return?.()));
    await leaving;
    expect((await first[0])?.value).toMatchObject({ type: 'insert' });
    await feeds[0]!.return?.();
    expect(await map.get('first')).toBe('x');
  }, 120_000);

  async function subscribed(count: number): Promise<void> {
    while ((await metric('ashlar_subscriptions')) !== count) await sleep(10);
  }
});

describe('answers larger than a message of the client', () => {
  it('come in pieces that it takes', async () => {
    const client = await grid.connect({ timeoutMs: 30_000 });
    const map = client.map<string>('pieces');
    const keys = [0, 1, 2, 3, 4, 5, 6, 7];
    for (const key of keys) await map.put(key, String(key).repeat(5 * MIB));
    const values = await map.getAll(keys);
    expect(values.map((value) => [value?.[0], value?.length])).toEqual(keys.map((key) => [String(key), 5 * MIB]));
  });
});
