/**
 * Three members that keep a copy of each other's partitions: what was acknowledged survives the end of any one of them, whether it
 * was killed or stopped, and a member that comes back gets its copies again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Grid, GridError, type GridKey, type GridMap } from '@ashlar/client';
import { logged, RestartableGrid } from './support/restartable-grid.ts';

const KEYS = 2000;
const CALL_MS = 15_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('three members with a backup each', () => {
  let directory: string;
  let grid: RestartableGrid;
  let client: Grid;
  let map: GridMap<GridKey, { n: number }>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ashlar-replicated-'));
    grid = await RestartableGrid.start({
      members: 3,
      settings: { 'cluster.backups': 1 },
      firstSettings: { 'cluster.dataDirectory': directory },
    });
    client = await grid.connect();
    map = client.map('kept');
  }, 60_000);

  afterAll(async () => {
    await grid.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Again and again until its time is over: who a dead member's partitions belong to is found out meanwhile. */
  async function untilDone<T>(call: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + CALL_MS;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (performance.now() > endMs || !GridError.is(error) || !error.retryable) throw error;
        await pause(50);
      }
    }
  }

  async function putAll(n: number): Promise<void> {
    for (let key = 0; key < KEYS; key += 100)
      await Promise.all(Array.from({ length: 100 }, (_, at) => untilDone(() => map.put(key + at, { n }))));
  }

  async function valuesOf(): Promise<Set<number | undefined>> {
    const values = new Set<number | undefined>();
    for (let key = 0; key < KEYS; key += 100) {
      const read = Array.from({ length: 100 }, (_, at) => untilDone(() => map.get(key + at)));
      for (const value of await Promise.all(read)) values.add(value?.n);
    }
    return values;
  }

  /** Every partition has its copies on members that live, so that one more may go. */
  async function untilWhole(): Promise<void> {
    for (;;) {
      const { partitions } = await untilDone(() => client.cluster());
      if (partitions.every(({ phase, inSync, gone }) => phase === 'serving' && inSync.length - gone.length === 2))
        return;
      await pause(100);
    }
  }

  it('take writes, and answer them', async () => {
    await putAll(1);
    expect(await valuesOf()).toEqual(new Set([1]));
  }, 60_000);

  it('lose nothing when one is killed', async () => {
    await untilWhole();
    await grid.member(1).end('SIGKILL');
    expect(await valuesOf()).toEqual(new Set([1]));
    await putAll(2);
    expect(await valuesOf()).toEqual(new Set([2]));
  }, 60_000);

  it('give a member that comes back its copies, so that another may be killed', async () => {
    await grid.startOne(1);
    await untilWhole();
    await grid.member(2).end('SIGKILL');
    expect(await valuesOf()).toEqual(new Set([2]));
    await grid.startOne(2);
    await untilWhole();
  }, 60_000);

  it('hand over what they serve when they stop in order', async () => {
    let isOver = false;
    const writing = (async () => {
      for (let n = 3; !isOver; n++)
        await Promise.all([1, 2, 3, 4, 5].map((key) => untilDone(() => map.put(key, { n }))));
    })();
    await grid.member(1).end('SIGTERM');
    isOver = true;
    await writing;
    expect(logged(grid.member(1), 'partitions handed over')).toMatchObject([{ kept: 0 }]);
    await putAll(9);
    expect(await valuesOf()).toEqual(new Set([9]));
  }, 60_000);
});
