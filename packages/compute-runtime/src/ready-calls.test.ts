/** Ready-made processors: at once, on the newest state, answered when that is committed. */
import { READY_MODULE } from '@ashlar/api';
import { ComputeBench } from './testing/compute-bench.ts';

const READY = { module: READY_MODULE };
const increment = (bench: ComputeBench, name: string, key = 'k', partition = 0): void =>
  bench.submit(name, key, 'increment', { path: 'n', by: 1 }, { ...READY, partition });

describe('ready-made processors', () => {
  it('run at once where commits are prompt', () => {
    const bench = new ComputeBench({ isPrompt: true });
    increment(bench, 'one');
    expect([bench.told, bench.get('k')]).toEqual([[{ name: 'one', result: 1 }], { n: 1 }]);
  });

  it('leave ten where ten are in flight on one key, mixed with puts, and are answered when committed', () => {
    const bench = new ComputeBench();
    for (let call = 0; call < 10; call++) {
      if (call === 3) bench.put('k', { n: 50 });
      increment(bench, `${call}`);
    }
    expect([bench.told, bench.get('k')]).toEqual([[], undefined]);
    bench.commits.commitAll();
    expect(bench.told.map(({ result }) => result)).toEqual([1, 2, 3, 51, 52, 53, 54, 55, 56, 57]);
    expect(bench.get('k')).toEqual({ n: 57 });
    expect(bench.writes.held.of('ready-made')).toBe(10);
  });

  it('that keep the entry, or fail by what it holds, are answered when what they read is committed', () => {
    const bench = new ComputeBench();
    bench.put('k', 'text');
    bench.submit('cas', 'k', 'compareAndSet', { expected: 'other', value: 'new' }, READY);
    increment(bench, 'wrong');
    expect(bench.told).toEqual([]);
    bench.commits.commitAll();
    expect(bench.told).toEqual([
      { name: 'cas', result: false },
      { name: 'wrong', code: 'TYPE_MISMATCH' },
    ]);
  });

  it('tell nothing that was derived from what is lost', () => {
    const bench = new ComputeBench();
    const put = bench.put('k', { n: 5 });
    increment(bench, 'changing');
    bench.submit('keeping', 'k', 'compareAndSet', { expected: 'other', value: 'new' }, READY);
    bench.drop(put);
    expect(bench.told).toEqual([
      { name: 'changing', code: 'IN_DOUBT' },
      { name: 'keeping', code: 'STALE_EPOCH' },
    ]);
    expect(bench.get('k')).toBeUndefined();
  });

  it('answer nothing of a partition that is not here', () => {
    const bench = new ComputeBench();
    bench.store.closePartition(0 as never);
    increment(bench, 'changing');
    bench.submit('keeping', 'k', 'compareAndSet', { expected: 'other', value: 'new' }, READY);
    expect(bench.told).toEqual([
      { name: 'changing', code: 'STALE_EPOCH' },
      { name: 'keeping', code: 'STALE_EPOCH' },
    ]);
  });

  it('R1: wait for a batch in their order, and hold their key meanwhile', async () => {
    const bench = new ComputeBench();
    const open = bench.takeAllWords();
    for (const name of ['first', 'second']) increment(bench, name);
    bench.submit('third', 'k', 'add', 1);
    expect([bench.told, bench.gate.heldCount, bench.gate.waitingCount]).toEqual([[], 1, 2]);
    for (const batch of open) batch.abort();
    await bench.until(() => bench.commits.waiting.length >= 2);
    bench.commits.commitAll();
    expect(bench.told.slice(0, 2)).toEqual([
      { name: 'first', result: 1 },
      { name: 'second', result: 2 },
    ]);
  });

  it('wait while another batch is open in their partition, and others do not', async () => {
    const bench = new ComputeBench();
    const open = bench.writes.begin();
    bench.stage(open, 'x', 1);
    increment(bench, 'blocked');
    increment(bench, 'free', 'j', 1);
    bench.commits.commitAll();
    expect(bench.told).toEqual([{ name: 'free', result: 1 }]);
    bench.writes.submit(open);
    await bench.until(() => bench.commits.waiting.length >= 2);
    bench.commits.commitAll();
    expect(bench.told.at(-1)).toEqual({ name: 'blocked', result: 1 });
  });

  it('look again at an entry that is due while an open batch hides what will tell its end', async () => {
    const bench = new ComputeBench();
    const due = bench.writes.begin();
    bench.stage(due, 'k', { n: 7 }, 0, 1);
    bench.writes.submit(due);
    bench.commits.commitAll();
    const open = bench.writes.begin();
    bench.stage(open, 'x', 1);
    increment(bench, 'counting');
    expect(bench.told).toEqual([]);
    bench.writes.submit(open);
    await bench.until(() => {
      bench.commits.commitAll();
      return bench.told.length > 0;
    });
    expect(bench.told).toEqual([{ name: 'counting', result: 1 }]);
    expect(bench.get('k')).toEqual({ n: 1 });
  });
});
