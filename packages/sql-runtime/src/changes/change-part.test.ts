import { partitionLockId } from '@ashlar/partitions';
import { jest } from '@jest/globals';
import { ChangeBench } from '../testing/change-bench.ts';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function filled(): ChangeBench {
  const bench = new ChangeBench();
  for (let key = 0; key < 20; key++) bench.put(key, { n: key });
  return bench;
}

describe('a part of a statement', () => {
  it('is seen by nobody until it is committed, and then at one version', async () => {
    const bench = filled();
    const part = bench.part(bench.change('UPDATE m SET n = n + 100'));
    expect(await part.find()).toMatchObject({ work: { rowCount: 20 }, keysFound: [] });
    expect(bench.gate.heldCount).toBe(0);
    expect(await part.stage(false)).toBe('staged');
    expect([bench.get(3), bench.gate.heldCount]).toEqual([{ n: 3 }, 4]);
    expect(await part.commit()).toMatchObject({ affected: 20 });
    expect([bench.get(3), bench.isQuiet()]).toEqual([{ n: 103 }, true]);
    part.close();
    expect(bench.get(3)).toEqual({ n: 103 });
  });

  it('is undone by release, and may be staged again', async () => {
    const bench = filled();
    const part = bench.part(bench.change('DELETE FROM m'));
    await part.stage(false);
    part.release();
    expect([bench.get(3), bench.isQuiet()]).toEqual([{ n: 3 }, true]);
    expect(await part.stage(true)).toBe('staged');
    expect(await part.commit()).toMatchObject({ affected: 20 });
    expect(bench.get(3)).toBeUndefined();
  });

  it('is busy where others hold a partition, and waits for it only in turn', async () => {
    const bench = filled();
    const [first, second] = [bench.part(bench.change('UPDATE m SET n = 1')), bench.part(bench.change('DELETE FROM m'))];
    await first.stage(false);
    expect(await second.stage(false)).toBe('busy');
    const staged = second.stage(true);
    await turns();
    await first.commit();
    expect(await staged).toBe('staged');
    expect(await second.commit()).toMatchObject({ affected: 20 });
    expect(bench.isQuiet()).toBe(true);
  });

  it('is busy where as many batches are under way as there may be, and waits for one only in turn', async () => {
    const bench = filled();
    const part = bench.part(bench.change('UPDATE m SET n = 1'));
    const batches = bench.takeAllBatches();
    expect([await part.stage(false), bench.gate.heldCount]).toEqual(['busy', 0]);
    const staged = part.stage(true);
    await turns();
    expect(bench.gate.heldCount).toBe(0);
    for (const batch of batches) batch.abort();
    expect(await staged).toBe('staged');
    expect(await part.commit()).toMatchObject({ affected: 20 });
    expect(bench.isQuiet()).toBe(true);
  });

  it('holds a partition only while it holds all lower ones, and lets go of them when its statement leaves', async () => {
    const bench = filled();
    bench.gate.hold(partitionLockId(2));
    const part = bench.part(bench.change('UPDATE m SET n = 1'));
    const staged = part.stage(true);
    await turns();
    expect([0, 1, 3].map((partition) => bench.gate.isHeld(partitionLockId(partition)))).toEqual([true, true, false]);
    part.close();
    await expect(staged).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(bench.gate.heldCount).toBe(1);
    bench.gate.release(partitionLockId(2));
    expect(bench.isQuiet()).toBe(true);
  });

  it('is undone when nothing is heard for its lease, and its commit says so', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance', 'nextTick', 'queueMicrotask'] });
    try {
      const bench = filled();
      const part = bench.part(bench.change('UPDATE m SET n = 1'), 3000);
      await part.stage(false);
      jest.advanceTimersByTime(2900);
      part.keep();
      jest.advanceTimersByTime(2900);
      expect(bench.isQuiet()).toBe(false);
      jest.advanceTimersByTime(200);
      expect(bench.isQuiet()).toBe(true);
      expect(() => part.keep()).toThrow(expect.objectContaining({ code: 'LEASE_EXPIRED' }));
      await expect(part.commit()).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
      expect(bench.get(3)).toEqual({ n: 3 });
    } finally {
      jest.useRealTimers();
    }
  });

  it('has no lease after release: what is found again later is not ended by the one before', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance', 'nextTick', 'queueMicrotask'] });
    try {
      const bench = filled();
      const part = bench.part(bench.change('UPDATE m SET n = 1'), 3000);
      await part.stage(false);
      part.release();
      part.keep();
      jest.advanceTimersByTime(10_000);
      await part.stage(false);
      expect(await part.commit()).toMatchObject({ affected: 20 });
    } finally {
      jest.useRealTimers();
    }
  });

  it('that is closed while it stages leaves nothing', async () => {
    const bench = new ChangeBench();
    for (let key = 0; key < 2000; key++) bench.put(key, { n: key });
    const part = bench.part(bench.change('UPDATE m SET n = n + 1'));
    await part.find();
    const staged = part.stage(true);
    part.close();
    await expect(staged).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(bench.isQuiet()).toBe(true);
    expect(bench.get(3)).toEqual({ n: 3 });
  });
});
