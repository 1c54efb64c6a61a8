/** The coordinator's member is killed and started again with its command: the grid goes on as it was, out loud. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Grid, GridError, type GridMap, ready } from '@ashlar/client';
import { add } from './fixtures/processors.ts';
import { EventLog } from './support/event-log.ts';
import { memberFlags } from './support/grid.ts';
import { MemberProcess, runCliProcess } from './support/member-process.ts';
import { acceptLosses, logged, lossesTold, RestartableGrid } from './support/restartable-grid.ts';

const PROCESSORS = fileURLToPath(new URL('fixtures/processors.ts', import.meta.url));
const KEYS = Array.from({ length: 200 }, (_, key) => key);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Numbers = GridMap<number, { n: number }>;
const numbers = (client: Grid, name: string): Numbers => client.map<{ n: number }>(name) as unknown as Numbers;

/** Repeats what a member that is away has not applied, or has in part: all that is done here may be done twice. */
async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!GridError.wrap(error).retryable && !GridError.is(error, 'PARTIAL')) throw error;
      await pause(20);
    }
  }
}

const codeOf = (error: unknown): string => GridError.wrap(error).code;

async function untilLogged(member: MemberProcess, message: string, count = 1): Promise<Record<string, unknown>[]> {
  while (logged(member, message).length < count) await pause(20);
  return logged(member, message);
}

describe.each(['in memory', 'on disk'])('a coordinator that keeps the grid %s', (kept) => {
  let grid: RestartableGrid;
  let folder: string;
  let client: Grid;
  /** Hash of the module. */
  let deployed: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
    const settings = { 'cluster.partitionCount': 64 };
    const firstSettings = { 'cluster.dataDirectory': kept === 'on disk' ? join(folder, 'data') : '' };
    grid = await RestartableGrid.start({ settings, firstSettings });
    client = await grid.connect();
  });

  afterAll(async () => {
    await grid.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('goes on with its table, its maps and its modules; what the killed member held is lost, and said to be', async () => {
    const map = numbers(client, 'kept');
    await map.putAll(KEYS.map((n) => [n, { n }]));
    await numbers(client, 'dropped').put(1, { n: 1 });
    await client.drop('dropped');
    deployed = (await client.deploy(PROCESSORS)).hash;
    const feed = await EventLog.open(map);
    const table = await metrics(grid.member(1), 'ashlar_partitions_owned');

    const ending = await grid.member(0).end('SIGKILL');
    expect(ending.signal).toBe('SIGKILL');
    await grid.startOne(0);
    const lost = await lossesTold(client);
    expect(lost).toHaveLength(64 - table);
    const told = await Promise.all(KEYS.map((key) => repeated(() => map.get(key)).then(() => 'held', codeOf)));
    expect(new Set(told)).toEqual(new Set(['held', 'PARTITION_LOST']));
    const counted = repeated(() => client.sql('SELECT count(*) AS n FROM kept').all());
    await expect(counted).rejects.toMatchObject({ code: 'PARTITION_LOST' });
    expect(await feed.ended).toMatchObject({ code: 'PARTITION_LOST' });

    // Nothing but an operator's word begins them anew.
    expect(await acceptLosses(client)).toEqual(lost);
    const values = await repeated(() => map.getAll(KEYS));
    const left = values.filter((value) => value !== undefined).length;
    expect(left).toBe(told.filter((one) => one === 'held').length);
    expect(await repeated(() => client.sql('SELECT count(*) AS n FROM kept').all())).toEqual([{ n: left }]);
    expect(await metrics(grid.member(1), 'ashlar_partitions_owned')).toBe(table);
    expect((await client.maps()).map(({ name, entries }) => [name, entries])).toEqual([['kept', left]]);

    const address = grid.addresses[0];
    expect(await untilLogged(grid.member(1), 'member is lost')).toMatchObject([{ member: address }]);
    expect(await untilLogged(grid.member(1), 'member is back')).toMatchObject([{ member: address }]);
    expect(await untilLogged(grid.member(1), 'member was started again')).toMatchObject([{ member: address }]);
    expect(await untilLogged(grid.member(1), 'joined the coordinator again')).toHaveLength(1);
    for (const member of [0, 1]) {
      expect(await untilLogged(grid.member(member), 'partitions are lost')).toMatchObject([{ partitions: lost }]);
    }
  });

  it('runs the modules that were deployed before on every member, the one that was started again among them', async () => {
    const map = numbers(client, 'run');
    const results = await Promise.all(KEYS.map((n) => repeated(() => map.process(n, add, { by: n }))));
    expect(results).toEqual(KEYS);
    expect(await bundleFiles(folder)).toEqual(kept === 'on disk' ? [`${deployed}.mjs`] : []);
  });

  it('makes and drops maps, deploys and joins as before, and gives no map id twice', async () => {
    const before = await mapIds(folder, kept);
    const made = numbers(client, 'made');
    await made.putAll(KEYS.map((n) => [n, { n }]));
    expect(await made.size()).toBe(KEYS.length);
    await client.deploy(PROCESSORS);
    expect(await made.process(1, ready.increment, { path: 'n', by: 1 })).toBeDefined();
    const after = await mapIds(folder, kept);
    for (const id of after.filter((one) => !before.includes(one))) expect(id).toBeGreaterThan(Math.max(2, ...before));
    await grid.member(1).end('SIGKILL');
    await grid.startOne(1);
    await acceptLosses(client);
    await repeated(() => made.putAll(KEYS.map((n) => [n, { n }])));
    expect(await repeated(() => made.size())).toBe(KEYS.length);
    const told = (): unknown[] => logged(grid.member(0), 'member was started again').map(({ member }) => member);
    while (!told().includes(grid.addresses[1])) await pause(20);
  });

  it('survives being killed again and again, under load', async () => {
    const map = numbers(client, 'loaded');
    const stop = new AbortController();
    const acknowledged: number[] = [];
    const load = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) {
        await map.put(n % 100, { n }, { timeoutMs: 20_000 }).then(
          () => acknowledged.push(n),
          (error: unknown) => expect(error).toBeInstanceOf(GridError),
        );
        await pause(1);
      }
    })();
    for (let round = 0; round < 3; round++) {
      await grid.member(0).end('SIGKILL');
      await grid.startOne(0);
      await acceptLosses(client);
      const target = acknowledged.length + 50;
      while (acknowledged.length < target) await pause(10);
    }
    stop.abort();
    await load;
    await repeated(() => map.putAll(KEYS.map((n) => [n, { n }])));
    expect(await repeated(() => map.size())).toBe(KEYS.length);
  });
});

