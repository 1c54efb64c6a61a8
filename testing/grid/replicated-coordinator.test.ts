/**
 * A grid with copies whose coordinator's member is killed, comes back with what it kept, with an older state, or with nothing; and
 * partitions of which every copy is gone.
 */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Grid, GridError, type GridKey, type GridMap } from '@ashlar/client';
import { runCliProcess } from './support/member-process.ts';
import { logged, RestartableGrid } from './support/restartable-grid.ts';

const PARTITIONS = 32;
const KEYS = Array.from({ length: 400 }, (_, key) => key);
const CALL_MS = 20_000;
const TEST_MS = 90_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Numbers = GridMap<GridKey, { n: number }>;

/** Again and again until its time is over: who serves what is found out meanwhile. */
async function untilDone<T>(call: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + CALL_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code, retryable } = GridError.wrap(error);
      // What is written here may be written twice.
      if (performance.now() > endMs || !(retryable || code === 'OUTCOME_UNKNOWN')) throw error;
      await pause(50);
    }
  }
}

describe('a grid with copies', () => {
  let folder: string;
  let data: string;
  let grid: RestartableGrid;
  let client: Grid;
  let map: Numbers;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ashlar-copies-'));
    data = join(folder, 'data');
    grid = await RestartableGrid.start({
      ...{ members: 3, settings: { 'cluster.backups': 1, 'cluster.partitionCount': PARTITIONS } },
      firstSettings: { 'cluster.dataDirectory': data },
    });
    client = await grid.connect({ timeoutMs: CALL_MS });
    map = client.map<{ n: number }>('kept') as unknown as Numbers;
  }, TEST_MS);

  afterAll(async () => {
    await grid.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const putAll = (n: number): Promise<unknown> => Promise.all(KEYS.map((key) => untilDone(() => map.put(key, { n }))));

  async function values(): Promise<unknown[]> {
    const found = await Promise.all(KEYS.map((key) => untilDone(() => map.get(key))));
    return [...new Set(found.map((value) => value?.n))];
  }

  /** Every partition has a copy on two members that live. */
  async function untilWhole(): Promise<void> {
    for (;;) {
      const { partitions } = await untilDone(() => client.cluster());
      const isWhole = partitions.every(
        ({ phase, inSync, gone }) => phase === 'serving' && inSync.length - gone.length === 2,
      );
      if (isWhole) return;
      await pause(50);
    }
  }

  it(
    "loses nothing with the coordinator's member, which is killed, and at once started again under its name",
    async () => {
      await putAll(1);
      await untilWhole();
      for (let round = 2; round < 4; round++) {
        await grid.member(0).end('SIGKILL');
        await grid.startOne(0);
        expect(await values()).toEqual([round - 1]);
        await putAll(round);
        await untilWhole();
      }
      const { members } = await client.cluster();
      expect(members.map(({ alive }) => alive)).toEqual([true, true, true]);
      expect(await untilDone(() => map.size())).toBe(KEYS.length);
      expect(await untilDone(() => client.sql('SELECT count(*) AS n FROM kept').all())).toEqual([{ n: KEYS.length }]);
    },
    TEST_MS,
  );

  it(
    'serves on where no member is missing while the coordinator is away, and all of it when that is back',
    async () => {
      const { partitions } = await client.cluster();
      const first = grid.addresses[0]!;
      const others = partitions.flatMap(({ inSync }, partition) => (inSync.includes(first) ? [] : [partition]));
      expect(others.length).toBeGreaterThan(0);
      await grid.member(0).end('SIGKILL');
      const outcomes = await Promise.allSettled(KEYS.map((key) => map.put(key, { n: 4 }, { timeoutMs: 3000 })));
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
      await grid.startOne(0);
      await putAll(5);
      expect(await values()).toEqual([5]);
      await untilWhole();
    },
    TEST_MS,
  );

  it(
    'changes nothing while the coordinator cannot keep it, tells so once, and goes on when it can',
    async () => {
      // What is written there, to be renamed then, cannot be written.
      const obstacle = join(data, 'coordinator.json.next');
      await mkdir(obstacle);
      await grid.member(1).end('SIGKILL');
      const told = 'what the coordinator changes cannot be kept: the grid is as it was';
      while (logged(grid.member(0), told).length === 0) await pause(20);
      const notice = /cannot keep it/;
      expect(await grid.member(0).page('/readyz')).toMatchObject({ status: 200, text: expect.stringMatching(notice) });
      await expect(Promise.all(KEYS.map((key) => map.put(key, { n: 5 }, { timeoutMs: 500 })))).rejects.toThrow();
      await rm(obstacle, { recursive: true });
      await putAll(5);
      expect(await values()).toEqual([5]);
      expect(logged(grid.member(0), told)).toHaveLength(1);
      expect(logged(grid.member(0), 'what the coordinator changes can be kept again')).toHaveLength(1);
      expect((await grid.member(0).page('/readyz')).text).not.toMatch(notice);
      await grid.startOne(1);
      await untilWhole();
    },
    TEST_MS,
  );

  it(
    'refuses an older state that was restored, says so, and goes on with the newest',
    async () => {
      const [older, newest] = [join(folder, 'older'), join(folder, 'newest')];
      await cp(data, older, { recursive: true });
      await grid.member(1).end('SIGKILL');
      await grid.startOne(1);
      await untilWhole();
      await grid.member(0).end('SIGKILL');
      await cp(data, newest, { recursive: true });
      await rm(data, { recursive: true });
      await cp(older, data, { recursive: true });
      await grid.startOne(0);
      const told = 'an older state was restored: nothing of the grid can be changed';
      while (logged(grid.member(0), told).length === 0) await pause(20);
      expect(await grid.member(0).page('/readyz')).toMatchObject({ status: 503, text: /older/ });
      const gets = await Promise.allSettled(KEYS.map((key) => map.get(key, { timeoutMs: 2000 })));
      for (const get of gets) if (get.status === 'fulfilled') expect(get.value).toEqual({ n: 5 });
      await grid.member(0).end('SIGKILL');
      await rm(data, { recursive: true });
      await cp(newest, data, { recursive: true });
      await grid.startOne(0);
      expect(await values()).toEqual([5]);
      await putAll(6);
      await untilWhole();
    },
    TEST_MS,
  );

  it(
    'is taken over from its members when all that the coordinator kept is gone, and all of them are there',
    async () => {
      await untilWhole();
      const paused = grid.member(2);
      paused.child.kill('SIGSTOP');
      await grid.member(0).end('SIGKILL');
      await rm(data, { recursive: true });
      await grid.startOne(0);
      const told = 'the coordinator has lost the grid and awaits members';
      while (logged(grid.member(1), told).length === 0) await pause(20);
      expect(logged(grid.member(1), told)[0]).toMatchObject({ err: { message: expect.stringContaining(paused.name) } });
      expect(await grid.member(0).page('/readyz')).toMatchObject({ status: 503 });
      paused.child.kill('SIGCONT');
      expect(await values()).toEqual([6]);
      await putAll(7);
      await untilWhole();
      expect((await untilDone(() => client.maps())).map(({ name }) => name)).toEqual(['kept']);
    },
    TEST_MS,
  );

  it(
    'tells partitions of which every copy is gone, serves all others, and begins those anew by an operator',
    async () => {
      const { partitions } = await client.cluster();
      const gone = [grid.addresses[1], grid.addresses[2]];
      const doomed = partitions.flatMap(({ inSync }, partition) =>
        inSync.every((member) => gone.includes(member)) ? [partition] : [],
      );
      expect(doomed.length).toBeGreaterThan(0);
      await Promise.all([grid.member(1).end('SIGKILL'), grid.member(2).end('SIGKILL')]);
      await Promise.all([grid.startOne(1), grid.startOne(2)]);
      const lost = async (): Promise<number[]> =>
        (await untilDone(() => client.cluster())).partitions.flatMap(({ phase }, partition) =>
          phase === 'lost' ? [partition] : [],
        );
      while ((await lost()).length < doomed.length) await pause(20);
      expect(await lost()).toEqual(doomed);
      const told = await Promise.all(
        KEYS.map((key) =>
          untilDone(() => map.get(key)).then(
            (value) => value?.n,
            (error: unknown) => GridError.wrap(error).code,
          ),
        ),
      );
      expect([...new Set(told)].toSorted()).toEqual([7, 'PARTITION_LOST']);
      await expect(client.sql('SELECT count(*) AS n FROM kept').all()).rejects.toMatchObject({
        code: 'PARTITION_LOST',
      });
      const recovering = ['recover', '--accept-loss', doomed.join(), '--address', grid.addresses[0]!];
      const run = await runCliProcess(recovering);
      expect([run.code, run.stderr]).toEqual([0, expect.anything()]);
      await untilWhole();
      const left = told.filter((one) => one === 7).length;
      expect(await untilDone(() => client.sql('SELECT count(*) AS n FROM kept').all())).toEqual([{ n: left }]);
      await putAll(8);
      expect(await values()).toEqual([8]);
    },
    TEST_MS,
  );
});
