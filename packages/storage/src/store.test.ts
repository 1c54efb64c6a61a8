import {
  type Epoch,
  GridError,
  type MapId,
  type PartitionId,
  type Sequence,
  StaleEpochError,
  type Version,
} from '@ashlar/core';
import { CHUNK_SLOTS_MAX, SNAPSHOTS_MAX } from './layout.ts';
import { RecordCause } from './log/log-record.ts';
import { allVisible } from './slots/slot-chunk.ts';
import {
  bytesOf,
  closeAll,
  get,
  getAt,
  MAP,
  makeBench,
  PARTITION,
  put,
  recordsOf,
  remove,
  scanAt,
  settle,
  stagePut,
  stageRemove,
  textOf,
} from './testing/store-bench.ts';

describe('a batch', () => {
  it('is seen by nobody before its commit, and whole at its version afterwards', () => {
    const { store, reader } = makeBench();
    put(store, 'a', '1');
    const before = store.openSnapshot();
    const batch = store.begin();
    stagePut(batch, 'a', '2');
    stagePut(batch, 'b', '2', 1);
    expect([get(store, 'a'), get(store, 'b', 1)]).toEqual(['1', undefined]);
    batch.commit();
    const after = store.openSnapshot();
    expect(after.version).toBeGreaterThanOrEqual(batch.version);
    expect([getAt(reader, 'a', before.version), getAt(reader, 'b', before.version, 1)]).toEqual(['1', undefined]);
    expect([getAt(reader, 'a', after.version), getAt(reader, 'b', after.version, 1)]).toEqual(['2', '2']);
    expect([get(store, 'a'), store.found.version]).toEqual(['2', batch.version]);
  });

  it('leaves everything as it was when it is aborted', () => {
    const { store } = makeBench();
    put(store, 'kept', 'old');
    const before = store.stats();
    const records = recordsOf(store);
    const batch = store.begin();
    stagePut(batch, 'kept', 'new');
    stagePut(batch, 'added', 'new');
    stageRemove(batch, 'kept');
    stagePut(batch, 'kept', 'newer');
    batch.abort();
    settle(store);
    expect([get(store, 'kept'), get(store, 'added')]).toEqual(['old', undefined]);
    expect(store.stats()).toEqual(before);
    expect(recordsOf(store)).toEqual(records);
    store.checkInvariants();
  });

  it('leaves one slot and one record of a key that it writes again: the last, which tells what was there before', () => {
    const { store, reader } = makeBench();
    put(store, 'b', 'old');
    const before = store.openSnapshot();
    const batch = store.begin();
    stagePut(batch, 'a', '1');
    stagePut(batch, 'a', '2');
    expect(stageRemove(batch, 'a')).toBe(true);
    expect(stageRemove(batch, 'a')).toBe(false);
    stagePut(batch, 'a', '3');
    stageRemove(batch, 'b');
    stagePut(batch, 'b', '1');
    stageRemove(batch, 'b');
    stagePut(batch, 'c', '1');
    stageRemove(batch, 'c');
    batch.commit();
    store.releaseSnapshot(before.id);
    expect(recordsOf(store, 2)).toEqual(['4 put a -> 3', '7 remove b old']);
    store.readLog(PARTITION, 7 as Sequence, 1, (record) => expect(record.oldVersion).toBeLessThan(batch.version));
    expect([get(store, 'a'), get(store, 'b'), get(store, 'c'), store.entryCount(MAP)]).toEqual([
      '3',
      undefined,
      undefined,
      1,
    ]);
    reader.enter();
    expect(reader.table(MAP, PARTITION)!.chunk(0).used).toBe(4);
    reader.leave();
    settle(store);
    store.checkInvariants();
  });

  it('that takes each key once wants to be cut where one comes again, and has staged nothing of it', () => {
    const { store } = makeBench();
    const batch = store.begin({ oncePerKey: true });
    expect([stagePut(batch, 'a', '1'), stagePut(batch, 'b', '1'), batch.wantsCut]).toEqual([true, true, false]);
    expect([stagePut(batch, 'a', '2'), batch.wantsCut]).toEqual([false, true]);
    batch.commit();
    const next = store.begin({ oncePerKey: true });
    expect([stageRemove(next, 'a'), stageRemove(next, 'a'), next.wantsCut]).toEqual([true, false, true]);
    expect(stagePut(next, 'a', '3')).toBe(false);
    next.commit();
    expect(next.version).toBeGreaterThan(batch.version);
    expect(recordsOf(store)).toEqual(['1 put a -> 1', '2 put b -> 1', '3 remove a 1']);
    store.checkInvariants();
  });

  it('tells the expiry of a due key at a version of its own, however it is written', () => {
    const { store, time } = makeBench();
    for (const key of ['a', 'b', 'c']) put(store, key, 'old', PARTITION, (time.ms + 10) * 1000);
    time.ms += 20;
    const once = store.begin({ oncePerKey: true });
    expect([stagePut(once, 'a', 'new'), once.wantsCut]).toEqual([false, true]);
    once.commit();
    put(store, 'a', 'new');
    const whole = store.begin();
    const key = bytesOf('b');
    store.expireBefore(whole, MAP, PARTITION, key, 0, 1);
    stagePut(whole, 'b', 'new');
    stagePut(whole, 'c', 'new');
    whole.commit();
    // Without expireBefore() the write takes the place of the expiry: never both at one version.
    const records = ['4 expire a old', '5 put a -> new', '6 expire b old', '7 put b -> new', '9 put c old -> new'];
    expect(recordsOf(store, 4)).toEqual(records);
    store.checkInvariants();
  });

  it('leaves what an open snapshot may see, also where nothing lives any more', () => {
    const { store } = makeBench();
    expect(store.hasVersions(MAP, PARTITION)).toBe(false);
    put(store, 'a', '1');
    const snapshot = store.openSnapshot();
    const batch = store.begin();
    stageRemove(batch, 'a');
    batch.commit();
    expect([store.entryCount(MAP, PARTITION), store.hasVersions(MAP, PARTITION)]).toEqual([0, true]);
    store.releaseSnapshot(snapshot.id);
    settle(store);
    expect(store.hasVersions(MAP, PARTITION)).toBe(false);
  });

  it('is counted as a change of its maps, whatever it does to their entries', () => {
    const { store } = makeBench();
    let seen = store.changeCount(MAP);
    const hasChanged = (): boolean => {
      const before = seen;
      seen = store.changeCount(MAP);
      return seen > before;
    };
    put(store, 'a', '1');
    expect(hasChanged()).toBe(true);
    put(store, 'a', '2');
    expect(hasChanged()).toBe(true);
    expect([get(store, 'a'), hasChanged()]).toEqual(['2', false]);
    const batch = store.begin();
    stageRemove(batch, 'a');
    batch.commit();
    expect(hasChanged()).toBe(true);
  });

  it('sees its own changes where it asks for them', () => {
    const { store } = makeBench();
    put(store, 'a', '1');
    const batch = store.begin();
    stagePut(batch, 'a', '2');
    const key = bytesOf('a');
    expect(store.find(MAP, PARTITION, key, 0, 1, batch)).toBe(true);
    expect(textOf(store.found.valueBytes, store.found.valueStart, store.found.valueEnd)).toBe('2');
    expect(store.found.version).toBeNaN();
    stageRemove(batch, 'a');
    expect(store.find(MAP, PARTITION, key, 0, 1, batch)).toBe(false);
    expect(get(store, 'a')).toBe('1');
    batch.commit();
    expect(get(store, 'a')).toBeUndefined();
  });

  it('keeps its partitions to itself until it is sealed; then the next one stages on top of it', () => {
    const { store } = makeBench();
    const first = store.begin();
    stagePut(first, 'a', '1');
    const second = store.begin();
    expect(() => stagePut(second, 'b', '1')).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    expect(store.isPartitionBusy(PARTITION)).toBe(true);
    first.seal();
    stagePut(second, 'a', '2');
    second.seal();
    expect(second.version).toBeGreaterThan(first.version);
    expect(() => second.commit()).toThrow('U2');
    expect(store.isUndecidedAt(first.version)).toBe(true);
    first.commit();
    expect(get(store, 'a')).toBe('1');
    second.abort();
    expect(get(store, 'a')).toBe('1');
    expect(recordsOf(store)).toEqual(['1 put a -> 1']);
    store.checkInvariants();
  });

  it('of any size becomes visible by its commit, before its lanes are patched', () => {
    const { store, reader } = makeBench({ maxBytes: 64 * 2 ** 20 });
    const batch = store.begin();
    for (let index = 0; index < 10_000; index++) stagePut(batch, `k${index}`, `v${index}`, index % 2);
    expect(store.entryCount(MAP)).toBe(0);
    batch.commit();
    expect(store.entryCount(MAP)).toBe(10_000);
    const snapshot = store.openSnapshot();
    for (const moment of ['unpatched', 'half patched', 'patched']) {
      const rows = scanAt(reader, snapshot.version, 0).size + scanAt(reader, snapshot.version, 1).size;
      expect([moment, rows, getAt(reader, 'k77', snapshot.version, 1), get(store, 'k9998')]).toEqual([
        moment,
        10_000,
        'v77',
        'v9998',
      ]);
      store.checkInvariants();
      put(store, `k${moment.length}`, 'later', moment.length % 2);
      store.reclaim(5000);
    }
    store.releaseSnapshot(snapshot.id);
    settle(store);
    store.checkInvariants();
    expect(store.stats().undecidedBatches).toBe(0);
  });

  it('is refused by a partition of another epoch, and by one that is not here', () => {
    const { store } = makeBench();
    store.openPartition(PARTITION, 7 as Epoch);
    const key = bytesOf('a');
    const write = (epoch: number, partition: number): void => {
      const batch = store.begin({ epoch: epoch as Epoch });
      try {
        batch.put(MAP, partition as PartitionId, key, 0, 1, batch.value(key, 0, 1));
        batch.commit();
      } catch (error) {
        batch.abort();
        throw error;
      }
    };
    expect(() => write(6, 0)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    store.closePartition(1 as PartitionId);
    expect(() => write(1, 1)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    write(7, 0);
    expect(get(store, 'a')).toBe('a');
  });

  it('says of no key that it is absent in a partition that is not here', () => {
    const { store } = makeBench();
    const [here, gone] = [PARTITION, 1 as PartitionId];
    const key = bytesOf('a');
    put(store, 'a', '1', gone);
    store.closePartition(gone);
    expect(store.find(MAP, here, key, 0, 1)).toBe(false);
    const stale = expect.objectContaining({ code: 'STALE_EPOCH', details: { partitionId: 1 } });
    expect(() => store.find(MAP, gone, key, 0, 1)).toThrow(stale);
    expect(() => store.findNewest(MAP, gone, key, 0, 1)).toThrow(stale);
    store.openPartition(gone, 2 as Epoch);
    expect(store.find(MAP, gone, key, 0, 1)).toBe(false);
  });

  it('that names no epoch enters a partition only at the one in which the member takes itself for its primary', () => {
    const { store } = makeBench();
    let epoch = 1;
    store.checkEpochs((partition) => {
      if (epoch === 0) throw new StaleEpochError(partition, 0, 9);
      return epoch as Epoch;
    });
    put(store, 'a', '1');
    for (const other of [0, 2]) {
      epoch = other;
      const batch = store.begin();
      expect(() => stagePut(batch, 'a', '2')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
      expect(() => stageRemove(batch, 'a')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
      expect(batch.changeCount).toBe(0);
      batch.abort();
    }
    store.openPartition(PARTITION, 2 as Epoch);
    put(store, 'a', '3');
    expect(get(store, 'a')).toBe('3');
    store.checkInvariants();
  });

  it('that names the epoch of the partition enters it only while the member takes writes there', () => {
    const { store } = makeBench();
    const epochOfBench = store.epochOf(PARTITION);
    let isWritable = false;
    store.checkEpochs((partition) => {
      if (!isWritable) throw new GridError('LEASE_EXPIRED', `partition ${partition}`);
      return epochOfBench!;
    });
    const batch = store.begin({ epoch: epochOfBench });
    expect(() => stagePut(batch, 'a', '1')).toThrow(expect.objectContaining({ code: 'LEASE_EXPIRED' }));
    isWritable = true;
    stagePut(batch, 'a', '2');
    batch.commit();
    expect(get(store, 'a')).toBe('2');
    store.checkInvariants();
  });

  it('names the catalog by which it was written in each of its records, the store in those of what expires too', () => {
    const { store, time } = makeBench();
    let catalogVersion = 5;
    store.stampCatalog(() => catalogVersion);
    put(store, 'a', '1');
    put(store, 'due', '1', PARTITION, (time.ms + 10) * 1000);
    catalogVersion = 6;
    time.ms += 20;
    expect(get(store, 'due')).toBeUndefined();
    const given = store.begin({ catalogVersion: 3 });
    stagePut(given, 'a', '2');
    given.commit();
    const versions: number[] = [];
    store.readLog(PARTITION, 1 as Sequence, 10, (record) => versions.push(record.catalogVersion));
    expect(versions).toEqual([5, 5, 6, 3]);
  });
});

describe('a snapshot', () => {
  it('over several members is pinned first and opened at the highest clock', () => {
    const { store, reader, time } = makeBench();
    put(store, 'a', '1');
    const pinned = store.pin();
    time.ms += 10;
    put(store, 'a', '2');
    time.ms += 10;
    const highest = ((time.ms + 50) * 1000) as Version;
    const waiting = store.begin();
    stagePut(waiting, 'a', '3');
    waiting.seal();
    expect(store.isUndecidedAt(highest)).toBe(true);
    expect(() => store.openAt(pinned.id, highest)).toThrow('at or below its version');
    waiting.commit();
    store.openAt(pinned.id, highest);
    put(store, 'a', '4');
    settle(store);
    expect(getAt(reader, 'a', highest)).toBe('3');
    expect(store.snapshotVersion(pinned.id)).toBe(highest);
    expect(() => store.openAt(store.pin().id, (highest + 600 * 1000) as Version)).toThrow(
      expect.objectContaining({ code: 'CLOCK_AHEAD' }),
    );
  });

  it('keeps closed slots until it is released, and is dead in shared memory at once', () => {
    const { store, reader } = makeBench();
    put(store, 'a', 'old');
    const snapshot = store.openSnapshot();
    for (let index = 0; index < 100; index++) put(store, 'a', `new${index}`);
    settle(store);
    expect(getAt(reader, 'a', snapshot.version)).toBe('old');
    expect(reader.snapshotAlive(snapshot.id)).toBe(true);
    const held = store.stats().maps[0]!.bytes.slots;
    expect(store.expireSnapshot(snapshot.id)).toBe(true);
    expect([reader.snapshotAlive(snapshot.id), store.releaseSnapshot(snapshot.id)]).toEqual([false, false]);
    settle(store);
    for (let index = 0; index < 100; index++) put(store, 'a', `newer${index}`);
    expect(store.stats().maps[0]!.bytes.slots).toBe(held);
    store.checkInvariants();
  });

  it('is one of a bounded number, and ids of closed ones do not come back', () => {
    const { store, reader } = makeBench();
    const first = store.openSnapshot();
    store.releaseSnapshot(first.id);
    const ids = Array.from({ length: SNAPSHOTS_MAX }, () => store.openSnapshot().id);
    expect(new Set(ids).has(first.id)).toBe(false);
    expect(reader.snapshotAlive(first.id)).toBe(false);
    expect(() => store.openSnapshot()).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    for (const id of ids) store.releaseSnapshot(id);
    expect(store.stats().oldestSnapshot).toBeUndefined();
  });
});

describe('a reader', () => {
  it('holds back what was unlinked while it looked, until it leaves or its thread is gone', () => {
    const { store, reader } = makeBench({ logBytesPerPartition: 20_000 });
    const bytes = (): number => store.stats().maps[0]!.bytes.values;
    put(store, 'a', 'x'.repeat(5000));
    reader.enter();
    remove(store, 'a');
    // The log lets go of the value long before.
    for (let index = 0; index < 2000; index++) put(store, 'other', 'y', 0);
    settle(store);
    const held = bytes();
    store.workerGone(0);
    settle(store);
    expect(bytes()).toBeLessThan(held - 5000);
    store.checkInvariants();
  });

  it('takes whole chunks without looking at slots when nothing in them was ever closed', () => {
    const { store, reader } = makeBench({ maxBytes: 32 * 2 ** 20 });
    for (let index = 0; index < CHUNK_SLOTS_MAX + 10; index++) put(store, `k${index}`, 'v');
    const snapshot = store.openSnapshot();
    reader.enter();
    const table = reader.table(MAP, PARTITION)!;
    expect([table.chunkCount, table.liveCount]).toEqual([2, CHUNK_SLOTS_MAX + 10]);
    expect([allVisible(table.chunk(0), snapshot.version), allVisible(table.chunk(1), snapshot.version)]).toEqual([
      true,
      true,
    ]);
    remove(store, 'k3');
    expect(allVisible(table.chunk(0), snapshot.version)).toBe(false);
    reader.leave();
    expect(scanAt(reader, snapshot.version).size).toBe(CHUNK_SLOTS_MAX + 10);
  });
});

describe('memory', () => {
  it('of an empty map is at most 4 KB over all partitions, and returns to the last byte', () => {
    const { store } = makeBench({ partitionCount: 256, maxBytes: 32 * 2 ** 20 });
    const used = store.stats().maps[0]!.totalBytes;
    expect(store.mapBytes(MAP)).toBe(used);
    expect(used).toBeLessThanOrEqual(4096);
    const { freeBytes } = makeBench({ partitionCount: 256, maxBytes: 32 * 2 ** 20 }).store.stats();
    for (let index = 0; index < 20_000; index++) put(store, `key-${index}`, 'v'.repeat(index % 300), index % 256);
    for (let index = 0; index < 20_000; index += 2) remove(store, `key-${index}`, index % 256);
    store.checkInvariants();
    closeAll(store, [MAP], 256);
    store.checkInvariants();
    const { maps, slackBytes, logBytes, retiredBytes } = store.stats();
    expect([maps, slackBytes, logBytes, retiredBytes]).toEqual([[], 0, 0, 0]);
    expect(store.stats().freeBytes).toBeGreaterThanOrEqual(freeBytes);
  });

  it('that is full refuses puts, and lets removes and reads go on', () => {
    const { store } = makeBench({ maxBytes: 60 * 32_768 });
    let stored = 0;
    expect(() => {
      for (;;) {
        put(store, `key-${stored}`, 'v'.repeat(700));
        stored += 1;
      }
    }).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY', retryable: true }));
    store.checkInvariants();
    expect([store.entryCount(MAP), get(store, 'key-1')?.length]).toEqual([stored, 700]);
    for (let index = 0; index < stored; index++) expect(remove(store, `key-${index}`)).toBe(true);
    settle(store);
    store.checkInvariants();
    put(store, 'again', 'v'.repeat(700));
    expect(get(store, 'again')).toHaveLength(700);
  });

  it('refuses one put of a batch and keeps the rest', () => {
    const { store } = makeBench({ maxBytes: 60 * 32_768 });
    const batch = store.begin();
    stagePut(batch, 'small', '1');
    expect(() => stagePut(batch, 'large', 'v'.repeat(2_000_000))).toThrow(
      expect.objectContaining({ code: 'OUT_OF_MEMORY' }),
    );
    stagePut(batch, 'other', '2');
    batch.commit();
    expect([get(store, 'small'), get(store, 'large'), get(store, 'other')]).toEqual(['1', undefined, '2']);
    store.checkInvariants();
  });

  it('of a dropped map comes back in slices, while its number is free at once', () => {
    const { store, reader } = makeBench();
    for (let index = 0; index < 3000; index++) put(store, `k${index}`, 'value', index % 2);
    reader.enter();
    store.dropMap(MAP);
    expect([reader.table(MAP, PARTITION), get(store, 'k1')]).toEqual([undefined, undefined]);
    settle(store);
    expect(store.stats().maps[0]!.bytes.slots).toBeGreaterThan(0);
    reader.leave();
    expect(store.reclaim(100)).toBe(100);
    settle(store);
    expect(store.stats().maps[0]!.bytes.slots).toBe(0);
    store.openMap(MAP, { affinityParts: 0 });
    put(store, 'k1', 'new');
    expect(scanAt(reader, store.openSnapshot().version)).toEqual(new Map([['k1', 'new']]));
    expect(() => store.openMap(MAP, { affinityParts: 0 })).toThrow(expect.objectContaining({ code: 'MAP_CONFLICT' }));
    store.checkInvariants();
  });
});

describe('clearing', () => {
  it('removes every entry by a record, in slices', () => {
    const { store } = makeBench();
    for (let index = 0; index < 500; index++) put(store, `k${index}`, 'v');
    let slices = 0;
    for (let slot = 0; slot >= 0; slices++) {
      const batch = store.begin();
      slot = store.clear(batch, MAP, PARTITION, slot, 100);
      batch.commit();
    }
    expect([slices, store.entryCount(MAP)]).toEqual([5, 0]);
    const causes = new Set<number>();
    store.readLog(PARTITION, 501 as Sequence, 1000, (record) => causes.add(record.cause));
    expect([...causes]).toEqual([RecordCause.clear]);
    store.checkInvariants();
  });
});

describe('columns', () => {
  it('have small numbers by path, and pages that are lent, published or returned', () => {
    const { store, reader } = makeBench();
    put(store, 'a', '1');
    expect([store.columnNumber(MAP, 'b', false), store.columnNumber(MAP, 'b', true)]).toEqual([-1, 0]);
    expect([store.columnNumber(MAP, 'c', true), store.columnNumber(MAP, 'b', true)]).toEqual([1, 0]);
    expect(store.columnPaths(MAP)).toEqual(['b', 'c']);
    const lent = store.leasePages(2, MAP)!;
    const query = store.leasePages(1, 'query')!;
    const region = lent[0]! * 4096;
    expect(store.publishColumn(MAP, PARTITION, 0, 1, region, 1)).toBe(false);
    expect(store.publishColumn(MAP, PARTITION, 5, 1, region, 2)).toBe(false);
    const changes = store.changeCount(MAP);
    expect(store.publishColumn(MAP, PARTITION, 0, 1, region, 2)).toBe(true);
    expect(store.changeCount(MAP)).toBe(changes + 1);
    reader.enter();
    const chunk = reader.table(MAP, PARTITION)!.chunk(0);
    expect([chunk.columnRef(0), chunk.columnRef(1)]).toEqual([0, region]);
    store.dropColumns(MAP);
    expect(store.changeCount(MAP)).toBe(changes + 2);
    expect(chunk.columnRef(1)).toBe(0);
    settle(store);
    expect(store.stats().maps[0]!.bytes.columns).toBeGreaterThan(2 * 32_768);
    reader.leave();
    settle(store);
    expect(store.stats().maps[0]!.bytes.columns).toBe(0);
    store.returnPages(query);
    expect(store.stats().systemBytes.query).toBe(0);
    expect(() => store.returnPages(query)).toThrow('once');
  });

  it('go when memory is short, before a put is refused', () => {
    const { store } = makeBench({ maxBytes: 100 * 32_768 });
    put(store, 'a', '1');
    const leases: Int32Array[] = [];
    for (let pages = store.leasePages(1, MAP); pages !== undefined; pages = store.leasePages(1, MAP))
      leases.push(pages);
    leases.forEach((pages, column) => {
      if (column >= 64 || !store.publishColumn(MAP, PARTITION, 0, column, pages[0]! * 4096, 1))
        store.returnPages(pages);
    });
    for (let index = 0; index < 60; index++) put(store, `key-${index}`, 'v'.repeat(30_000));
    expect(store.stats().maps[0]!.bytes.columns).toBe(0);
    store.checkInvariants();
  });
});

it('an arena of impossible size is refused with a hint', () => {
  expect(() => makeBench({ maxBytes: 1000 })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  expect(GridError.is(undefined)).toBe(false);
  expect(get(makeBench().store, 'a', 0, 99 as MapId)).toBeUndefined();
});
