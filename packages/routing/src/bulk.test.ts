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
    bench.sole.fail = () => new GridError('OUT_OF_MEMORY', 'full', { hint: 'raise it' });
    const failure = await putAll(router, router.map('m', undefined), pairs(5), undefined, {}).catch((error) => error);
    expect(failure).toMatchObject({
      code: 'OUT_OF_MEMORY',
      hint: 'raise it',
      retryable: true,
      details: { asked: 5, failed: 5, keys: ['0', '1', '2', '3', '4'], more: 0 },
    });
  });

  it.each(['putAll', 'processAll'])(
    '%s that is done in part is PARTIAL and says what is done and what is not',
    async (verb) => {
      const router = await bench.connect();
      const map = router.map('m', undefined);
      bench.sole.fail = (batch, operation) =>
        batch.partitions[operation]! < 8 ? new GridError('OUT_OF_MEMORY', 'full') : undefined;
      const extras = { processor: { module: 'm', exportName: 'e' } };
      const keys = numbersUpTo(12);
      const calling =
        verb === 'putAll'
          ? putAll(router, map, pairs(12), undefined, {})
          : forAll(router, OPCODE.PROCESS, map, keys, NOTHING, extras, {}, 'processAll');
      const failure = await calling.catch((error) => error);
      expect(failure).toMatchObject({ code: 'PARTIAL', retryable: false, cause: { code: 'OUT_OF_MEMORY' } });
      const { done, notDone, unknown, doneKeys, notDoneKeys, unknownKeys, cause } = failure.details;
      expect([done + notDone, unknown, cause]).toEqual([12, 0, 'OUT_OF_MEMORY']);
      expect([doneKeys.length, notDoneKeys.length, unknownKeys]).toEqual([done, notDone, []]);
      expect([...doneKeys, ...notDoneKeys].map(Number).sort((x, y) => x - y)).toEqual(keys);
      if (verb === 'putAll') expect(bench.grid.store.entries.size).toBe(done);
    },
  );

  it('that are done in part tell apart what may be done', async () => {
    await bench.restart(2);
    const router = await bench.connect();
    const map = router.map('m', undefined);
    await putAll(router, map, pairs(50), undefined, {});
    bench.grid.members[1]!.beforeAnswer = () => new Promise(() => undefined);
    const extras = { processor: { module: 'm', exportName: 'e' } };
    const limits = { timeoutMs: 200 };
    const all = forAll(router, OPCODE.PROCESS, map, numbersUpTo(50), NOTHING, extras, limits, 'processAll');
    const failure = await all.catch((error) => error);
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      details: { cause: 'OUTCOME_UNKNOWN', notDone: 0 },
    });
    const { done, unknown, doneKeys, unknownKeys } = failure.details;
    expect([done + unknown, doneKeys.length, unknownKeys.length]).toEqual([50, done, unknown]);
    expect(Math.min(done, unknown)).toBeGreaterThan(0);
  });

  it('wait for logs that are full, as long as they have time; a call of its own is refused', async () => {
    const router = await bench.connect();
    let refusals = 30;
    bench.sole.fail = () => (refusals-- > 0 ? new GridError('LOG_FULL', 'the log is full') : undefined);
    const entries = numbersUpTo(20).map((key) => [key, key] as const);
    await putAll(router, router.map('m', undefined), entries, undefined, {});
    expect(bench.sole.store.entries.size).toBe(20);
    bench.sole.fail = () => new GridError('LOG_FULL', 'the log is full');
    await expect(put(router, 1, 2)).rejects.toMatchObject({ code: 'LOG_FULL', retryable: true });
    const late = putAll(router, router.map('m', undefined), entries, undefined, { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'LOG_FULL' });
  });

  it('past their deadline name every key that is not known to be done, or how many more there are', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const limits = { timeoutMs: 100 };
    const failed = (calling: Promise<unknown>) =>
      calling.then(
        () => undefined as never,
        (error) => error,
      );
    const read = await failed(forAll(router, OPCODE.GET, map, numbersUpTo(300), NOTHING, undefined, limits, 'getAll'));
    expect(read).toMatchObject({ code: 'DEADLINE_EXCEEDED', details: { failed: 300, more: 0 } });
    expect(read.details.keys.map(Number)).toEqual(numbersUpTo(300));
    const stored = await failed(putAll(router, map, pairs(300), undefined, limits));
    expect(stored).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false, details: { failed: 300, more: 0 } });
    expect(stored.details.keys.map(Number)).toEqual(numbersUpTo(300));
    const many = await failed(putAll(router, map, pairs(3000), undefined, limits));
    expect(many.details).toMatchObject({ failed: 3000, more: 2000 });
    expect(many.details.keys).toHaveLength(1000);
    expect(many.message).toContain('2000 more');
  });

  it('that are cancelled say what was done until then', async () => {
    await bench.restart(2);
    const router = await bench.connect();
    const map = router.map('m', undefined);
    await putAll(router, map, pairs(50), undefined, {});
    bench.grid.members[1]!.beforeAnswer = () => new Promise(() => undefined);
    const extras = { processor: { module: 'm', exportName: 'e' } };
    const abort = new AbortController();
    const limits = { signal: abort.signal };
    const all = forAll(router, OPCODE.PROCESS, map, numbersUpTo(50), NOTHING, extras, limits, 'processAll');
    const mine = forAll(router, OPCODE.GET, map, numbersUpTo(50), NOTHING, undefined, limits, 'getAll');
    const failed = Promise.all([all.catch((error) => error), mine.catch((error) => error)]);
    await until(() => bench.grid.members[1]!.batches.some(({ opcodes }) => opcodes[0] === OPCODE.PROCESS));
    abort.abort();
    const [processed, read] = await failed;
    expect(processed).toMatchObject({ code: 'CANCELLED', details: { asked: 50, notDone: 0 } });
    expect(processed.details.done + processed.details.unknown).toBe(50);
    expect(processed.details.unknown).toBeGreaterThan(0);
    expect(read).toMatchObject({ code: 'CANCELLED', details: undefined });
  });

  it('refuse a list of keys of which one is none before anything is sent', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const extras = { processor: { module: 'm', exportName: 'e' } };
    const keys = [...numbersUpTo(5000), Number.NaN];
    const all = forAll(router, OPCODE.PROCESS, map, keys, NOTHING, extras, {}, 'processAll');
    await expect(all).rejects.toMatchObject({ code: 'INVALID_KEY' });
    const long: [number | string, number][] = [
      ...pairs(5).map(([n]): [number, number] => [n, n]),
      ['x'.repeat(70_000), 1],
    ];
    await expect(putAll(router, map, long, undefined, {})).rejects.toMatchObject({ code: 'KEY_TOO_LARGE' });
    await get(router, 1);
    expect(bench.sole.batches.flatMap(({ opcodes }) => [...opcodes])).toEqual([OPCODE.GET]);
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
    const unanswered = { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('not answered within') };
    await expect(putAll(router, map, pairs(10), undefined, {})).rejects.toMatchObject(unanswered);
    await expect(putAll(router, map, pairs(10), undefined, { timeoutMs: 50 })).rejects.toMatchObject(unanswered);
    const reads = forAll(router, OPCODE.GET, map, numbersUpTo(10), NOTHING, undefined, { timeoutMs: 50 }, 'getAll');
    await expect(reads).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', details: { timeoutMs: 50 } });
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
    const failed = {
      code: expect.stringMatching(/CONNECTION_LOST|MEMBER_UNREACHABLE|DEADLINE_EXCEEDED/),
      details: { failed: 1000 },
    };
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
