import { GridError, seededRandom } from '@ashlar/core';
import type { Key } from '@ashlar/serialization';
import { PARTITION_COUNT } from '@ashlar/transport/testing';
import { type LoadProgress, type LoadSettings, type LoadSource, load, type Router } from './index.ts';
import { get, numbersUpTo, pause, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

const TEXT = 'x'.repeat(1000);
type Entry = readonly [Key, unknown];
const entryOf = (key: number): Entry => [key, `${key} ${TEXT}`];

function* entries(count: number): Generator<Entry> {
  for (let key = 0; key < count; key++) yield entryOf(key);
}

async function* slowly(count: number): AsyncGenerator<Entry> {
  for (const entry of entries(count)) {
    if ((entry[0] as number) % 100 === 0) await pause(1);
    yield entry;
  }
}

/** Entries in batches of 100: a promise for the first of each, the others as they are. */
function inBatches(count: number): LoadSource {
  const all = entries(count);
  let given = 0;
  const next = (): IteratorResult<Entry, undefined> => all.next();
  return {
    [Symbol.asyncIterator]: () => ({ next: () => (given++ % 100 === 0 ? pause(1).then(next) : next()) }),
  };
}

function loading(router: Router, source: LoadSource, settings: LoadSettings = {}, limits = {}) {
  return load(router, router.map('m', undefined), source, undefined, limits, settings);
}

const failureOf = (calling: Promise<unknown>) =>
  calling.then(
    () => undefined as never,
    (error) => error,
  );

describe('a load', () => {
  const sources: readonly [string, (count: number) => LoadSource][] = [
    ['an array', (count) => [...entries(count)]],
    ['a Map', (count) => new Map(entries(count) as Iterable<[number, unknown]>)],
    ['a generator', entries],
    ['an async generator', slowly],
    ['a stream that waits for a batch, and has its entries at hand', inBatches],
  ];
  it.each(sources)('stores the entries of %s, each in one message, and says how many', async (_, make) => {
    await bench.restart(3);
    const router = await bench.connect();
    const told: LoadProgress[] = [];
    const result = await loading(router, make(3000), { onProgress: (progress) => told.push(progress) });
    expect(result).toMatchObject({ entries: 3000, failed: 0, unknown: 0, failures: [] });
    expect(result.bytes).toBeGreaterThan(3_000_000);
    expect(told.at(-1)).toEqual({ entries: 3000, bytes: result.bytes, failed: 0 });
    expect(bench.grid.store.entries.size).toBe(3000);
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
    expect(bench.grid.members.flatMap(({ batches }) => batches).some(({ atomic }) => atomic)).toBe(false);
  });

  it('of nothing ends at once', async () => {
    const router = await bench.connect();
    expect(await loading(router, [])).toEqual({ entries: 0, bytes: 0, failed: 0, unknown: 0, failures: [] });
  });

  it('takes entries only as the grid takes them (L1)', async () => {
    const router = await bench.connect();
    const gate = Promise.withResolvers<void>();
    bench.sole.beforeAnswer = () => gate.promise;
    let taken = 0;
    function* counted(): Generator<Entry> {
      for (const entry of entries(5000)) {
        taken++;
        yield entry;
      }
    }
    const storing = loading(router, counted(), { bytesInFlightMax: 500_000 });
    await until(() => bench.sole.batches.length > 2);
    await pause(50);
    expect(taken).toBeLessThan(1000);
    gate.resolve();
    expect(await storing).toMatchObject({ entries: 5000 });
  });

  it('sends what is gathered while its source is slow (L5)', async () => {
    const router = await bench.connect();
    const more = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<Entry> {
      yield entryOf(1);
      await more.promise;
      yield entryOf(2);
    }
    const storing = loading(router, source());
    await until(() => bench.sole.store.entries.size === 1);
    more.resolve();
    expect(await storing).toMatchObject({ entries: 2 });
  });

  it.each([1, 2, 3])(
    'keeps the order of each key, while members fail and partitions move (L2, L3; seed %i)',
    async (seed) => {
      await bench.restart(3);
      const router = await bench.connect();
      const { grid } = bench;
      const random = seededRandom(seed);
      for (const member of grid.members) {
        member.fail = () => (random.below(100) === 0 ? new GridError('LEASE_EXPIRED', 'behind') : undefined);
      }
      let batches = 0;
      for (const member of grid.members) {
        member.beforeAnswer = () => {
          if (++batches % 7 === 0) grid.assign(numbersUpTo(PARTITION_COUNT).map(() => random.below(3)));
          return random.below(3) === 0 ? pause(random.below(8)) : undefined;
        };
      }
      const last = new Map<number, number>();
      function* source(): Generator<Entry> {
        for (let step = 0; step < 1500; step++) {
          const key = random.below(2) === 0 ? random.below(5) : random.below(800);
          last.set(key, step);
          yield [key, { step, text: 'x'.repeat(300) }];
        }
      }
      expect(await loading(router, source(), {}, { timeoutMs: 20_000 })).toMatchObject({ entries: 1500 });
      for (const member of grid.members) member.fail = undefined;
      for (const [key, step] of last) expect(await get(router, key)).toMatchObject({ step });
      expect(Math.max(...grid.store.applied.values())).toBe(1);
    },
  );
});

describe('a load that fails', () => {
  it('says what was stored when its source throws; as it was where nothing had been', async () => {
    const router = await bench.connect();
    function* source(count: number): Generator<Entry> {
      yield* entries(count);
      throw new TypeError('the source is broken');
    }
    const failure = await failureOf(loading(router, source(700)));
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      cause: { name: 'TypeError' },
      details: { taken: 700, done: 700, notDone: 0, unknown: 0, firstNotDone: 700, cause: 'TypeError' },
    });
    expect(failure.message).toContain('the source is broken');
    expect(bench.sole.store.entries.size).toBe(700);
    expect(await failureOf(loading(router, source(0)))).toMatchObject({ name: 'TypeError' });
  });

  it.each([
    ['an odd value', [5, Symbol('odd')], 'INVALID_VALUE'],
    ['an odd key', [Number.NaN, 1], 'INVALID_KEY'],
    ['no entry', undefined, 'TypeError'],
  ] as const)('stops at %s, and leaves its source', async (_, odd, cause) => {
    const router = await bench.connect();
    let isLeft = false;
    function* source(): Generator<Entry> {
      try {
        yield* entries(1000);
        yield odd as unknown as Entry;
        yield* entries(1_000_000);
      } finally {
        isLeft = true;
      }
    }
    const failure = await failureOf(loading(router, source()));
    expect(failure).toMatchObject({ code: 'PARTIAL', details: { cause, unknown: 0 } });
    const { taken, done, notDone, firstNotDone } = failure.details;
    expect(isLeft).toBe(true);
    expect(bench.sole.store.entries.size).toBe(done);
    expect(taken).toBe(cause === 'TypeError' ? 1000 : 1001);
    expect([done + notDone, done, firstNotDone]).toEqual([taken, 1000, 1000]);
  });

  it('goes on where it is asked to, and lists what failed', async () => {
    const router = await bench.connect();
    bench.sole.fail = (batch, operation) =>
      batch.partitions[operation]! === 3 ? new GridError('OUT_OF_MEMORY', 'full') : undefined;
    function* source(): Generator<Entry> {
      yield* entries(300);
      yield [300, Symbol('odd')];
      yield* [...entries(600)].slice(301);
    }
    const result = await loading(router, source(), { goesOn: true });
    expect(result.entries + result.failed).toBe(600);
    expect(bench.sole.store.entries.size).toBe(result.entries);
    expect(result.unknown).toBe(0);
    expect(result.failures.length).toBe(result.failed);
    expect(result.failures.find(({ key }) => key === 300)).toMatchObject({
      position: 300,
      isInDoubt: false,
      error: { code: 'INVALID_VALUE' },
    });
    const codes = new Set(result.failures.map(({ error }) => error.code));
    expect([...codes].sort()).toEqual(['INVALID_VALUE', 'OUT_OF_MEMORY']);
  });

  it('fails with what was refused where nothing was stored', async () => {
    const router = await bench.connect();
    bench.sole.fail = () => new GridError('OUT_OF_MEMORY', 'full', { hint: 'raise it' });
    const failure = await failureOf(loading(router, entries(10)));
    expect(failure).toMatchObject({
      code: 'OUT_OF_MEMORY',
      hint: 'raise it',
      details: { done: 0, notDone: 10, firstNotDone: 0 },
    });
  });

  it('waits for room in the logs within its time, then says so, without sending anything behind (L2)', async () => {
    const router = await bench.connect();
    bench.sole.fail = () => new GridError('LOG_FULL', 'the log is full');
    const failure = await failureOf(
      loading(router, [
        [1, 'a'],
        [1, 'b'],
      ]),
    );
    expect(failure).toMatchObject({ code: 'LOG_FULL' });
    expect(bench.sole.batches).toHaveLength(1);
  });

  it('names what is in doubt when a member is silent for longer than a batch has', async () => {
    await bench.restart(2);
    const router = await bench.connect();
    bench.grid.members[1]!.beforeAnswer = () => new Promise(() => undefined);
    const failure = await failureOf(loading(router, entries(400), {}, { timeoutMs: 300 }));
    expect(failure).toMatchObject({ code: 'PARTIAL', details: { cause: 'OUTCOME_UNKNOWN' } });
    const { done, unknown, notDone, unknownKeys, taken } = failure.details;
    expect([done + unknown + notDone, unknownKeys.length]).toEqual([taken, unknown]);
    expect(Math.min(done, unknown)).toBeGreaterThan(0);
  });

  it('given up by its caller ends at once, and tells what is in doubt from what was never sent (L4)', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = (batch) =>
      batch.batchId > 0 && bench.sole.batches.length > 1 ? new Promise(() => undefined) : undefined;
    const abort = new AbortController();
    let isLeft = false;
    async function* endless(): AsyncGenerator<Entry> {
      try {
        for (let key = 0; ; key++) {
          if (key % 50 === 0) await pause(1);
          yield entryOf(key);
        }
      } finally {
        isLeft = true;
      }
    }
    const failing = failureOf(loading(router, endless(), {}, { signal: abort.signal }));
    await until(() => bench.sole.batches.length > 2);
    abort.abort();
    const failure = await failing;
    expect(failure).toMatchObject({ code: 'CANCELLED' });
    const { taken, done, notDone, unknown, firstNotDone } = failure.details;
    expect(done + notDone + unknown).toBe(taken);
    expect(firstNotDone).toBe(done);
    expect(unknown).toBeGreaterThan(0);
    await until(() => isLeft);
    expect(await failureOf(loading(router, [], {}, { signal: abort.signal }))).toMatchObject({ code: 'CANCELLED' });
  });

  it('ends with its client, also while its source says nothing', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    async function* silent(): AsyncGenerator<Entry> {
      yield entryOf(1);
      await new Promise(() => undefined);
    }
    const failing = failureOf(loading(router, silent(), { goesOn: true }));
    await until(() => bench.sole.batches.length === 1);
    await router.close();
    expect(await failing).toMatchObject({ code: 'CLIENT_CLOSED' });
    expect(await failureOf(loading(router, entries(1)))).toMatchObject({ code: 'CLIENT_CLOSED' });
  });

  it('ends with what its progress throws', async () => {
    const router = await bench.connect();
    const onProgress = () => {
      throw new RangeError('the terminal is gone');
    };
    const failure = await failureOf(loading(router, entries(100_000), { onProgress }));
    expect(failure).toMatchObject({ code: 'PARTIAL', cause: { message: 'the terminal is gone' } });
    expect(bench.sole.store.entries.size).toBe(failure.details.done);
  });
});
