import type { MapId } from '@ashlar/core';
import {
  bytesOf,
  get,
  MAP,
  makeBench,
  PARTITION,
  put,
  recordsOf,
  settle,
  stagePut,
  stageRemove,
} from './testing/store-bench.ts';

describe('a map dropped while something is staged in it', () => {
  const DROPPED = expect.objectContaining({ code: 'MAP_DROPPED' });
  const settledSlots = (store: ReturnType<typeof makeBench>['store']): number => {
    settle(store);
    store.checkInvariants();
    return store.stats().maps.reduce((sum, { bytes }) => sum + bytes.slots, 0);
  };

  it.each(['commit', 'abort'] as const)('is out of sight at once, and its memory comes back after the %s', (end) => {
    const { store, reader } = makeBench();
    put(store, 'a', '1');
    const batch = store.begin();
    stagePut(batch, 'a', '2');
    stagePut(batch, 'b', '2', 1);
    store.dropMap(MAP);
    expect([reader.hasMap(MAP), reader.table(MAP, PARTITION), get(store, 'a')]).toEqual([false, undefined, undefined]);
    expect(() => stagePut(batch, 'c', '3')).toThrow(DROPPED);
    expect(() => stageRemove(batch, 'a')).toThrow(DROPPED);
    expect(settledSlots(store)).toBeGreaterThan(0);
    batch[end]();
    expect(settledSlots(store)).toBe(0);
    expect(recordsOf(store)).toEqual(['1 put a -> 1', '2 put a 1 -> 2'].slice(0, end === 'commit' ? 2 : 1));
  });

  it('waits for a batch that left nothing in it, and for one that is sealed', () => {
    const { store } = makeBench();
    const batch = store.begin();
    stagePut(batch, 'a', '1');
    stageRemove(batch, 'a');
    batch.seal();
    store.dropMap(MAP);
    expect(settledSlots(store)).toBeGreaterThan(0);
    batch.commit();
    expect(settledSlots(store)).toBe(0);
  });

  it('lets a large committed batch be patched first', () => {
    const { store } = makeBench({ patchAtOnceMax: 1 });
    const batch = store.begin();
    for (let index = 0; index < 500; index++) stagePut(batch, `k${index}`, 'v');
    batch.commit();
    store.dropMap(MAP);
    expect(settledSlots(store)).toBe(0);
  });

  it('leaves writes to other maps in the same partition alone', () => {
    const { store } = makeBench();
    const other = (MAP + 1) as MapId;
    store.openMap(other, { affinityParts: 0 });
    const batch = store.begin();
    stagePut(batch, 'a', '1');
    store.dropMap(MAP);
    batch.put(other, PARTITION, bytesOf('k'), 0, 1, batch.value(bytesOf('v'), 0, 1));
    batch.commit();
    expect(store.find(other, PARTITION, bytesOf('k'), 0, 1)).toBe(true);
    expect(settledSlots(store)).toBeGreaterThan(0);
  });

  it('is unknown, not dropped, where it never was', () => {
    const { store } = makeBench();
    const unknown = (MAP + 9) as MapId;
    expect(() => store.dropMap(unknown)).toThrow(expect.objectContaining({ code: 'UNKNOWN_MAP' }));
  });
});
