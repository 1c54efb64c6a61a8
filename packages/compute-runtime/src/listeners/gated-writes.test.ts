import { partitionLockId } from '@ashlar/partitions';
import type { WriteBatch } from '@ashlar/storage';
import { ComputeBench } from '../testing/compute-bench.ts';
import { GatedWrites } from './gated-writes.ts';

const NAMES = [partitionLockId(0 as never)];

describe('batches of listeners', () => {
  it('wait where as many batches are under way as there may be, and are staged in their order', async () => {
    const bench = new ComputeBench({ isPrompt: true });
    const writes = new GatedWrites(bench);
    const { signal } = new AbortController();
    const batches = bench.takeAllWords();
    const staged: string[] = [];
    const done = ['a', 'b'].map((key) =>
      writes.commit(NAMES, {}, signal, (batch) => {
        staged.push(key);
        bench.stage(batch, key, 1);
        return undefined;
      }),
    );
    await bench.settle();
    expect(staged).toEqual([]);
    for (const batch of batches) batch.abort();
    expect(await Promise.all(done)).toEqual([true, true]);
    expect([staged, bench.get('a'), bench.get('b')]).toEqual([['a', 'b'], 1, 1]);
  });

  it('are done once they are committed, and counted as held until then', async () => {
    const bench = new ComputeBench();
    const writes = new GatedWrites(bench);
    const done: boolean[] = [];
    const { signal } = new AbortController();
    const stage = (batch: WriteBatch): undefined => bench.stage(batch, 'k', 1) as undefined;
    void writes.commit(NAMES, {}, signal, stage).then((isCommitted) => done.push(isCommitted));
    await bench.settle();
    expect([done, bench.writes.held.of('write-set')]).toEqual([[], 1]);
    bench.commits.commitAll();
    await bench.settle();
    expect(done).toEqual([true]);
  });

  it('stage nothing once they are given up', async () => {
    const bench = new ComputeBench({ isPrompt: true });
    const writes = new GatedWrites(bench);
    const leaving = new AbortController();
    const batches = bench.takeAllWords();
    const done = writes.commit(NAMES, {}, leaving.signal, () => {
      throw new Error('it stages');
    });
    leaving.abort();
    for (const batch of batches) batch.abort();
    await expect(done).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
