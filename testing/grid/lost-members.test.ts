/** Members that are lost, members that come back, grids that await members: what callers see, and when. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Grid, GridError, type GridMap, ready } from '@ashlar/client';
import * as jobs from './fixtures/jobs.ts';
import { EventLog } from './support/event-log.ts';
import { memberFlags } from './support/grid.ts';
import { MemberProcess, runCliProcess } from './support/member-process.ts';
import { acceptLosses, logged, lossesTold, RestartableGrid } from './support/restartable-grid.ts';

const JOBS = fileURLToPath(new URL('fixtures/jobs.ts', import.meta.url));
const KEYS = Array.from({ length: 100 }, (_, key) => key);
/** Nobody waits so long: what is told in time was told early. */
const FOREVER_MS = 600_000;
/** Time for several tries, also on a busy machine. */
const WAIT_MS = 1500;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Words of the library under the grid. */
const FOREIGN = /gRPC|Resolution note|Last error|ECONN|UNAVAILABLE|RST_STREAM|No connection established|dns:/;

/** Everything that an error says to a user. */
function textOf(error: unknown): string {
  const { message, hint, details } = GridError.wrap(error);
  return JSON.stringify({ message, hint, details });
}

async function errorOf(call: Promise<unknown>): Promise<GridError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GridError);
  expect(textOf(error)).not.toMatch(FOREIGN);
  return error as GridError;
}

/** Every verb of a grid, each with `timeoutMs`. `key` is one whose member is asked for. */
function everyVerb(grid: Grid, map: GridMap<number, { n: number }>, key: number, timeoutMs: number) {
  const call = { timeoutMs };
  const drain = async (items: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of items);
  };
  return {
    get: () => map.get(key, call),
    getEntry: () => map.getEntry(key, call),
    put: () => map.put(key, { n: 1 }, call),
    putIfAbsent: () => map.putIfAbsent(key, { n: 1 }, call),
    replace: () => map.replace(key, { n: 1 }, call),
    remove: () => map.remove(key, call),
    has: () => map.has(key, call),
    process: () => map.process(key, ready.increment, { path: 'n', by: 1 }, call),
    processWhere: () => map.processWhere('n >= $1', [0], ready.increment, { path: 'n', by: 1 }, call),
    select: () => grid.sql('SELECT count(*) AS n FROM lost', [], call).all(),
    update: () => grid.sql('UPDATE lost SET n = 1', [], call).execute(),
    entries: () => drain(map.entries(call)),
    run: () => grid.run(jobs.total, { map: 'lost' }, call),
    size: () => map.size(call),
    clear: () => map.clear(call),
    maps: () => grid.maps(call),
  };
}

