/** Answers that wait for commits, of the kinds that no history of single keys brings about. */
import { type Grid, ready } from '@ashlar/client';
import { Copies, Orders } from '../fixtures/listeners.ts';
import * as processors from '../fixtures/processors.ts';
import { TestGrid } from '../support/grid.ts';
import { freePort, TcpProxy } from '../support/tcp-proxy.ts';

/** Longer than it takes to see in the figures that an answer is held. */
const COMMIT_DELAY_MS = 1500;
const KEYS = Array.from({ length: 40 }, (_, key) => key);

let proxy: TcpProxy;
let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  const port = await freePort();
  proxy = await TcpProxy.listen(port);
  const address = { 'grpc.port': port, 'grpc.advertise': proxy.address };
  grid = await TestGrid.start({ members: 1, settings: { ...address, 'testing.commitDelayMs': COMMIT_DELAY_MS } });
  client = await grid.connect();
}, 120_000);

afterAll(async () => {
  await grid.stop();
  await proxy.close();
});

const held = async (kind: string): Promise<number> =>
  (await grid.members[0]!.metric('ashlar_held_answers_total', { kind })) ?? 0;

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('an answer is held until its commit', () => {
  it('of a mutation that is sent again while its first sending is undecided, and is applied once', async () => {
    await client.deploy(new URL('../fixtures/processors.ts', import.meta.url));
    const map = client.map<number | { n: number }>('duplicates');
    const counters = client.map<{ n: number }>('counters');
    // Their worker is there, then.
    await counters.process('warm', processors.add, { by: 1 });
    const before = await held('put');
    const calls = [
      ...KEYS.map((key) => map.getAndPut(key, key)),
      ...KEYS.map((key) => counters.process(key, ready.increment, { path: 'n', by: 7 })),
      ...KEYS.map((key) => counters.process(`${key}`, processors.add, { by: 8 })),
    ];
    await until(async () => (await held('put')) >= before + KEYS.length);
    proxy.cut();
    const expected = [undefined, 7, 8].flatMap((answer) => KEYS.map(() => answer));
    expect(await Promise.all(calls as Promise<unknown>[])).toEqual(expected);
    expect(await held('duplicate')).toBeGreaterThan(0);
    expect(await map.getAll(KEYS)).toEqual(KEYS);
    expect(await counters.getAll(KEYS)).toEqual(KEYS.map(() => ({ n: 7 })));
    expect(await counters.getAll(KEYS.map(String))).toEqual(KEYS.map(() => ({ n: 8 })));
  }, 120_000);

  it('of a statement', async () => {
    const map = client.map<{ n: number }>('rows');
    await map.putAll(KEYS.map((n) => [n, { n }]));
    const before = await held('statement');
    const { affected } = await client.sql('UPDATE rows SET n = n + 1').execute();
    expect([affected, (await map.get(7))!.n]).toEqual([KEYS.length, 8]);
    expect(await held('statement')).toBe(before + 1);
  }, 120_000);

  it('of what a listener wrote, and of its place in the log', async () => {
    const [orders, copies] = [client.map(Orders), client.map(Copies)];
    await orders.size();
    await client.deploy(new URL('../fixtures/listeners.ts', import.meta.url));
    const before = await held('write-set');
    await orders.put(1, { amount: 5 });
    await until(async () => (await copies.size()) === 1);
    await until(async () => (await held('write-set')) > before);
  }, 120_000);
});
