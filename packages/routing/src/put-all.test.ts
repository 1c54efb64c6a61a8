import { encodeKey } from '@ashlar/serialization';
import { PARTITION_COUNT } from '@ashlar/transport/testing';
import { putAll } from './index.ts';
import { get, numbersUpTo, put, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

const TEXT = 'x'.repeat(1000);
const entriesUpTo = (count: number): [number, unknown][] => numbersUpTo(count).map((key) => [key, `${key} ${TEXT}`]);
const failureOf = (calling: Promise<unknown>) =>
  calling.then(
    () => undefined as never,
    (error) => error,
  );

describe('put-all P1', () => {
  it('all of a partition travel in one message, many partitions in each, and the last of a key counts', async () => {
    const router = await bench.connect();
    const entries = [...entriesUpTo(2000), ...numbersUpTo(100).map((key): [number, unknown] => [key, 'last'])];
    await putAll(router, router.map('m', undefined), entries, undefined, {});
    const { batches, store } = bench.sole;
    const partitions = batches.flatMap((batch) => [...new Set(batch.partitions)]);
    expect(new Set(partitions).size).toBe(partitions.length);
    expect(batches.length).toBeGreaterThan(3);
    expect(batches.length).toBeLessThan(partitions.length);
    expect(batches.every(({ atomic }) => atomic)).toBe(true);
    expect(store.entries.size).toBe(2000);
    expect(Math.max(...store.applied.values())).toBe(1);
    for (const key of [0, 7, 99]) expect(await get(router, key)).toBe('last');
    expect(await get(router, 100)).toBe(`100 ${TEXT}`);
  });
});

describe('put-all P2', () => {
  const bad: readonly [string, unknown, string][] = [
    ['a symbol', Symbol('bad'), 'INVALID_VALUE'],
    ['undefined', undefined, 'INVALID_VALUE'],
    ['an odd object', { deep: [new Map()] }, 'INVALID_VALUE'],
    ['a long text', 'x'.repeat((1 << 20) + 1), 'VALUE_TOO_LARGE'],
  ];
  it.each(bad)('nothing leaves where the last of many values is %s', async (_, value, code) => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    for (const count of [3, 900, 5000]) {
      const failure = await failureOf(putAll(router, map, [...entriesUpTo(count), [-1, value]], undefined, {}));
      expect(failure.code).toBe(code);
    }
    await put(router, 1, 'after');
    expect(bench.sole.batches.map(({ count }) => count)).toEqual([1]);
  });

  it('nothing leaves where a partition has more than fits in a message', async () => {
    const router = await bench.connect();
    const map = router.map('m', { affinityParts: 1 });
    bench.sole.affinityParts.set('m', 1);
    const together = (count: number, text: string) =>
      numbersUpTo(count).map((n): [readonly [string, number], string] => [['together', n], text]);
    const long = 'x'.repeat(100_000);
    const failure = await failureOf(putAll(router, map, together(50, long), undefined, {}));
    expect(failure).toMatchObject({ code: 'MESSAGE_TOO_LARGE', hint: expect.stringContaining('load') });
    // In characters of two bytes it is known only by encoding it.
    const wide = await failureOf(putAll(router, map, together(30, 'é'.repeat(100_000)), undefined, {}));
    expect(wide).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(bench.sole.batches).toEqual([]);
    await putAll(router, map, together(30, long), undefined, {});
    expect(bench.sole.store.entries.size).toBe(30);
  });

  it('nothing leaves where the iterable throws', async () => {
    const router = await bench.connect();
    function* source(): Generator<[number, unknown]> {
      yield* entriesUpTo(5000);
      throw new TypeError('the source is broken');
    }
    const failure = await failureOf(putAll(router, router.map('m', undefined), source(), undefined, {}));
    expect(failure).toMatchObject({ name: 'TypeError', message: 'the source is broken' });
    expect(bench.sole.batches).toEqual([]);
  });

  it('a value that goes bad while others are sent leaves whole partitions done, and the rest not done', async () => {
    const router = await bench.connect();
    const entries = entriesUpTo(5000);
    let isBad = false;
    for (const entry of entries.slice(0, 4000)) {
      const [key, value] = entry;
      entry[1] = {
        get text() {
          return isBad && key > 2000 ? Symbol('bad') : value;
        },
      };
    }
    bench.sole.beforeAnswer = () => {
      isBad = true;
      return undefined;
    };
    const failure = await failureOf(putAll(router, router.map('m', undefined), entries, undefined, {}));
    expect(failure).toMatchObject({ code: 'PARTIAL', details: { cause: 'INVALID_VALUE', unknown: 0 } });
    const { done, notDone } = failure.details;
    expect(done + notDone).toBe(5000);
    expect(bench.sole.store.entries.size).toBe(done);
    const map = router.map('m', undefined);
    const stored = new Set(bench.sole.batches.flatMap(({ partitions }) => [...partitions]));
    const wanted = entries.filter(([key]) => {
      const bytes = encodeKey(key);
      return stored.has(router.partitionOf(map, bytes, 0, bytes.length));
    });
    expect(wanted.length).toBe(done);
  });
});