describe('a member that is killed', () => {
  let grid: RestartableGrid;
  let client: Grid;
  let map: GridMap<number, { n: number }>;
  let lost: number;

  beforeAll(async () => {
    grid = await RestartableGrid.start();
    client = await grid.connect();
    map = client.map<{ n: number }>('lost') as unknown as GridMap<number, { n: number }>;
    await map.putAll(KEYS.map((n) => [n, { n }]));
    await client.deploy(JOBS);
    await grid.member(1).end('SIGKILL');
    const gets = await Promise.allSettled(KEYS.map((key) => map.get(key, { timeoutMs: FOREVER_MS })));
    lost = gets.findIndex(({ status }) => status === 'rejected');
  });

  afterAll(() => grid.stop());

  it('is named by every call that needs it, at once, and may be repeated', async () => {
    const name = grid.member(1).name;
    for (const [verb, call] of Object.entries(everyVerb(client, map, lost, FOREVER_MS))) {
      const { code, retryable, details } = await errorOf(call());
      expect({ verb, code, retryable, member: details?.['member'] }).toEqual({
        ...{ verb, code: 'MEMBER_UNREACHABLE', retryable: true, member: name },
      });
    }
    const { details } = await errorOf(map.getAll(KEYS, { timeoutMs: FOREVER_MS }));
    expect(details!['failed']).toBeGreaterThan(10);
  });

  it('takes nothing from the keys of the others', async () => {
    const gets = await Promise.allSettled(KEYS.map((key) => map.get(key)));
    expect(gets.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(10);
  });

  it('has its line in ping and stats, beside those of the others', async () => {
    for (const told of [await client.ping(), await client.stats()]) {
      expect(told.map(({ error }) => error?.code)).toEqual([undefined, 'MEMBER_UNREACHABLE']);
      expect(textOf(told[1]!.error)).not.toMatch(FOREIGN);
    }
    const ping = await runCliProcess(['ping', '--address', grid.addresses[0]!]);
    expect(ping.stdout).toMatch(new RegExp(`${grid.addresses[1]} .*MEMBER_UNREACHABLE`));
    expect(ping.stdout).toMatch(new RegExp(`${grid.addresses[0]} .*ms`));
    expect(ping.code).toBe(1);
    const stats = await runCliProcess(['stats', '--address', grid.addresses[0]!]);
    expect(stats.stdout).toMatch(/MEMBER_UNREACHABLE/);
    expect(stats.code).toBe(0);
  });

  it('comes back with nothing, however soon: what it held is lost for every call, and all else is served', async () => {
    await grid.startOne(1);
    const partitions = await lossesTold(client);
    while ((await errorOf(map.get(lost, { timeoutMs: FOREVER_MS }))).code !== 'PARTITION_LOST') await pause(20);
    const { maps: _told, ...verbs } = everyVerb(client, map, lost, FOREVER_MS);
    for (const [verb, call] of Object.entries(verbs)) {
      const { code, retryable, details } = await errorOf(call());
      expect({ verb, code, retryable, details }).toMatchObject({
        ...{ verb, code: 'PARTITION_LOST', retryable: false },
      });
    }
    const gets = await Promise.allSettled(KEYS.map((key) => map.get(key)));
    expect(gets.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(10);
    const shown = await runCliProcess(['cluster', '--address', grid.addresses[0]!]);
    expect(shown.stdout).toMatch(new RegExp(`${partitions.length} lost`));
    const ready = await grid.member(0).page('/readyz');
    expect(ready).toMatchObject({ status: 200, text: expect.stringContaining(`${partitions.length} of`) });
  });

  it('is told by the others once when it is lost, once when it is back, and serves its keys by an operator', async () => {
    const { name } = grid.member(1);
    const recovering = ['recover', '--accept-loss', 'all', '--address', grid.addresses[0]!];
    expect(await runCliProcess(recovering)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/begun anew, empty/),
    });
    while ((await Promise.allSettled([map.put(lost, { n: 7 })]))[0].status === 'rejected') await pause(20);
    expect(await map.get(lost)).toEqual({ n: 7 });
    expect(await client.sql('SELECT n FROM lost WHERE n = 7').all()).toContainEqual({ n: 7 });
    while (logged(grid.member(0), 'member is back').length === 0) await pause(20);
    expect(logged(grid.member(0), 'member is lost')).toMatchObject([{ member: name }]);
    expect(logged(grid.member(0), 'member is back')).toMatchObject([{ member: name }]);
  });
});

describe.each(['in memory', 'on disk'])('a grid (its table %s) all of whose members are started again', (kept) => {
  let grid: RestartableGrid;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
    grid = await RestartableGrid.start({
      firstSettings: { 'cluster.dataDirectory': kept === 'on disk' ? folder : '' },
    });
  });

  afterAll(async () => {
    await grid.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('goes on under the clients that were connected; what it held is lost, and said to be, or it is another grid', async () => {
    const client = await grid.connect();
    const map = client.map<{ n: number }>('restarted');
    await map.putAll(KEYS.map((n) => [n, { n }]));
    const log = await EventLog.open(map);
    await Promise.all([0, 1].map((index) => grid.member(index).end('SIGTERM')));
    for (const call of [map.get(1, { timeoutMs: 300 }), map.put(1, { n: 1 }, { timeoutMs: 300 })]) await errorOf(call);
    await errorOf(client.sql('SELECT 1 AS one', [], { timeoutMs: 300 }).all());
    const puts = () => [
      map.put(1, { n: 2 }, { timeoutMs: FOREVER_MS }),
      map.process(2, ready.increment, { path: 'n', by: 1 }, { timeoutMs: FOREVER_MS }),
      map.putAll([[3, { n: 3 }]], { timeoutMs: FOREVER_MS }),
    ];
    const waiting = Promise.allSettled(puts());
    await grid.startAll();
    const outcomes = await waiting;
    if (kept === 'on disk') {
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ status: 'rejected' });
        expect(JSON.stringify(outcome)).toMatch(/PARTITION_LOST/);
      }
      await acceptLosses(client);
      await Promise.all(puts());
    } else for (const { status } of outcomes) expect(status).toBe('fulfilled');
    expect(await map.getAll([1, 2, 3, 4])).toEqual([{ n: 2 }, { n: 1 }, { n: 3 }, undefined]);
    expect(await client.sql('SELECT count(*) AS n FROM restarted').all()).toEqual([{ n: 3 }]);
    expect(await log.ended).toMatchObject({ code: kept === 'on disk' ? 'PARTITION_LOST' : 'SEQUENCE_GONE' });
  });
});

