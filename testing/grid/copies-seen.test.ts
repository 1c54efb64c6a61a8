/** How operators see a grid with copies: metrics, /readyz and `ashlar cluster`, before and after a member is killed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterState } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';
import { runCliProcess } from './support/member-process.ts';

const PARTITIONS = 16;
const TIMEOUT_MS = 60_000;

let folder: string;
let grid: TestGrid;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-copies-'));
  const copies = { 'cluster.backups': 1, 'cluster.dataDirectory': folder };
  grid = await TestGrid.start({ members: 2, settings: { ...copies, 'cluster.partitionCount': PARTITIONS } });
  const client = await grid.connect();
  await client.map<number>('numbers').putAll(Array.from({ length: 100 }, (_, key) => [key, key]));
}, TIMEOUT_MS);

afterAll(async () => {
  await grid.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function sum(name: string, labels: Record<string, string> = {}): Promise<number> {
  const living = grid.members.filter(({ hasEnded }) => !hasEnded);
  const all = await Promise.all(living.map((member) => member.metric(name, labels)));
  return all.reduce<number>((total, value) => total + (value ?? 0), 0);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function cluster(): Promise<{ exitCode: number | null; state: ClusterState; text: string }> {
  const address = ['--address', grid.seeds[0]!];
  const [json, text] = await Promise.all([
    runCliProcess(['cluster', '--json', ...address]),
    runCliProcess(['cluster', ...address]),
  ]);
  return { exitCode: text.code, state: JSON.parse(json.stdout) as ClusterState, text: text.stdout };
}

it(
  'are told that every partition is whole, and who holds it',
  async () => {
    await until(async () => (await sum('ashlar_partitions', { state: 'whole' })) === 2 * PARTITIONS);
    expect(await sum('ashlar_partition_in_sync')).toBe(2 * PARTITIONS);
    expect(await sum('ashlar_copies', { kind: 'backup' })).toBe(PARTITIONS);
    await until(async () => (await sum('ashlar_replication_lag_records')) === 0);
    expect(await sum('ashlar_sync_queue_depth', { kind: 'replication' })).toBe(0);
    for (const member of grid.members) {
      expect(await member.metric('ashlar_elections_total', { cause: 'created' })).toBe(PARTITIONS);
      expect(JSON.parse((await member.page('/readyz')).text)).toEqual({ ready: true, reasons: [] });
    }
    const { exitCode, state, text } = await cluster();
    expect(exitCode).toBe(0);
    expect(state).toMatchObject({ backups: 1, minInSync: 1, members: [{ alive: true }, { alive: true }] });
    expect(state.partitions).toHaveLength(PARTITIONS);
    for (const row of state.partitions) expect(row).toMatchObject({ phase: 'serving', gone: [] });
    expect(text).toContain(`${PARTITIONS} of ${PARTITIONS} partitions with all 2 copies; 2 of 2 members alive`);
  },
  TIMEOUT_MS,
);

it(
  'are told by the one that is left which copies are missing, and that it has taken over',
  async () => {
    const [first, second] = grid.members as [(typeof grid.members)[number], (typeof grid.members)[number]];
    const led = await second.metric('ashlar_partitions_owned');
    await second.end('SIGKILL');
    await until(async () => (await first.metric('ashlar_partitions', { state: 'degraded' })) === PARTITIONS);
    expect(await first.metric('ashlar_elections_total', { cause: 'died' })).toBe(led);
    expect(await first.metric('ashlar_partition_in_sync')).toBe(PARTITIONS);
    expect(await sum('ashlar_in_sync_changes_total')).toBeGreaterThan(0);
    expect(JSON.parse((await first.page('/readyz')).text)).toEqual({
      ...{ ready: true, reasons: [] },
      notices: [`${PARTITIONS} of ${PARTITIONS} partitions have fewer copies in sync than 2`],
    });
    const { exitCode, state, text } = await cluster();
    expect([exitCode, state.members.map(({ alive }) => alive)]).toEqual([0, [true, false]]);
    for (const { primary, inSync } of state.partitions) expect(inSync).toEqual([primary]);
    expect(text).toContain(
      `0 of ${PARTITIONS} partitions with all 2 copies, ${PARTITIONS} fewer; 1 of 2 members alive`,
    );
  },
  TIMEOUT_MS,
);
