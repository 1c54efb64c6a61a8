/** Answers that wait for commits, of the kinds that no history of single keys brings about. */
import type { Grid } from '@ashlar/client';
import { Copies, Orders } from '../fixtures/listeners.ts';
import { TestGrid } from '../support/grid.ts';
import { freePort, TcpProxy } from '../support/tcp-proxy.ts';

const COMMIT_DELAY_MS = 1000;
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
}, 60_000);

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
  it('of a mutation that is sent again while its first sending is undecided', async () => {
    const map = client.map<number>('duplicates');
    await map.size();
    const before = await held('put');
    const putting = KEYS.map((key) => map.getAndPut(key, key));
    await until(async () => (await held('put')) >= before + KEYS.length);
    proxy.cut();
    expect(await Promise.all(putting)).toEqual(KEYS.map(() => undefined));
    expect(await held('duplicate')).toBeGreaterThan(0);
    expect(await map.getAll(KEYS)).toEqual(KEYS);
  }, 60_000);

  it('of a statement', async () => {
    const map = client.map<{ n: number }>('rows');
    await map.putAll(KEYS.map((n) => [n, { n }]));
    const before = await held('statement');
    const { affected } = await client.sql('UPDATE rows SET n = n + 1').execute();
    expect([affected, (await map.get(7))!.n]).toEqual([KEYS.length, 8]);
    expect(await held('statement')).toBe(before + 1);
  }, 60_000);

  it('of what a listener wrote, and of its place in the log', async () => {
    const [orders, copies] = [client.map(Orders), client.map(Copies)];
    await orders.size();
    await client.deploy(new URL('../fixtures/listeners.ts', import.meta.url));
    const before = await held('write-set');
    await orders.put(1, { amount: 5 });
    await until(async () => (await copies.size()) === 1);
    await until(async () => (await held('write-set')) > before);
  }, 60_000);
});
