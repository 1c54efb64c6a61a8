/**
 * Members that are stopped in order and started again, one after the other, the coordinator's among them: nobody who calls notices
 * more than a moment.
 */
import type { Grid } from '@ashlar/client';
import { CountingCallers } from './support/counting-callers.ts';
import { ReplicatedGrid } from './support/replicated-grid.ts';
import { logged } from './support/restartable-grid.ts';

const CALLERS = 16;
const ONCE = 2000;
/** The last one holds the coordinator. */
const ROUND = [1, 2, 0] as const;

describe.each([1, 2])('a grid of three with %s copies beside the primary', (backups) => {
  let grid: ReplicatedGrid;
  let client: Grid;
  const entries = Array.from({ length: ONCE }, (_, key) => [key, `value ${key}`] as const);

  beforeAll(async () => {
    grid = await ReplicatedGrid.start({ 'cluster.backups': backups, 'log.level': 'info' });
    client = await grid.connect();
    await client.map<number, string>('once').putAll(entries);
  }, 60_000);

  afterAll(() => grid.stop());

  /** A client that has just come finds everything, and may write. */
  async function comes(round: string): Promise<void> {
    const late = await grid.connect();
    const map = late.map<number | string, string>('once');
    const wanted = Array.from({ length: 100 }, (_, at) => (at * 17) % ONCE);
    const found = await Promise.all(wanted.map((key) => map.get(key)));
    expect(found).toEqual(wanted.map((key) => `value ${key}`));
    await Promise.all(wanted.map((key) => map.put(`${round} ${key}`, round)));
  }

  async function causesAt(index: number, cause: string): Promise<number> {
    return (await grid.member(index).metric('ashlar_elections_total', { cause })) ?? 0;
  }

  it('fails no call while each of its members is stopped in order and started again', async () => {
    const callers = new CountingCallers(client, 'counted', CALLERS);
    await callers.untilAllBy(5);
    for (const index of ROUND) {
      const others = ROUND.filter((other) => other !== index);
      const ending = grid.member(index).end('SIGTERM');
      await Promise.all([comes(`${index} ends`), callers.untilAllBy(5)]);
      expect((await ending).code).toBe(0);
      expect(logged(grid.member(index), 'partitions handed over')).toMatchObject([{ kept: 0 }]);
      await Promise.all([comes(`without ${index}`), callers.untilAllBy(20)]);
      // Nobody was taken for dead: who stopped had given everything away, and nobody else went.
      for (const other of others) expect(await causesAt(other, 'died')).toBe(0);
      await grid.grid.startOne(index);
      await Promise.all([grid.untilReady(index), comes(`${index} begins`), callers.untilAllBy(20)]);
    }
    await callers.stop();
    // The last one that was started again has seen no stop, both others have.
    expect(await causesAt(1, 'left')).toBeGreaterThan(0);
    expect(await causesAt(2, 'left')).toBeGreaterThan(0);
  }, 120_000);

  it('has lost nothing by it, and every copy is in sync again', async () => {
    const keys = entries.map(([key]) => key);
    const values = await client.map<number, string>('once').getAll(keys);
    expect(values).toEqual(entries.map(([, value]) => value));
    await grid.untilWhole();
    const { partitions } = await client.cluster();
    expect(new Set(partitions.map(({ phase }) => phase))).toEqual(new Set(['serving']));
  }, 60_000);
});
