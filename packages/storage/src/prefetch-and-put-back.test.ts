/** What spares a look: memory that is fetched for many keys at once, and a put to the key that was found last. */
import type { MapId, PartitionId, Sequence } from '@ashlar/core';
import { PREFETCH_MAX } from './entry-prefetcher.ts';
import { readRecordFrame } from './log/record-frame.ts';
import { bytesOf, get, MAP, makeBench, PARTITION, put, remove, settle } from './testing/store-bench.ts';

const KEY = bytesOf('k');

describe('prefetching', () => {
  it('reads what is there, and bears all that is not', () => {
    const { store } = makeBench({ maxBytes: 16 * 2 ** 20 });
    const names = Array.from({ length: PREFETCH_MAX }, (_, index) => `key ${index}`);
    for (const name of names.slice(0, 300)) put(store, name, name);
    put(store, names[0]!, 'x'.repeat(2 ** 20));
    for (const name of names.slice(100, 200)) remove(store, name);
    settle(store);
    const keys = names.map(bytesOf);
    let end = 0;
    const keyEnds = Uint32Array.from(keys, ({ length }) => (end += length));
    const partitions = Uint32Array.from(keys, (_, index) => index % 7);
    const all = Buffer.concat(keys);
    store.prefetch(MAP, partitions, all, keyEnds, 0, names.length);
    store.prefetch(MAP, partitions, all, keyEnds, 200, 100);
    store.prefetch(99 as MapId, partitions, all, keyEnds, 0, names.length);
    store.closePartition(PARTITION);
    store.prefetch(MAP, partitions, all, keyEnds, 0, names.length);
    store.checkInvariants();
  });

  it('knows where all records of a frame belong, and bears those of partitions that are not here', () => {
    const { store } = makeBench();
    const other = 1 as PartitionId;
    for (let round = 0; round < 6; round++) put(store, `key ${round}`, 'x');
    for (let round = 0; round < 4; round++) put(store, `other ${round}`, 'y', other);
    store.beginRuns();
    store.addRun(PARTITION, 1 as Sequence, Infinity);
    store.addRun(other, 1 as Sequence, Infinity);
    const frame = readRecordFrame(store.finishRuns());
    const [partitions, keyEnds] = [new Uint32Array(8), new Uint32Array(8)];
    expect(frame.fillPlaces(partitions, keyEnds)).toBe(8);
    expect([...partitions]).toEqual([0, 0, 0, 0, 0, 0, 1, 1]);
    expect([...keyEnds]).toEqual([5, 10, 15, 20, 25, 30, 37, 44]);
    expect(frame.fillPlaces(new Uint32Array(20), new Uint32Array(20))).toBe(10);
    store.prefetchFrame(frame);
    store.closePartition(other);
    store.prefetchFrame(frame);
    store.checkInvariants();
  });
});

describe('a put to the key that was found', () => {
  const putBack = (store: ReturnType<typeof makeBench>['store'], text: string, key = KEY): boolean => {
    const batch = store.begin();
    try {
      const value = bytesOf(text);
      const draft = batch.value(value, 0, value.length).putBack(store.found);
      return batch.put(MAP, PARTITION, key, 0, key.length, draft);
    } finally {
      batch.commit();
    }
  };

  it('writes it, whatever was written meanwhile', () => {
    const { store } = makeBench();
    put(store, 'k', 'old');
    for (const text of ['new', 'newer']) {
      store.findNewest(MAP, PARTITION, KEY, 0, KEY.length);
      put(store, 'other', text);
      expect([putBack(store, text), get(store, 'k')]).toEqual([true, text]);
    }
    store.checkInvariants();
  });

  it('looks again where entries of the table were removed, the found one too', () => {
    const { store } = makeBench();
    put(store, 'k', 'old');
    store.findNewest(MAP, PARTITION, KEY, 0, KEY.length);
    remove(store, 'k');
    settle(store);
    expect([putBack(store, 'new'), get(store, 'k')]).toEqual([true, 'new']);
    store.checkInvariants();
  });

  it('is of that key alone', () => {
    const { store } = makeBench();
    put(store, 'k', 'old');
    store.findNewest(MAP, PARTITION, KEY, 0, KEY.length);
    expect(() => putBack(store, 'new', bytesOf('x'))).toThrow('put back to its key');
    expect([get(store, 'k'), get(store, 'x')]).toEqual(['old', undefined]);
  });
});
