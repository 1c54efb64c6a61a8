/** Clients whose connection breaks, clients that vanish: each change applies once, nothing is lost, nothing hangs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Grid, GridError, type GridKey, type GridMap, ready } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';
import { endingOf } from './support/member-process.ts';
import { freePort, type Loss, TcpProxy } from './support/tcp-proxy.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a connection that is cut while increments go on', () => {
  let proxy: TcpProxy;
  let grid: TestGrid;
  let client: Grid;

  beforeAll(async () => {
    const port = await freePort();
    proxy = await TcpProxy.listen(port);
    const settings = { 'grpc.port': port, 'grpc.advertise': proxy.address };
    grid = await TestGrid.start({ members: 1, settings });
    client = await grid.connect();
  });

  afterAll(async () => {
    await grid.stop();
    await proxy.close();
  });

  it.each<Loss>(['requests', 'answers', 'none'])(
    'applies each once, also when %s were lost before the cut',
    async (loss) => {
      const map = client.map<{ n: number }>(`sums-${loss}`);
      const stop = new AbortController();
      const tally = { acknowledged: 0, unknown: 0 };
      const counting = Array.from({ length: 32 }, (_, caller) => countUp(map, `k${caller % 8}`, tally, stop.signal));
      for (let round = 1; round <= 12; round += 1) {
        while (tally.acknowledged < round * 100) await pause(5);
        proxy.loss = loss;
        await pause(loss === 'none' ? 0 : 20);
        proxy.cut();
        proxy.loss = 'none';
      }
      stop.abort();
      await Promise.all(counting);
      const { acknowledged, unknown } = tally;
      const counts = await map.getAll(Array.from({ length: 8 }, (_, key) => `k${key}`));
      const total = counts.reduce((sum, value) => sum + (value?.n ?? 0), 0);
      expect(total).toBeGreaterThanOrEqual(acknowledged);
      expect(total).toBeLessThanOrEqual(acknowledged + unknown);
      expect(unknown).toBe(0);
    },
  );

  it('loses nothing of a putAll, and counts each conditional change once', async () => {
    const map = client.map<number>('loaded');
    const loading = map.putAll(Array.from({ length: 60_000 }, (_, key) => [key, key]));
    for (let round = 0; round < 5; round += 1) {
      await pause(20);
      proxy.cut();
    }
    await loading;
    expect(await map.size()).toBe(60_000);
    const adding = Array.from({ length: 2000 }, (_, key) => map.putIfAbsent(`new ${key}`, key));
    await pause(1);
    proxy.cut();
    expect((await Promise.all(adding)).every(Boolean)).toBe(true);
    const removing = Array.from({ length: 2000 }, (_, key) => map.getAndRemove(`new ${key}`));
    await pause(1);
    proxy.cut();
    expect(await Promise.all(removing)).toEqual(Array.from({ length: 2000 }, (_, key) => key));
  });
});

describe.each(['after', 'before'] as const)('a stalled link that delivers what it held %s the resend', (when) => {
  let proxy: TcpProxy;
  let grid: TestGrid;
  let client: Grid;

  beforeAll(async () => {
    const port = await freePort();
    proxy = await TcpProxy.listen(port);
    const settings = { 'grpc.port': port, 'grpc.advertise': proxy.address };
    grid = await TestGrid.start({ members: 1, settings });
    client = await grid.connect();
  });

  afterAll(async () => {
    await grid.stop();
    await proxy.close();
  });

  /** Sends `changes` over a link that stalls, so that they are sent again on another one; `later` follows their answers. */
  const stalled = async (changes: () => Promise<unknown>, later: () => Promise<unknown>): Promise<void> => {
    proxy.hold();
    const changing = changes();
    while (proxy.heldBytes === 0) await pause(1);
    await pause(5);
    proxy.abandon();
    if (when === 'before') proxy.deliver();
    // A round trip over HTTP: the member reads its sockets in the order of their bytes.
    await grid.members[0]!.page('/healthz');
    proxy.flow();
    await changing;
    await later();
    proxy.deliver();
    await grid.members[0]!.page('/healthz');
  };

  it('applies appends, counters and their like once', async () => {
    const map = client.map<{ n: number; all: number[] }>('once');
    await map.put('k', { n: 0, all: [] });
    for (let round = 1; round <= 5; round++) {
      await stalled(
        () =>
          Promise.all([
            map.process('k', ready.increment, { path: 'n', by: 1 }),
            map.process('k', ready.append, { path: 'all', items: [round] }),
          ]),
        () => map.process('k', ready.increment, { path: 'n', by: 1 }),
      );
    }
    const { n, all } = (await map.get('k'))!;
    expect([n, all]).toEqual([10, [1, 2, 3, 4, 5]]);
  });

  it('keeps what was written and acknowledged later', async () => {
    const map = client.map<string>('kept');
    for (let round = 0; round < 5; round++) {
      await stalled(
        () => Promise.all([map.put('a', 'OLD'), map.putAll([['b', 'OLD']]), map.put('c', 'OLD')]),
        () => Promise.all([map.put('a', 'NEW'), map.put('b', 'NEW'), map.remove('c')]),
      );
      expect(await map.getAll(['a', 'b', 'c'])).toEqual(['NEW', 'NEW', undefined]);
    }
  });

  it('voids what its caller gave up', async () => {
    const map = client.map<string>('left');
    await map.put('k', 'FIRST');
    proxy.hold();
    await expect(map.put('k', 'GIVEN UP', { timeoutMs: 100 })).rejects.toMatchObject({ retryable: false });
    proxy.abandon();
    proxy.flow();
    await map.put('k', 'NEW');
    proxy.deliver();
    await grid.members[0]!.page('/healthz');
    expect(await map.get('k')).toBe('NEW');
  });
});

