/** Histories of eight clients where commits are late, and where they are lost: every key is linearizable. */
import type { Grid } from '@ashlar/client';
import { TestGrid } from '../support/grid.ts';
import { judge } from './checker.ts';
import { type Recorded, record } from './recorder.ts';

/** Ways in which single keys are written and read; others hold answers in suites of their own. */
const KINDS = ['put', 'remove', 'condition', 'absence', 'old-value', 'own-read', 'processor', 'ready-made'];
const CONNECTIONS = 4;
const TIMEOUT_MS = 120_000;

let grid: TestGrid;

afterEach(() => grid.stop());

async function history(settings: Record<string, string | number>, operationsAClient: number): Promise<Recorded> {
  grid = await TestGrid.start({ settings });
  const clients: Grid[] = [];
  for (let count = 0; count < CONNECTIONS; count++) {
    const client = await grid.connect();
    // Each learns the names of what it calls by deploying it.
    await client.deploy(new URL('../fixtures/processors.ts', import.meta.url));
    clients.push(client);
  }
  return record(clients, { seed: 11, operationsAClient, hotKeys: 3, coldKeys: 12, timeoutMs: 5000 });
}

/** Over all members. */
async function summed(metric: string, labels: Record<string, string> = {}): Promise<number> {
  const counts = await Promise.all(grid.members.map((member) => member.metric(metric, labels)));
  return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

/** A session that does not wait for its writes reads them all the same. */
async function readOwnWrites(client: Grid): Promise<void> {
  const map = client.map('own');
  for (let value = 0; value < 20; value++) {
    const put = map.put('k', value);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await map.get('k')).toBe(value);
    await put;
  }
}

describe('a history of eight clients on hot keys', () => {
  it(
    'is linearizable where commits are late, and nothing in it fails',
    async () => {
      const { history: operations, refused, unknown } = await history({ 'testing.commitDelayMs': '20ms' }, 150);
      expect([...refused, ...unknown]).toEqual([]);
      await readOwnWrites(await grid.connect());
      const counts = KINDS.map(async (kind) => [kind, await summed('ashlar_held_answers_total', { kind })] as const);
      const held = Object.fromEntries(await Promise.all(counts));
      process.stderr.write(`held answers of ${operations.length} operations: ${JSON.stringify(held)}\n`);
      expect(Object.entries(held).filter(([, count]) => count === 0)).toEqual([]);
      expect(judge(operations)).toEqual({ kind: 'linearizable' });
    },
    TIMEOUT_MS,
  );

  it(
    'is linearizable where commits are lost: nothing that was derived from one is told',
    async () => {
      const lossy = { 'testing.commitDelayMs': '20ms', 'testing.commitDropPerMille': 30 };
      const { history: operations, refused, unknown } = await history(lossy, 200);
      const lost = await summed('ashlar_lost_batches_total');
      process.stderr.write(`${operations.length} operations, ${lost} batches lost, ${[...unknown.values()]} unknown\n`);
      expect(lost).toBeGreaterThan(0);
      expect([...refused]).toEqual([]);
      expect([...unknown.keys()].filter((code) => code !== 'OUTCOME_UNKNOWN')).toEqual([]);
      expect(operations.filter(({ ok }) => ok === true).length).toBeGreaterThan(200);
      expect(judge(operations)).toEqual({ kind: 'linearizable' });
    },
    TIMEOUT_MS,
  );
});