describe('what a coordinator cannot go on with', () => {
  it('is a member of another grid: refused by name, told by its log and its health page, and it serves on', async () => {
    const grid = await RestartableGrid.start();
    const port = Number(grid.addresses[0]!.split(':')[1]);
    try {
      const client = await grid.connect();
      const map = numbers(client, 'orphaned');
      await map.putAll(KEYS.map((n) => [n, { n }]));
      await grid.member(0).end('SIGKILL');
      // It awaits nobody now, so its own grid is complete before the other member comes.
      const alone = await MemberProcess.start(memberFlags({ settings: { 'grpc.port': port } }, 1, undefined));
      try {
        const told = 'the coordinator does not take this member back; it serves on what it holds';
        const [line] = await untilLogged(grid.member(1), told);
        expect(JSON.stringify(line)).toMatch(/GRID_CONFLICT.*which is complete|which is complete.*GRID_CONFLICT/);
        expect(await grid.member(1).page('/readyz')).toMatchObject({
          status: 503,
          text: expect.stringContaining('which is complete'),
        });
        const gets = await Promise.allSettled(KEYS.map((key) => map.get(key, { timeoutMs: 2000 })));
        expect(gets.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(20);
      } finally {
        await alone.end('SIGKILL');
      }
    } finally {
      await grid.stop();
    }
  });

  it('is a damaged file: refused by name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
    try {
      const settings = { 'cluster.dataDirectory': folder };
      const member = await MemberProcess.start(memberFlags({ settings }, 1, undefined));
      await member.end('SIGTERM');
      const file = join(folder, 'coordinator.json');
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.slice(0, -20));
      const run = await runCliProcess(['start', ...memberFlags({ settings }, 1, undefined)]);
      expect(run.stderr).toMatch(/coordinator\.json is damaged.*CORRUPT_DATA/);
      expect(run.stderr).toMatch(/hint: restore it/);
      expect(run.code).toBe(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a member that joins', () => {
  it('takes the settings of the grid, unless it was told others', async () => {
    const first = await MemberProcess.start(
      memberFlags({ settings: { 'cluster.partitionCount': 16, 'cluster.expectedMembers': 2 } }, 2, undefined),
    );
    const joining = ['--join', first.address, '--memory', '64MiB', '--set', 'grpc.port=0', '--set', 'http.port=0'];
    try {
      const refused = await runCliProcess(['start', ...joining, '--set', 'cluster.partitionCount=256']);
      expect(refused.stderr).toMatch(/the grid has 16 partitions, this member was told 256 \(INVALID_CONFIG\)/);
      expect(refused.stderr).toMatch(/hint: leave cluster\.partitionCount out/);
      expect(refused.code).toBe(1);
      const second = await MemberProcess.start(joining);
      try {
        expect(await second.page('/readyz')).toMatchObject({ status: 200 });
        const owned = await Promise.all([first, second].map((one) => one.metric('ashlar_partitions_owned')));
        expect(owned[0]! + owned[1]!).toBe(16);
      } finally {
        await second.end('SIGKILL');
      }
    } finally {
      await first.end('SIGKILL');
    }
  });
});

/** The bundle files of a coordinator that keeps its grid on disk. */
async function bundleFiles(folder: string): Promise<string[]> {
  return readdir(join(folder, 'data', 'bundles')).catch(() => []);
}

async function metrics(member: MemberProcess, name: string): Promise<number> {
  return (await member.metric(name))!;
}

/** Ids of the maps there are, where they are to be read. */
async function mapIds(folder: string, kept: string): Promise<number[]> {
  if (kept !== 'on disk') return [];
  const { state } = JSON.parse(await readFile(join(folder, 'data', 'coordinator.json'), 'utf8')) as {
    readonly state: { readonly catalog: { readonly maps: readonly { readonly id: number }[] } };
  };
  return state.catalog.maps.map(({ id }) => id);
}