describe('a client that vanishes', () => {
  let grid: TestGrid;
  let client: Grid;

  beforeAll(async () => {
    grid = await TestGrid.start({ members: 2 });
    client = await grid.connect();
  });

  afterAll(() => grid.stop());

  it('in the middle of a load has stored all it was acknowledged, and the grid goes on', async () => {
    const child = spawnClient('load', grid.seeds);
    const acknowledged = await lastNumber(child, 20);
    const map = client.map<{ n: number; text: string }>('vanished');
    const keys = Array.from({ length: acknowledged }, (_, key) => key);
    const values = await map.getAll(keys);
    expect(values.map((value) => value?.n)).toEqual(keys);
    await expectCalm(grid);
    await map.put(-1, { n: -1, text: '' });
    expect(await map.get(-1)).toMatchObject({ n: -1 });
  });

  it('in the middle of the rows of a SELECT, of a listing and of a subscription leaves nothing behind', async () => {
    const map = client.map<{ n: number; text: string }>('big');
    await map.putAll(Array.from({ length: 40_000 }, (_, n) => [n, { n, text: 'some text '.repeat(20) }]));
    for (const part of ['select', 'entries', 'subscribe']) {
      const child = spawnClient(part, grid.seeds);
      const writing = part === 'subscribe' ? writeALittle(map) : undefined;
      await lastNumber(child, 2);
      await writing;
    }
    await expectCalm(grid);
    expect(await client.sql<{ n: number }>('SELECT count(*) AS n FROM big').all()).toHaveLength(1);
    expect(await map.size()).toBe(40_000);
  });

  it('by close() rejects its later calls and takes nothing from the others', async () => {
    const others = await Promise.all([grid.connect(), grid.connect(), grid.connect()]);
    await Promise.all(others.map((other, index) => other.map('shared').put(index, index)));
    const underWay = others[0]!.map('shared').put(3, 3);
    await Promise.all([others[0]!.close(), underWay.catch(() => undefined)]);
    await expect(others[0]!.map('shared').get(0)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    expect(await others[1]!.map('shared').getAll([0, 1, 2])).toEqual([0, 1, 2]);
  });
});

interface Tally {
  acknowledged: number;
  unknown: number;
}

/** Adds 1 to a key again and again, each time when the answer is there. */
async function countUp(
  map: GridMap<GridKey, { n: number }>,
  key: string,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await map.process(key, ready.increment, { path: 'n', by: 1 });
      tally.acknowledged += 1;
    } catch (error) {
      if (GridError.is(error, 'OUTCOME_UNKNOWN')) tally.unknown += 1;
      else throw error;
    }
  }
}

function spawnClient(part: string, seeds: readonly string[]): ChildProcess {
  const script = fileURLToPath(new URL('support/vanishing-client.ts', import.meta.url));
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', script, part, seeds.join(',')];
  const { NODE_OPTIONS: _unwanted, ...env } = process.env;
  return spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'inherit'], env });
}

/** Reads `count` numbers, kills the child where it stands, and gives the last one it told. */
async function lastNumber(child: ChildProcess, count: number): Promise<number> {
  const ended = endingOf(child);
  let told = 0;
  let last = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    last = Number(line);
    told += 1;
    if (told === count) child.kill('SIGKILL');
  }
  expect((await ended).signal).toBe('SIGKILL');
  expect(told).toBeGreaterThanOrEqual(count);
  return last;
}

async function writeALittle(map: GridMap<GridKey, { n: number; text: string }>): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    await map.put(round, { n: round, text: 'changed' });
    await pause(5);
  }
}

/** No snapshot, no subscription, no task is left of who has gone. */
async function expectCalm(grid: TestGrid): Promise<void> {
  const left = async (): Promise<number> => {
    const names = ['ashlar_snapshots_open', 'ashlar_subscriptions', 'ashlar_pool_busy', 'ashlar_pool_queued'];
    const counts = await Promise.all(grid.members.flatMap((member) => names.map((name) => member.metric(name))));
    return counts.reduce<number>((sum, count) => sum + count!, 0);
  };
  for (let tries = 0; tries < 100 && (await left()) > 0; tries += 1) await pause(50);
  expect(await left()).toBe(0);
}
