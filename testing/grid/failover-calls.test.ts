/** Key-value calls while members are killed, stand still and stop: answered, in order, once each. */
import type { Grid } from '@ashlar/client';
import { CountingCallers } from './support/counting-callers.ts';
import { ReplicatedGrid, until } from './support/replicated-grid.ts';

const WORKERS = 64;
const CALL_MS = 20_000;
const LIMITS = { timeoutMs: CALL_MS };

let grid: ReplicatedGrid;
let client: Grid;

beforeAll(async () => {
  grid = await ReplicatedGrid.start();
  client = await grid.connect();
}, 60_000);

afterAll(() => grid.stop());

const counting = (name: string): CountingCallers => new CountingCallers(client, name, WORKERS, LIMITS);

describe('calls on entries', () => {
  it('go on when a member is killed: each applied once, each first answer kept, none failed', async () => {
    const callers = counting('killed');
    await callers.untilAllBy(5);
    await grid.kill(1);
    await callers.untilAllBy(20);
    await grid.back(1);
    await callers.untilAllBy(5);
    await grid.kill(2);
    await callers.untilAllBy(20);
    await callers.stop();
    await grid.back(2);
  }, 120_000);

  it('go on when a member stands still, and when it goes on', async () => {
    const callers = counting('paused');
    await callers.untilAllBy(5);
    grid.member(1).child.kill('SIGSTOP');
    await callers.untilAllBy(20);
    grid.member(1).child.kill('SIGCONT');
    await callers.untilAllBy(20);
    await callers.stop();
    await grid.untilWhole();
  }, 120_000);

  it('go on when a member stops in order', async () => {
    const callers = counting('stopped');
    await callers.untilAllBy(5);
    expect(await grid.member(2).end('SIGTERM')).toMatchObject({ code: 0 });
    await callers.untilAllBy(20);
    await callers.stop();
    await grid.back(2);
  }, 120_000);

  it('of many entries at once are whole, whichever member goes', async () => {
    const map = client.map<number, string>('many');
    const entries = Array.from({ length: 20_000 }, (_, key) => [key, `value ${key}`.padEnd(100)] as const);
    const stored = map.putAll(entries, LIMITS);
    await until(async () => (await map.size(LIMITS)) > 0);
    await grid.kill(1);
    await stored;
    expect(await map.size(LIMITS)).toBe(entries.length);
    const read = await map.getAll(
      entries.map(([key]) => key),
      LIMITS,
    );
    expect(read).toEqual(entries.map(([, value]) => value));
    await grid.back(1);
  }, 120_000);

  it('of members that live are never held up by one that does not', async () => {
    const map = client.map<number, number>('apart');
    const keys = Array.from({ length: 300 }, (_, key) => key);
    await Promise.all(keys.map((key) => map.put(key, 0, LIMITS)));
    grid.member(2).child.kill('SIGSTOP');
    // Calls for its partitions wait; however many do, the others are answered, again and again.
    const first = keys.map((key) => map.put(key, 1, LIMITS).then(() => key));
    const answered = new Set<number>();
    for (const put of first) void put.then((key) => answered.add(key));
    await until(() => answered.size > 100);
    const living = [...answered];
    for (let n = 2; n < 50; n++) await Promise.all(living.map((key) => map.put(key, n, LIMITS)));
    await Promise.all(first);
    grid.member(2).child.kill('SIGCONT');
    await grid.untilWhole();
    for (const key of living) expect(await map.get(key, LIMITS)).toBe(49);
  }, 120_000);

  it('of a client that connects while a member is gone are as any others', async () => {
    await grid.kill(2);
    const late = await grid.connect();
    const map = late.map<number, number>('late');
    await Promise.all(Array.from({ length: 500 }, (_, key) => map.put(key, key, LIMITS)));
    expect(await map.size(LIMITS)).toBe(500);
    await grid.back(2);
  }, 120_000);
});
