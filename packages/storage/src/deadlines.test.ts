import { type Epoch, GridError, type Sequence, StaleEpochError } from '@ashlar/core';
import type { WriteBatch } from './batch/write-batch.ts';
import { RecordCause } from './log/log-record.ts';
import {
  bytesOf,
  get,
  getNewest,
  MAP,
  makeBench,
  PARTITION,
  put,
  recordsOf,
  remove,
  scanAt,
  settle,
  stagePut,
} from './testing/store-bench.ts';

describe('a deadline', () => {
  it('ends an entry by a record: of the get that meets it, or of the sweep', () => {
    const { store, time, reader } = makeBench();
    const at = (ms: number): number => (time.ms + ms) * 1000;
    put(store, 'read', 'r', PARTITION, at(100));
    put(store, 'swept', 's', PARTITION, at(100));
    put(store, 'stays', 't');
    expect([get(store, 'read'), store.found.expiresAt]).toEqual(['r', at(100)]);
    time.ms += 101;
    const snapshot = store.openSnapshot();
    expect(scanAt(reader, snapshot.version).size).toBe(3);
    expect(get(store, 'read')).toBeUndefined();
    expect(recordsOf(store, 4)).toEqual(['4 expire read r']);
    time.ms += 60;
    expect(store.sweepExpired(1)).toBe(false);
    expect(store.sweepExpired(100)).toBe(true);
    expect(recordsOf(store, 5)).toEqual(['5 expire swept s']);
    expect(scanAt(reader, store.openSnapshot().version)).toEqual(new Map([['stays', 't']]));
    expect(store.entryCount(MAP)).toBe(1);
    // Timers go with the next look: by then the record is decided.
    time.ms += 60;
    store.sweepExpired(100);
    expect(store.stats().timers).toBe(0);
    store.checkInvariants();
  });

  it('hides an entry also while its partition takes no writes, and is recorded when it does again (F2)', () => {
    const { store, time } = makeBench();
    put(store, 'due', 'd', PARTITION, (time.ms + 50) * 1000);
    put(store, 'other', 'o');
    time.ms += 120;
    let isWritable = false;
    store.checkEpochs(() => {
      if (!isWritable) throw new GridError('NOT_ENOUGH_IN_SYNC', 'a copy is missing');
      return 1 as Epoch;
    });
    expect([get(store, 'due'), getNewest(store, 'due'), get(store, 'other')]).toEqual([undefined, undefined, 'o']);
    expect(() => put(store, 'other', 'p')).toThrow(expect.objectContaining({ code: 'NOT_ENOUGH_IN_SYNC' }));
    expect(recordsOf(store, 3)).toEqual([]);
    isWritable = true;
    expect(get(store, 'due')).toBeUndefined();
    expect(recordsOf(store, 3)).toEqual(['3 expire due d']);
    store.checkInvariants();
  });

  it('is told by nobody while the member is not sure of the partition, and afterwards once', () => {
    const { store, time } = makeBench();
    put(store, 'read', 'r', PARTITION, (time.ms + 50) * 1000);
    time.ms += 120;
    let isPrimary = false;
    store.checkEpochs((partition) => {
      if (!isPrimary) throw new StaleEpochError(partition, 0, 9);
      return 1 as Epoch;
    });
    expect(() => get(store, 'read')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    store.sweepExpired(100);
    expect(recordsOf(store, 2)).toEqual([]);
    isPrimary = true;
    time.ms += 120;
    store.sweepExpired(100);
    expect(get(store, 'read')).toBeUndefined();
    expect(recordsOf(store, 2)).toEqual(['2 expire read r']);
    store.checkInvariants();
  });

  it('is met while batches are in flight: the record is sealed behind them, and decides', () => {
    const { store, time } = makeBench();
    const sealed: WriteBatch[] = [];
    store.onSealed((batch) => sealed.push(batch));
    for (const key of ['read', 'swept', 'kept']) put(store, key, 'v', PARTITION, (time.ms + 50) * 1000);
    time.ms += 40;
    const inFlight = store.begin();
    stagePut(inFlight, 'other', 'x');
    stagePut(inFlight, 'kept', 'new');
    inFlight.seal();
    time.ms += 60;
    // What a put in flight replaces is not shown, and not expired either: the put decides.
    expect([get(store, 'kept'), store.found.undecided]).toEqual([undefined, inFlight]);
    expect([get(store, 'read'), store.found.undecided]).toEqual([undefined, sealed[0]]);
    expect([getNewest(store, 'read'), store.found.undecided]).toEqual([undefined, sealed[0]]);
    store.sweepExpired(100);
    expect([sealed.length, recordsOf(store).length]).toEqual([2, 3]);
    inFlight.commit();
    for (const batch of sealed.splice(0)) batch.commit();
    expect(recordsOf(store, 4)).toEqual([
      '4 put other -> x',
      '5 put kept v -> new',
      '6 expire read v',
      '7 expire swept v',
    ]);
    expect([get(store, 'read'), store.found.undecided, get(store, 'kept')]).toEqual([undefined, undefined, 'new']);
    time.ms += 60;
    store.sweepExpired(100);
    expect([sealed.length, store.stats().timers]).toEqual([0, 0]);
    store.checkInvariants();
  });

  it('that passes between a put and a look of one batch takes neither the put nor its event away', () => {
    const { store, time } = makeBench();
    const batch = store.begin({ oncePerKey: true });
    stagePut(batch, 'a', 'v', PARTITION, (time.ms + 1) * 1000);
    time.ms += 5;
    const key = bytesOf('a');
    expect([store.find(MAP, PARTITION, key, 0, 1, batch), store.found.undecided === batch]).toEqual([false, true]);
    batch.commit();
    expect(get(store, 'a')).toBeUndefined();
    expect(recordsOf(store)).toEqual(['1 put a -> v', '2 expire a v']);
    store.checkInvariants();
  });

  it('of an entry whose expiry was aborted is met again', () => {
    const { store, time } = makeBench();
    const sealed: WriteBatch[] = [];
    store.onSealed((batch) => sealed.push(batch));
    put(store, 'a', 'v', PARTITION, (time.ms + 50) * 1000);
    time.ms += 100;
    store.sweepExpired(100);
    sealed.pop()!.abort();
    time.ms += 60;
    store.sweepExpired(100);
    sealed.pop()!.commit();
    expect(recordsOf(store, 2)).toEqual(['2 expire a v']);
    store.checkInvariants();
  });

  it('is met while somebody else stages in the partition: absence waits for the record', () => {
    const { store, time } = makeBench();
    put(store, 'a', 'v', PARTITION, (time.ms + 50) * 1000);
    put(store, 'b', 'v', PARTITION, (time.ms + 50) * 1000);
    const open = store.begin();
    stagePut(open, 'other', 'x');
    time.ms += 100;
    expect([get(store, 'a'), store.found.undecided]).toEqual([undefined, open]);
    const key = bytesOf('b');
    expect([store.find(MAP, PARTITION, key, 0, 1, open), store.found.undecided]).toEqual([false, undefined]);
    open.commit();
    expect(recordsOf(store, 3)).toEqual(['3 put other -> x', '4 expire b v']);
    expect([get(store, 'a'), store.found.undecided]).toEqual([undefined, undefined]);
    expect(recordsOf(store, 5)).toEqual(['5 expire a v']);
  });

  it('moves with every write, and is the map’s own where none is given', () => {
    const { store, time } = makeBench({ ttlMs: 1000 });
    put(store, 'a', '1');
    for (let round = 0; round < 5; round++) {
      time.ms += 700;
      store.sweepExpired(100);
      put(store, 'a', `${round}`);
    }
    expect(get(store, 'a')).toBe('4');
    put(store, 'b', 'short', PARTITION, (time.ms + 50) * 1000);
    time.ms += 120;
    store.sweepExpired(100);
    expect([store.entryCount(MAP), get(store, 'b')]).toEqual([1, undefined]);
    time.ms += 1000;
    store.sweepExpired(100);
    expect(store.entryCount(MAP)).toBe(0);
  });

  it('that was reached makes a condition find nothing: the expiry comes first', () => {
    const { store, time } = makeBench();
    put(store, 'a', 'old', PARTITION, (time.ms + 10) * 1000);
    put(store, 'b', 'old', PARTITION, (time.ms + 10) * 1000);
    time.ms += 20;
    put(store, 'a', 'new');
    expect(remove(store, 'b')).toBe(false);
    expect(recordsOf(store, 3)).toEqual(['3 expire a old', '4 put a -> new', '5 expire b old']);
    store.checkInvariants();
  });

  it('by idleness is put off by reads and writes', () => {
    const { store, time } = makeBench({ maxIdleMs: 1000 });
    put(store, 'used', 'u');
    put(store, 'idle', 'i');
    for (let round = 0; round < 4; round++) {
      time.ms += 600;
      expect(get(store, 'used')).toBe('u');
      store.sweepExpired(100);
    }
    expect(store.entryCount(MAP)).toBe(1);
    const causes: number[] = [];
    store.readLog(PARTITION, 3 as Sequence, 10, (record) => causes.push(record.cause));
    expect(causes).toEqual([RecordCause.maxIdle]);
    time.ms += 1200;
    expect(get(store, 'used')).toBeUndefined();
    settle(store);
    expect(store.stats().timers).toBe(0);
    store.checkInvariants();
  });

  it('waits while another batch is in the partition', () => {
    const { store, time } = makeBench();
    put(store, 'a', 'old', PARTITION, (time.ms + 10) * 1000);
    time.ms += 100;
    const batch = store.begin();
    stagePut(batch, 'b', '1');
    expect([get(store, 'a'), store.sweepExpired(100)]).toEqual([undefined, true]);
    batch.commit();
    expect(store.entryCount(MAP)).toBe(2);
    time.ms += 100;
    store.sweepExpired(100);
    expect(store.entryCount(MAP)).toBe(1);
  });
});
