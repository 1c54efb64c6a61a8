/** `load` against three real members: whole loads, keys that come again, members that are killed or stopped in the middle. */
import { type Grid, GridError, type GridKey, type LoadProgress } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const TEXT = 'x'.repeat(400);

interface Row {
  readonly n: number;
  readonly text: string;
}

function* rows(count: number): Generator<[number, Row]> {
  for (let n = 0; n < count; n++) yield [n, { n, text: TEXT }];
}

async function* slowRows(count: number): AsyncGenerator<[number, Row]> {
  for (const row of rows(count)) {
    if (row[0] % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    yield row;
  }
}

async function errorOf(call: Promise<unknown>): Promise<GridError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GridError);
  return error as GridError;
}

describe('a load into three members', () => {
  let grid: TestGrid;
  let client: Grid;

  beforeAll(async () => {
    grid = await TestGrid.start({ members: 3 });
    client = await grid.connect();
  });

  afterAll(() => grid.stop());

  it('stores every entry once, and tells how far it is', async () => {
    const map = client.map<Row>('loaded');
    const told: LoadProgress[] = [];
    const result = await map.load(slowRows(20_000), { onProgress: (progress) => told.push(progress), ttlMs: 600_000 });
    expect(result).toMatchObject({ entries: 20_000, failed: 0, unknown: 0, failures: [] });
    expect(await map.size()).toBe(20_000);
    const entry = await map.getEntry(19_999);
    expect(entry).toMatchObject({ value: { n: 19_999 } });
    expect(entry!.expiresAtMs).toBeGreaterThan(Date.now());
    expect(told.length).toBeGreaterThan(2);
    expect(told.at(-1)).toMatchObject({ entries: 20_000, bytes: result.bytes });
  });

  it('keeps the order of a key that comes again and again, and gives an event for each', async () => {
    const map = client.map<number>('again');
    await map.put('first', 0);
    const seen: number[] = [];
    const ready = Promise.withResolvers<void>();
    const events = map.subscribe({ where: '__key = $1', params: ['again'], onReady: ready.resolve });
    const reading = (async () => {
      for await (const event of events) {
        seen.push(event.value as number);
        if (event.value === 199) break;
      }
    })();
    await ready.promise;
    function* source(): Generator<[GridKey, number]> {
      for (let step = 0; step < 2000; step++) yield step % 10 === 0 ? ['again', step / 10] : [step, step];
    }
    expect(await map.load(source())).toMatchObject({ entries: 2000, failed: 0 });
    expect(await map.get('again')).toBe(199);
    await reading;
    expect(seen).toEqual(Array.from({ length: 200 }, (_, step) => step));
  });

  it('goes on past what cannot be stored where it is asked to', async () => {
    const map = client.map<unknown>('odd');
    const source: [GridKey, unknown][] = [...rows(500), [500, new Map()], [Number.NaN, 1], [501, 'x']];
    const result = await map.load(source, { onFailure: 'goOn' });
    expect(result).toMatchObject({ entries: 501, failed: 2, unknown: 0 });
    expect(result.failures.map(({ position, error }) => [position, error.code])).toEqual([
      [500, 'INVALID_VALUE'],
      [501, 'INVALID_KEY'],
    ]);
    const failure = await errorOf(map.load(source));
    expect(failure).toMatchObject({ code: 'PARTIAL', details: { cause: 'INVALID_VALUE', taken: 501, unknown: 0 } });
  });

  it.each([
    [42, {}, /takes an iterable/],
    [[], { onFailure: 'skip' }, /onFailure/],
    [[], { bytesInFlightMax: 0 }, /bytesInFlightMax/],
    [[], { onProgress: 5 }, /onProgress/],
    [[], { timeoutMs: -1 }, /timeoutMs/],
  ] as const)('refuses %p with %p', async (source, options, words) => {
    const map = client.map<unknown>('refusing');
    const failure = await errorOf(map.load(source as never, options as never));
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(words) });
  });
});

describe('a load under which a member is lost', () => {
  it('ends, and what it says was stored is there', async () => {
    const grid = await TestGrid.start({ members: 3 });
    try {
      const client = await grid.connect();
      const map = client.map<Row>('killed');
      let ended: Promise<unknown> | undefined;
      const onProgress = ({ entries }: LoadProgress): void => {
        if (entries > 30_000) ended ??= grid.members[2]!.end('SIGKILL');
      };
      const failure = await errorOf(
        map.load(rows(10_000_000), { onProgress, timeoutMs: 2000, bytesInFlightMax: 1 << 20 }),
      );
      await ended;
      expect(failure.code).toBe('PARTIAL');
      const { taken, done, notDone, unknown, firstNotDone } = failure.details as Record<string, number>;
      expect(done! + notDone! + unknown!).toBe(taken);
      expect(firstNotDone).toBeLessThan(taken!);
      expect(done).toBeGreaterThan(30_000);
      // No more than 1 MiB was under way.
      expect(firstNotDone).toBeGreaterThan(5000);
      // Of the entries before the first that failed, those of members that live are there.
      const found = await Promise.allSettled(Array.from({ length: 500 }, (_, n) => map.get(n, { timeoutMs: 5000 })));
      const values = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(values.length).toBeGreaterThan(100);
      expect(values.every((value) => value !== undefined)).toBe(true);
    } finally {
      await grid.stop();
    }
  });

  it('holds a bounded part of its source while a member does not take anything', async () => {
    const grid = await TestGrid.start({ members: 3 });
    const stopped = grid.members[2]!;
    try {
      const client = await grid.connect();
      const map = client.map<Row>('stopped');
      await map.put(0, { n: 0, text: TEXT });
      let taken = 0;
      function* source(): Generator<[number, Row]> {
        for (const row of rows(60_000)) {
          taken++;
          yield row;
        }
      }
      process.kill(stopped.pid, 'SIGSTOP');
      const loading = map.load(source(), { bytesInFlightMax: 1 << 20, timeoutMs: 60_000 });
      let before = -1;
      for (let quiet = 0; quiet < 20; before = taken) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        quiet = taken === before ? quiet + 1 : 0;
      }
      expect(taken).toBeLessThan(20_000);
      process.kill(stopped.pid, 'SIGCONT');
      expect(await loading).toMatchObject({ entries: 60_000, failed: 0 });
    } finally {
      process.kill(stopped.pid, 'SIGCONT');
      await grid.stop();
    }
  });
});
