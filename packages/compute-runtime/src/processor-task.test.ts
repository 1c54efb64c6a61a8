/** Processors whose commits are late: what they read, when their keys are free, what their answers hang on. */
import { encodeKey } from '@ashlar/serialization';
import { ComputeBench, MAP } from './testing/compute-bench.ts';

describe('calls whose commits are late', () => {
  it('T1: see what is sealed and not committed, and are answered when they are committed', async () => {
    const bench = new ComputeBench();
    bench.put('k', 5);
    bench.submit('first', 'k', 'add');
    await bench.settle();
    bench.submit('second', 'k', 'add', 10);
    await bench.settle();
    expect([bench.told, bench.get('k'), bench.tasks]).toEqual([[], undefined, 2]);
    bench.commits.commitAll();
    expect(bench.told).toEqual([
      { name: 'first', result: 6 },
      { name: 'second', result: 16 },
    ]);
    expect(bench.get('k')).toBe(16);
    expect(bench.writes.held.of('processor')).toBe(2);
  });

  it('leave ten where ten of them are in flight on one key, also between puts', async () => {
    const bench = new ComputeBench();
    for (let call = 0; call < 10; call++) {
      if (call === 4) bench.put('k', 100);
      bench.submit(`${call}`, 'k', 'add');
      await bench.settle();
    }
    bench.commits.commitAll();
    expect(bench.told.map(({ result }) => result)).toEqual([1, 2, 3, 4, 101, 102, 103, 104, 105, 106]);
    expect(bench.get('k')).toBe(106);
  });

  it('let their key go when they are sealed, and hold it till then', async () => {
    const bench = new ComputeBench();
    bench.submit('first', 'k', 'add');
    expect([bench.gate.heldCount, bench.calls.isBusy(0 as never)]).toEqual([1, true]);
    await bench.settle();
    expect([bench.gate.heldCount, bench.calls.isBusy(0 as never), bench.told]).toEqual([0, false, []]);
  });

  it('that keep an entry are answered when what they read is committed', async () => {
    const bench = new ComputeBench();
    bench.put('k', 5);
    const absent = bench.store.begin();
    bench.submit('present', 'k', 'look');
    await bench.settle();
    expect(bench.told).toEqual([]);
    bench.commits.commitAll();
    expect(bench.told).toEqual([{ name: 'present', result: 5 }]);
    absent.abort();
    const removal = bench.writes.begin();
    const key = encodeKey('k');
    removal.remove(MAP.id, 0 as never, key, 0, key.length);
    bench.writes.submit(removal);
    bench.submit('gone', 'k', 'look');
    bench.submit('elsewhere', 'other', 'look');
    await bench.settle();
    expect(bench.told.slice(1)).toEqual([{ name: 'elsewhere', result: 'nothing' }]);
    bench.commits.commitAll();
    expect(bench.told.at(-1)).toEqual({ name: 'gone', result: 'nothing' });
  });

  it('that fail tell so when what they read is committed', async () => {
    const bench = new ComputeBench();
    bench.put('k', 5);
    bench.submit('failing', 'k', 'fail');
    await bench.settle();
    expect(bench.told).toEqual([]);
    bench.commits.commitAll();
    expect(bench.told).toEqual([{ name: 'failing', code: 'USER_CODE_FAILED' }]);
  });

  it('have a batch for each partition: a slow one holds up no other', async () => {
    const bench = new ComputeBench();
    bench.submit('slow', 'a', 'add', 1, { partition: 0 });
    bench.submit('fast', 'b', 'add', 1, { partition: 1 });
    await bench.settle();
    expect(bench.tasks).toBe(1);
    bench.commits.commitAll(1);
    expect(bench.told).toEqual([{ name: 'fast', result: 1 }]);
    bench.commits.commitAll();
    expect(bench.told.at(-1)).toEqual({ name: 'slow', result: 1 });
  });

  it('share a batch where their partitions wait for the same members, and lose with one of them what was there', async () => {
    const bench = new ComputeBench();
    bench.commits.groupOf = () => 0;
    const submitBoth = async (round: number): Promise<void> => {
      for (const partition of [0, 1]) bench.submit(`${partition}.${round}`, `k${partition}`, 'add', 1, { partition });
      await bench.settle();
    };
    await submitBoth(1);
    expect(bench.commits.waiting.map(({ partitionIds }) => partitionIds)).toEqual([[0, 1]]);
    expect(bench.told).toEqual([]);
    bench.commits.commitAll();
    expect(bench.told.map(({ name, result }) => [name, result])).toEqual([
      ['0.1', 1],
      ['1.1', 1],
    ]);
    await submitBoth(2);
    bench.drop(bench.commits.waiting[0]!, 1);
    bench.commits.commitAll();
    await bench.settle();
    expect(bench.told.slice(2)).toEqual([
      { name: '0.2', result: 2 },
      { name: '1.2', code: 'IN_DOUBT' },
    ]);
    expect([bench.get('k0', 0), bench.get('k1', 1)]).toEqual([2, 1]);
  });

  it('that are not wanted by what is undecided are skipped when it is committed', async () => {
    const bench = new ComputeBench();
    bench.put('k', 5);
    const key = encodeKey('k');
    let looks = 0;
    const isWanted = (): boolean => {
      looks++;
      bench.store.findNewest(MAP.id, 0 as never, key, 0, key.length);
      return false;
    };
    bench.submit('unwanted', 'k', 'add', 1, { isWanted });
    await bench.settle();
    expect([looks, bench.told]).toEqual([1, []]);
    bench.commits.commitAll();
    await bench.settle();
    expect([looks, bench.told, bench.gate.heldCount]).toEqual([2, [{ name: 'unwanted', isSkipped: true }], 0]);
  });
});

