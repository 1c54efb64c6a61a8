import { GridError } from '@ashlar/core';
import { OPCODE } from '@ashlar/transport';
import { PARTITION_COUNT } from '@ashlar/transport/testing';
import { forAll, NOTHING, putAll } from './index.ts';
import { get, numbersUpTo, pause, put, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

describe('group calls', () => {
  const pairs = (count: number): [number, { n: number; text: string }][] =>
    numbersUpTo(count).map((n) => [n, { n, text: `text of ${n}` }]);

  it('put and get all, in the order of the keys', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    await putAll(router, map, pairs(5000), undefined, {});
    const keys = [4999, -1, 0, 17];
    expect(await forAll(router, OPCODE.GET, map, keys, NOTHING, undefined, {}, 'getAll')).toEqual([
      { n: 4999, text: 'text of 4999' },
      undefined,
      { n: 0, text: 'text of 0' },
      { n: 17, text: 'text of 17' },
    ]);
  });

  it('keep the entries of one partition in one atomic batch, however many they are', async () => {
    const router = await bench.connect();
    await putAll(router, router.map('m', undefined), pairs(60_000), { ttlMs: 5 }, {});
    const seen = new Map<number, number>();
    for (const batch of bench.sole.batches) {
      expect(batch.atomic).toBe(true);
      expect(batch.ttlOperations).toHaveLength(batch.count);
      for (const partition of new Set(batch.partitions)) seen.set(partition, (seen.get(partition) ?? 0) + 1);
    }
    expect(seen.size).toBe(PARTITION_COUNT);
    expect(Math.max(...seen.values())).toBe(1);
    expect(bench.grid.store.entries.size).toBe(60_000);
  });

  it('that fail name the keys', async () => {
    const router = await bench.connect();
    bench.sole.fail = (batch, operation) =>
      batch.partitions[operation] === 3 ? new GridError('OUT_OF_MEMORY', 'full', { hint: 'raise it' }) : undefined;
    const failure = await putAll(router, router.map('m', undefined), pairs(200), undefined, {}).catch((error) => error);
    expect(failure).toMatchObject({ code: 'OUT_OF_MEMORY', hint: 'raise it', details: { asked: 200 } });
    const named = failure.details.keys.map((key: string) => JSON.parse(key));
    const stored = bench.grid.store.entries.size;
    expect(failure.details.failed).toBe(200 - stored);
    expect(named.length).toBeGreaterThan(0);
    expect(named.every((key: unknown) => typeof key === 'number')).toBe(true);
  });

  it('refuse an entry that cannot be stored before anything is sent', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const entries: [number, unknown][] = [
      [1, 'good'],
      [2, Symbol('bad')],
    ];
    await expect(putAll(router, map, entries, undefined, {})).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await pause(20);
    expect(bench.grid.store.entries.size).toBe(0);
  });

  it('have as much time as they make progress, and no more than they are given', async () => {
    const router = await bench.connect({ timeoutMs: 300 });
    const map = router.map('m', undefined);
    let turn = 0;
    bench.sole.beforeAnswer = () => pause(100 * ++turn);
    await putAll(router, map, pairs(40_000), undefined, {});
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    await expect(putAll(router, map, pairs(10), undefined, {})).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expect(putAll(router, map, pairs(10), undefined, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      details: { timeoutMs: 50 },
    });
  });

  it('of nothing end at once', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    await putAll(router, map, [], undefined, {});
    expect(await forAll(router, OPCODE.GET, map, [], NOTHING, undefined, {}, 'getAll')).toEqual([]);
  });

  it('that fail while they wait for room end, and give their place free', async () => {
    const router = await bench.connect({ timeoutMs: 300 });
    const map = router.map('m', undefined);
    await bench.sole.stop();
    const large: [number, string][] = numbersUpTo(1000).map((key) => [key, 'x'.repeat(50_000)]);
    const failed = { code: expect.stringMatching(/CONNECTION_LOST|DEADLINE_EXCEEDED/), details: { failed: 1000 } };
    await expect(putAll(router, map, large, undefined, {})).rejects.toMatchObject(failed);
    await expect(putAll(router, map, large, undefined, {})).rejects.toMatchObject(failed);
  });

  it('that are sent again keep the entries of a partition together', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const { port } = bench.sole;
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const large: [number, string][] = numbersUpTo(400).map((key) => [key, 'x'.repeat(50_000)]);
    const loading = putAll(router, map, large, undefined, {});
    await until(() => bench.sole.batches.length > 2);
    await bench.sole.stop();
    bench.sole.batches.length = 0;
    bench.sole.beforeAnswer = undefined;
    await bench.sole.start(port);
    await loading;
    const partitions = bench.sole.batches.flatMap((batch) => [...new Set(batch.partitions)]);
    expect(new Set(partitions).size).toBe(partitions.length);
    expect(bench.sole.batches.every(({ atomic }) => atomic)).toBe(true);
    expect(bench.grid.store.entries.size).toBe(400);
  });

  it('survive a restart under them, applied once', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const { port } = bench.sole;
    const loading = putAll(router, map, pairs(50_000), undefined, {});
    await until(() => bench.sole.batches.length > 0);
    await bench.sole.stop();
    await bench.sole.start(port);
    await loading;
    expect(bench.grid.store.entries.size).toBe(50_000);
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
  });
});

describe('bounds', () => {
  it('a member that does not answer holds a bounded number of batches', async () => {
    const router = await bench.connect();
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    bench.sole.beforeAnswer = () => gate;
    const calls = numbersUpTo(200_000).map((key) => put(router, key, 'x'.repeat(100), { timeoutMs: 20_000 }));
    await pause(500);
    expect(bench.sole.batches.length).toBeLessThanOrEqual(32);
    release!();
    await Promise.all(calls);
    expect(bench.grid.store.entries.size).toBe(200_000);
  });

  it('too much that waits is refused by name', async () => {
    const router = await bench.connect({ queueBytesMax: 1 << 20 });
    bench.sole.beforeAnswer = () => pause(200);
    const calls = numbersUpTo(40).map((key) => put(router, key, 'x'.repeat(60_000)));
    const outcome = await Promise.allSettled(calls);
    const refused = outcome.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED', retryable: true } });
    expect(await get(router, 0)).toBe('x'.repeat(60_000));
  });
});
