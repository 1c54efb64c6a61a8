import type { PartitionId, Version } from '@ashlar/core';
import { get, getAt, getNewest, makeBench, PARTITION, put, stagePut, stageRemove } from './testing/store-bench.ts';

describe('what is undecided', () => {
  it('is seen by a look at the newest state from its sealing on, with its version and what it hangs on', () => {
    const { store } = makeBench();
    put(store, 'changed', '1');
    put(store, 'removed', '1');
    const batch = store.begin();
    stagePut(batch, 'changed', '2');
    stagePut(batch, 'made', '1');
    stageRemove(batch, 'removed');
    const newest = (key: string) => [getNewest(store, key), store.found.undecided];
    expect(newest('changed')).toEqual(['1', undefined]);
    expect(newest('made')).toEqual([undefined, undefined]);
    const version = batch.seal();
    expect(newest('changed')).toEqual(['2', batch]);
    expect(store.found.version).toBe(version);
    expect(newest('made')).toEqual(['1', batch]);
    expect(newest('removed')).toEqual([undefined, batch]);
    expect([get(store, 'changed'), get(store, 'made'), get(store, 'removed')]).toEqual(['1', undefined, '1']);
    const later = store.begin();
    stagePut(later, 'changed', '3');
    later.seal();
    expect(newest('changed')).toEqual(['3', later]);
    later.abort();
    batch.commit();
    for (const [key, value] of [
      ['changed', '2'],
      ['made', '1'],
      ['removed', undefined],
    ] as const)
      expect(newest(key)).toEqual([value, undefined]);
  });

  it('is told when it is decided, in the partitions that somebody asks for', () => {
    const { store } = makeBench();
    const seal = (partition: number, key: string) => {
      const batch = store.begin();
      stagePut(batch, key, '1', partition);
      batch.seal();
      return batch;
    };
    const [first, second, other] = [seal(0, 'a'), seal(0, 'b'), seal(1, 'c')];
    const told: string[] = [];
    const ask = (name: string, version: Version, partitions?: number[]): void => {
      const isDecided = store.whenDecided(version, partitions as PartitionId[] | undefined, () => told.push(name));
      if (isDecided) told.push(`${name} at once`);
    };
    ask('first', first.version, [0]);
    ask('both', second.version, [0]);
    ask('all', other.version);
    ask('other', second.version, [1]);
    expect(told).toEqual(['other at once']);
    first.commit();
    expect(told).toEqual(['other at once', 'first']);
    other.abort();
    second.abort();
    expect(told).toEqual(['other at once', 'first', 'both', 'all']);
    ask('nothing', other.version);
    expect(told.at(-1)).toBe('nothing at once');
  });

  it('is above the resolved version, and nothing else is', () => {
    const { store, time } = makeBench();
    put(store, 'a', '1');
    const [first, second] = [store.begin(), store.begin()];
    stagePut(first, 'b', '1', 0);
    stagePut(second, 'c', '1', 1);
    expect(store.resolvedVersion()).toBeGreaterThanOrEqual(time.ms * 1000);
    first.seal();
    time.ms += 10;
    second.seal();
    expect(store.resolvedVersion()).toBe(first.version - 1);
    first.commit();
    expect(store.resolvedVersion()).toBe(second.version - 1);
    second.abort();
    expect(store.resolvedVersion()).toBeGreaterThanOrEqual(time.ms * 1000);
  });

  it('holds up no snapshot that is read in other partitions', () => {
    const { store, reader } = makeBench();
    put(store, 'a', '1');
    const stalled = store.begin();
    stagePut(stalled, 'b', '1', 1);
    stalled.seal();
    const pinned = store.pin();
    expect(() => store.openAt(pinned.id, pinned.version)).toThrow('at or below its version');
    store.openAt(pinned.id, pinned.version, [PARTITION]);
    expect(getAt(reader, 'a', pinned.version)).toBe('1');
    stalled.commit();
  });
});