describe('a member with a name', () => {
  it('is found where it comes back, though its port is another', async () => {
    const flags = (name: string, join?: string) => memberFlags({ settings: { name } }, 2, join);
    const first = await MemberProcess.start(flags('first'));
    const members = [first, await MemberProcess.start(flags('second', first.address))];
    const client = await connect({ seeds: [first.address] });
    try {
      const map = client.map<{ n: number }>('moved');
      await map.putAll(KEYS.map((n) => [n, { n }]));
      await members[1]!.end('SIGKILL');
      members.push(await MemberProcess.start(flags('second', first.address)));
      expect(members[2]!.address).not.toBe(members[1]!.address);
      await acceptLosses(client);
      const puts = () => Promise.allSettled(KEYS.map((n) => map.put(n, { n })));
      while ((await puts()).some(({ status }) => status === 'rejected')) await pause(20);
      expect(await client.sql('SELECT count(*) AS n FROM moved').all()).toEqual([{ n: KEYS.length }]);
      expect((await client.ping()).map(({ address, error }) => [address, error])).toEqual([
        [first.address, undefined],
        [members[2]!.address, undefined],
      ]);
    } finally {
      await client.close();
      await Promise.all(members.map((member) => (member.hasEnded ? undefined : member.end('SIGKILL'))));
    }
  });
});

describe('a grid that still awaits a member', () => {
  let grid: RestartableGrid;
  let folder: string;

  beforeAll(async () => {
    grid = await RestartableGrid.make();
    await grid.startOne(0);
    folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
  });

  afterAll(async () => {
    await grid.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('lets every call wait for its time, and says who has joined and how many are missing', async () => {
    const client = await grid.connect();
    const map = client.map<{ n: number }>('lost') as unknown as GridMap<number, { n: number }>;
    const verbs = everyVerb(client, map, 1, WAIT_MS);
    const { run: _undeployed, ...known } = verbs;
    const missing = { joined: [grid.member(0).name], expected: 2, missing: 1 };
    const all = Object.entries({
      ...known,
      getAll: () => map.getAll(KEYS, { timeoutMs: WAIT_MS }),
      putAll: () => map.putAll([[1, { n: 1 }]], { timeoutMs: WAIT_MS }),
      deploy: () => client.deploy(JOBS, { timeoutMs: WAIT_MS }),
      drop: () => client.drop('lost', { timeoutMs: WAIT_MS }),
      subscribe: () => map.subscribe({ timeoutMs: WAIT_MS }).next(),
    });
    await Promise.all(
      all.map(async ([verb, call]) => {
        const { code, details } = await errorOf(call());
        expect({ verb, code, details }).toMatchObject({ verb, code: 'GRID_INCOMPLETE', details: missing });
      }),
    );
    expect(await client.ping()).toMatchObject([{ error: undefined }]);
  });

  it('says so on the command line', async () => {
    const file = join(folder, 'rows.ndjson');
    await writeFile(file, '{"n":1}\n{"n":2}\n');
    const at = ['--address', grid.addresses[0]!];
    const commands = [
      ['put', 'm', 'k', '1'],
      ['get', 'm', 'k'],
      ['import', file, '--map', 'm'],
    ];
    await Promise.all(
      commands.map(async (command) => {
        const { code, stderr } = await runCliProcess([...command, ...at]);
        expect(code).toBe(1);
        expect(stderr).toMatch(/awaits 1 more of 2 members.*GRID_INCOMPLETE/);
      }),
    );
  });

  it('serves what waited once the member is there', async () => {
    const client = await grid.connect();
    const map = client.map<{ n: number }>('awaited');
    const waiting = [map.put(1, { n: 1 }, { timeoutMs: FOREVER_MS }), client.deploy(JOBS, { timeoutMs: FOREVER_MS })];
    const log = EventLog.open(map);
    await grid.startOne(1);
    await Promise.all(waiting);
    expect(await map.get(1)).toEqual({ n: 1 });
    await (await log).stop();
  });
});
