/** A primary that becomes a backup keeps every record that it has sealed, and nothing that it has not. */
import { type Epoch, GridError, type Sequence } from '@ashlar/core';
import { readRecordFrame } from './log/record-frame.ts';
import {
  type Bench,
  bytesOf,
  closeAll,
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

/** All records that are sealed, as they leave the member. */
function framesOf({ store }: Bench): unknown[] {
  const records: unknown[] = [];
  for (let from = 1; from <= store.heldSequence(PARTITION); ) {
    const run = store.readRun(PARTITION, from as Sequence, 100)!;
    const frame = readRecordFrame(run.payload);
    for (let index = 0; index < run.count; index++)
      records.push([
        ...(
          ['kind', 'version', 'epoch', 'requestSession', 'requestNumber', 'expiresAt', 'keyEnd', 'valueEnd'] as const
        ).map(
          (name) =>
            frame.field(name, index) -
            (name === 'keyEnd' ? frame.keyStart(index) : name === 'valueEnd' ? frame.valueStart(index) : 0),
        ),
        frame.resultWords(index),
      ]);
    from += run.count;
  }
  return records;
}

describe('a primary that is demoted', () => {
  it('keeps what it has sealed as its tail, under the same sequences and versions; what was open has never been', () => {
    const bench = makeBench();
    const { store } = bench;
    put(store, 'a', '1');
    put(store, 'gone', '1');
    put(store, 'b', '0');
    const first = store.begin({ requestSession: 3, requestNumber: 4 });
    stagePut(first, 'a', '2', PARTITION, (bench.time.ms + 1000) * 1000);
    first.answer(MAP, PARTITION, bytesOf('ok'), 0, 2);
    stageRemove(first, 'gone');
    first.seal();
    const second = store.begin({ oncePerKey: false });
    stagePut(second, 'a', '3');
    stagePut(second, 'b', '1');
    stagePut(second, 'b', '2');
    second.seal();
    const before = framesOf(bench);
    const open = store.begin();
    stagePut(open, 'c', '1');
    let told = 0;
    for (const batch of [first, second, open]) batch.whenDecided(() => (told += 1));
    store.demotePartition(PARTITION);
    expect([first.state, second.state, open.state, told]).toEqual(['aborted', 'aborted', 'aborted', 3]);
    expect([store.roleOf(PARTITION), store.tailLength(PARTITION), store.primarySince(PARTITION)]).toEqual([
      'backup',
      5,
      Infinity,
    ]);
    expect(framesOf(bench)).toEqual(before);
    expect([get(store, 'a'), get(store, 'gone'), get(store, 'b')]).toEqual(['1', '1', '0']);
    store.checkInvariants();
    store.commitBackup(PARTITION, 8 as Sequence);
    expect([get(store, 'a'), get(store, 'gone'), get(store, 'b'), get(store, 'c')]).toEqual([
      '3',
      undefined,
      '2',
      undefined,
    ]);
    expect(recordsOf(store, 4)).toEqual(['4 put a 1 -> 2', '5 remove gone 1', '6 put a 2 -> 3', '8 put b 0 -> 2']);
    settle(store);
    store.checkInvariants();
  });

  it('goes on as the primary when it is named again, behind what it holds', () => {
    const bench = makeBench();
    const { store } = bench;
    put(store, 'a', '1');
    const sealed = store.begin();
    stagePut(sealed, 'a', '2');
    const version = sealed.seal();
    store.demotePartition(PARTITION);
    store.commitBackup(PARTITION, 2 as Sequence);
    store.promotePartition(PARTITION, 7 as Epoch);
    put(store, 'a', '3');
    expect([get(store, 'a'), store.heldSequence(PARTITION)]).toEqual(['3', 3]);
    expect(store.found.version).toBeGreaterThan(version);
    expect(store.readRun(PARTITION, 1 as Sequence, 1e6)).toMatchObject({ recordEpoch: 1, count: 2 });
    expect(store.readRun(PARTITION, 3 as Sequence, 1e6)).toMatchObject({ recordEpoch: 7, count: 1 });
    store.checkInvariants();
  });

  it('is cut out of batches that staged elsewhere too; these go on, and nobody stages in it', () => {
    const { store } = makeBench();
    const sealed = store.begin();
    stagePut(sealed, 'a', '1');
    stagePut(sealed, 'kept', '1', 1);
    sealed.seal();
    const open = store.begin();
    stagePut(open, 'b', '1');
    stagePut(open, 'more', '1', 1);
    store.demotePartition(PARTITION);
    expect([sealed.lostPartitions, open.lostPartitions]).toEqual([[PARTITION], [PARTITION]]);
    expect(() => stagePut(open, 'c', '1')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    sealed.commit();
    open.commit();
    expect([get(store, 'kept', 1), get(store, 'more', 1), get(store, 'a')]).toEqual(['1', '1', undefined]);
    store.commitBackup(PARTITION, 1 as Sequence);
    expect([get(store, 'a'), get(store, 'b'), store.heldSequence(PARTITION)]).toEqual(['1', undefined, 1]);
    settle(store);
    store.checkInvariants();
    closeAll(store);
    store.checkInvariants();
    expect(store.stats()).toMatchObject({ maps: [], slackBytes: 0, logBytes: 0, undecidedBatches: 0 });
  });

  it('keeps what its durable consumers have still to read, after they have gone', () => {
    const { store } = makeBench({ logBytesPerPartition: 4096 });
    const consumer = store.addConsumer(PARTITION, { durable: true, at: 1 as Sequence });
    for (let round = 0; round < 100; round++) put(store, 'a', 'v'.repeat(100));
    store.demotePartition(PARTITION);
    consumer.close();
    expect(store.logTerms(PARTITION)).toEqual({ trimFloor: 1, heldFrom: 1 });
    store.holdLog(PARTITION, Infinity);
    expect(store.logTerms(PARTITION).heldFrom).toBe(Infinity);
  });

  it('says so when memory has no room for the tail, and leaves nothing behind when it is closed', () => {
    const bench = makeBench({ maxBytes: 40 * 32_768 });
    const { store, reader } = bench;
    // A reader that stands still keeps what is undone from being used again.
    reader.enter();
    const batch = store.begin();
    let count = 0;
    try {
      for (; ; count++) stagePut(batch, `k${count}`, 'v'.repeat(5000));
    } catch (error) {
      expect(GridError.is(error, 'OUT_OF_MEMORY') || GridError.is(error, 'LOG_FULL')).toBe(true);
    }
    batch.seal();
    let isShort = false;
    try {
      store.demotePartition(PARTITION);
    } catch (error) {
      isShort = GridError.is(error, 'OUT_OF_MEMORY');
    }
    expect(store.roleOf(PARTITION)).toBe('backup');
    expect(isShort).toBe(store.heldSequence(PARTITION) < count);
    reader.leave();
    store.closePartition(PARTITION);
    settle(store);
    store.checkInvariants();
    closeAll(store);
    expect(store.stats()).toMatchObject({ maps: [], slackBytes: 0, logBytes: 0, undecidedBatches: 0 });
  });
});

describe('a log that a replica wants while it catches up', () => {
  it('keeps it beyond its own bound, and longer than others keep theirs; nobody is refused for it', () => {
    const { store } = makeBench({ maxBytes: 4 * 2 ** 20 });
    store.holdForReplica(PARTITION, 'b#1', 1);
    const first = (): number => store.logTerms(PARTITION).trimFloor;
    for (let round = 0; round < 300; round++) put(store, 'a', 'v'.repeat(500));
    for (let round = 0; round < 1500; round++) put(store, 'x', 'v'.repeat(500), 1);
    expect(first()).toBe(1);
    // There is nothing else to give up: the replica finds a gap.
    for (let round = 0; round < 1500; round++) put(store, 'a', 'v'.repeat(500));
    expect(first()).toBeGreaterThan(1);
    expect(store.readRun(PARTITION, 1 as Sequence, 1e6)).toBeUndefined();
    store.checkInvariants();
  });

  it('is let go of with the last of them', () => {
    const { store } = makeBench({ logBytesPerPartition: 4096 });
    store.holdForReplica(PARTITION, 'b#1', 1);
    store.holdForReplica(PARTITION, 'c#1', 50);
    for (let round = 0; round < 100; round++) put(store, 'a', 'v'.repeat(100));
    store.holdForReplica(PARTITION, 'b#1', Infinity);
    put(store, 'a', '1');
    expect(store.logTerms(PARTITION).trimFloor).toBe(50);
    store.holdForReplica(PARTITION, 'c#1', Infinity);
    put(store, 'a', '2');
    expect(store.logTerms(PARTITION).trimFloor).toBeGreaterThan(50);
  });
});