describe('put-all P3', () => {
  it('a member that does not answer holds a bounded number of bytes of a call', async () => {
    const router = await bench.connect();
    const gate = Promise.withResolvers<void>();
    bench.sole.beforeAnswer = () => gate.promise;
    const storing = putAll(router, router.map('m', undefined), entriesUpTo(12_000), undefined, { timeoutMs: 60_000 });
    await until(() => bench.sole.batches.length > 3);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const bytes = bench.sole.batches.reduce((sum, { values }) => sum + values.length, 0);
    expect(bytes).toBeLessThan(5 << 20);
    gate.resolve();
    await storing;
    expect(bench.sole.store.entries.size).toBe(12_000);
  });

  it('what a short call was given may be changed once it has returned', async () => {
    const router = await bench.connect();
    const value = { n: 1 };
    const key = Uint8Array.of(1, 2);
    const storing = putAll(router, router.map('m', undefined), [[key, value]], undefined, {});
    value.n = 2;
    key[0] = 9;
    await storing;
    const [batch] = bench.sole.batches;
    expect([...batch!.values]).toEqual([0x81, 0xa1, 0x6e, 1]);
    expect([...batch!.keys]).toEqual([...encodeKey(Uint8Array.of(1, 2))]);
  });

  it('cancelled in the middle, what has not left is not in doubt', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const abort = new AbortController();
    const limits = { signal: abort.signal };
    const failing = failureOf(putAll(router, router.map('m', undefined), entriesUpTo(12_000), undefined, limits));
    await until(() => bench.sole.batches.length > 3);
    abort.abort();
    const failure = await failing;
    expect(failure.code).toBe('CANCELLED');
    const { asked, done, notDone, unknown } = failure.details;
    expect([asked, done]).toEqual([12_000, 0]);
    expect(notDone + unknown).toBe(12_000);
    expect(unknown).toBeLessThan(6_000);
    expect(unknown).toBeGreaterThan(500);
  });
});

describe('put-all P4', () => {
  it('what was gathered for a member that leaves finds its own way', async () => {
    await bench.restart(3);
    const router = await bench.connect();
    const { grid } = bench;
    let hasMoved = false;
    for (const member of grid.members) {
      member.beforeAnswer = () => {
        if (!hasMoved) grid.assign(numbersUpTo(PARTITION_COUNT).map((partition) => partition % 2));
        hasMoved = true;
        return undefined;
      };
    }
    await putAll(router, router.map('m', undefined), entriesUpTo(5000), undefined, {});
    expect(hasMoved).toBe(true);
    expect(grid.store.entries.size).toBe(5000);
    expect(Math.max(...grid.store.applied.values())).toBe(1);
  });
});