describe('what is lost with its partition', () => {
  it('T2: leaves a change that was sealed in doubt, and nothing that was derived from it told', async () => {
    const bench = new ComputeBench();
    bench.put('k', 1);
    bench.commits.commitAll();
    const put = bench.put('k', 5);
    bench.submit('changing', 'k', 'add');
    await bench.settle();
    bench.submit('looking', 'k', 'look');
    await bench.settle();
    bench.drop(put);
    await bench.settle();
    expect(bench.told).toEqual([
      { name: 'changing', code: 'IN_DOUBT' },
      { name: 'looking', code: 'STALE_EPOCH' },
    ]);
    expect(bench.get('k')).toBe(1);
  });

  it('T1: before a task ends makes its calls run again, on what is there then', async () => {
    const bench = new ComputeBench();
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.put('k', 1);
    bench.commits.commitAll();
    const put = bench.put('k', 5);
    bench.beforeTask = promise;
    bench.submit('changing', 'k', 'add');
    await bench.settle();
    bench.submit('behind', 'k', 'look');
    bench.drop(put);
    bench.beforeTask = undefined;
    resolve();
    await bench.settle();
    bench.commits.commitAll();
    await bench.settle();
    expect(bench.told).toEqual([
      { name: 'changing', result: 2 },
      { name: 'behind', result: 2 },
    ]);
    expect([bench.tasks, bench.gate.heldCount]).toEqual([3, 0]);
  });

  it.each(['add', 'look'])(
    'T1: and regained at another epoch before a task ends fails its calls (%s)',
    async (name) => {
      const bench = new ComputeBench();
      const { promise, resolve } = Promise.withResolvers<void>();
      bench.put('k', 1);
      bench.commits.commitAll();
      bench.beforeTask = promise;
      bench.submit('under way', 'k', name);
      await bench.settle();
      bench.submit('behind', 'k', name);
      bench.store.closePartition(0 as never);
      bench.store.openPartition(0 as never, 3 as never);
      bench.beforeTask = undefined;
      resolve();
      await bench.settle();
      bench.commits.commitAll();
      expect(bench.told).toEqual([
        { name: 'under way', code: 'STALE_EPOCH' },
        { name: 'behind', code: 'STALE_EPOCH' },
      ]);
      expect([bench.get('k'), bench.gate.heldCount]).toEqual([undefined, 0]);
    },
  );

  it('P5: and regained before a call is sent fails it; one that came later runs, on what is there then', async () => {
    const bench = new ComputeBench({ isPrompt: true });
    bench.submit('before', 'k', 'add');
    bench.store.closePartition(0 as never);
    bench.store.openPartition(0 as never, 3 as never);
    bench.submit('after', 'k', 'add');
    await bench.settle();
    expect(bench.told).toEqual([
      { name: 'before', code: 'STALE_EPOCH' },
      { name: 'after', result: 1 },
    ]);
  });

  it.each(['look', 'add'])(
    'T1: and not regained before a task ends answers nothing that it read (%s)',
    async (name) => {
      const bench = new ComputeBench();
      const { promise, resolve } = Promise.withResolvers<void>();
      bench.put('k', 1);
      bench.commits.commitAll();
      bench.beforeTask = promise;
      bench.submit('under way', 'k', name);
      await bench.settle();
      bench.store.closePartition(0 as never);
      bench.beforeTask = undefined;
      resolve();
      await bench.settle();
      bench.submit('later', 'k', name);
      await bench.settle();
      expect(bench.told).toEqual([
        { name: 'under way', code: 'STALE_EPOCH' },
        { name: 'later', code: 'STALE_EPOCH' },
      ]);
      expect([bench.tasks, bench.gate.heldCount]).toEqual([1, 0]);
    },
  );
});

describe('a task that finds no batch to stage in', () => {
  it('waits while another batch is open in the partition, and does the others meanwhile', async () => {
    const bench = new ComputeBench();
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.beforeTask = promise;
    bench.submit('blocked', 'a', 'add', 1, { partition: 0 });
    bench.submit('free', 'b', 'add', 1, { partition: 1 });
    await bench.settle();
    const open = bench.writes.begin();
    bench.stage(open, 'x', 1);
    resolve();
    await bench.settle();
    bench.commits.commitAll();
    expect(bench.told).toEqual([{ name: 'free', result: 1 }]);
    open.abort();
    await bench.until(() => bench.commits.waiting.length > 0);
    bench.commits.commitAll();
    expect(bench.told.at(-1)).toEqual({ name: 'blocked', result: 1 });
  });

  it('waits while no word is left', async () => {
    const bench = new ComputeBench();
    const open = bench.takeAllWords();
    bench.submit('blocked', 'a', 'add');
    await bench.settle();
    expect([bench.told, bench.tasks]).toEqual([[], 1]);
    for (const batch of open) batch.abort();
    await bench.until(() => bench.commits.waiting.length > 0);
    bench.commits.commitAll();
    expect(bench.told).toEqual([{ name: 'blocked', result: 1 }]);
  });
});

describe('where commits are prompt', () => {
  it('a task has one batch for all of its partitions, and holds no answer', async () => {
    const bench = new ComputeBench({ isPrompt: true });
    bench.submit('one', 'a', 'add', 1, { partition: 0 });
    bench.submit('other', 'b', 'add', 1, { partition: 1 });
    await bench.settle();
    expect(bench.told.length).toBe(2);
    expect(bench.store.resolvedVersion()).toBeGreaterThan(0);
    expect(bench.writes.held.of('processor')).toBe(0);
  });
});
