import type { Epoch, PartitionId, Sequence } from '@ashlar/core';
import { murmur3 } from '@ashlar/serialization';
import type { WriteBatch } from '../batch/write-batch.ts';
import {
  bytesOf,
  closeAll,
  get,
  MAP,
  makeBench,
  PARTITION,
  put,
  remove,
  settle,
  stagePut,
  stageRemove,
} from '../testing/store-bench.ts';
import { murmurOfBlock } from './checksum.ts';
import { RecordCause, RecordKind } from './log-record.ts';
import { logBytesOf } from './partition-log.ts';

const SECOND_US = 1_000_000;

describe('the log', () => {
  it('carries all fields of a record', () => {
    const { store } = makeBench();
    store.openPartition(PARTITION, 9 as Epoch);
    put(store, 'k', 'old', PARTITION, 5_000_000 * SECOND_US);
    put(store, 'l', 'old');
    const { version } = store.openSnapshot();
    const header = { catalogVersion: 3, principal: 4, requestSession: 2 ** 40, requestNumber: 5, transactionId: 6 };
    const batch = store.begin({ ...header, originSite: 7, originSequence: 8, epoch: 9 as Epoch });
    stagePut(batch, 'k', 'value', PARTITION, 6_000_000 * SECOND_US);
    batch.requestNumber = 6;
    stageRemove(batch, 'l');
    batch.commit();
    const seen: unknown[] = [];
    let oldVersion = 0;
    const next = store.readLog(PARTITION, 3 as Sequence, 10, (record) => {
      const { format, kind, mapId, epoch, sequence, cause, length, expiresAt, requestNumber } = record;
      const { catalogVersion, principal, requestSession, transactionId, originSite, originSequence } = record;
      seen.push({ format, kind, mapId, epoch, sequence, cause, length, expiresAt, requestNumber });
      seen.push({ catalogVersion, principal, requestSession, transactionId, originSite, originSequence });
      expect([record.version, record.checksum === record.computeChecksum()]).toEqual([batch.version, true]);
      oldVersion = record.oldVersion;
    });
    const common = { catalogVersion: 3, principal: 4, requestSession: 2 ** 40, transactionId: 6 };
    const origin = { originSite: 7, originSequence: 8 };
    const record = { format: 1, mapId: MAP, epoch: 9, cause: RecordCause.request };
    expect(seen).toEqual([
      { ...record, kind: RecordKind.put, sequence: 3, length: 5, expiresAt: 6_000_000 * SECOND_US, requestNumber: 5 },
      { ...common, ...origin },
      { ...record, kind: RecordKind.remove, sequence: 4, length: 0, expiresAt: 0, requestNumber: 6 },
      { ...common, ...origin },
    ]);
    expect([next, oldVersion]).toEqual([5, version]);
  });

  it('has checksums only in a store that is told to keep them', () => {
    for (const recordChecksums of [true, false]) {
      const { store } = makeBench({ recordChecksums });
      put(store, 'k', 'value');
      const seen: boolean[] = [];
      store.readLog(PARTITION, 1 as Sequence, 1, (record) => {
        seen.push(record.checksum !== 0, record.computeChecksum() !== 0);
      });
      expect(seen).toEqual([recordChecksums, true]);
      store.checkInvariants();
    }
  });

  it('drops many records at once, of whatever kinds, and has room for as much afterwards', () => {
    const { store } = makeBench({ logBytesPerPartition: 40_000 });
    const batch = store.begin();
    for (let index = 0; index < 40; index++) stagePut(batch, `key ${index}`, `value ${index}`);
    for (let index = 0; index < 10; index++) stagePut(batch, `key ${index}`, 'again');
    const answer = bytesOf('of its own: too long for the record of a change');
    batch.answer(MAP, PARTITION, answer, 0, answer.length);
    batch.commit();
    for (let index = 0; index < 60; index++) remove(store, `key ${index}`);
    const { firstSequence } = store.logInfo(PARTITION);
    put(store, 'long', 'x'.repeat(39_000));
    store.checkInvariants();
    expect(store.logInfo(PARTITION).firstSequence - firstSequence).toBeGreaterThan(80);
    expect(store.logInfo(PARTITION).bytes).toBeLessThanOrEqual(40_000);
    closeAll(store);
    store.checkInvariants();
  });

  it('drops its oldest records, tells who is overtaken, and waits for durable consumers', () => {
    const { store } = makeBench({ logBytesPerPartition: 20_000 });
    const cuttable = store.addConsumer(PARTITION, { durable: false });
    for (let index = 0; index < 300; index++) put(store, 'a', `value ${index}`);
    expect(cuttable.isGone).toBe(true);
    expect(() => store.readLog(PARTITION, cuttable.position as Sequence, 1, () => {})).toThrow(
      expect.objectContaining({ code: 'SEQUENCE_GONE' }),
    );
    const durable = store.addConsumer(PARTITION, { durable: true });
    const states = new Set<string>();
    const fill = (): void => {
      for (let index = 0; index < 20_000; index++) {
        put(store, 'a', `value ${index}`);
        states.add(store.logInfo(PARTITION).state);
      }
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'LOG_FULL', retryable: true }));
    expect([...states]).toEqual(['ok', 'delay', 'full']);
    expect(() => remove(store, 'a')).toThrow(expect.objectContaining({ code: 'LOG_FULL' }));
    expect(store.logRoom().heldBytes).toBeGreaterThan(0.99 * store.logRoom().bytesMax);
    durable.advance(store.logInfo(PARTITION).committedSequence);
    for (let index = 0; index < 50; index++) put(store, 'a', 'room again');
    durable.close();
    fill();
    store.checkInvariants();
  });

  it('of one partition that is held leaves the others their own bounds', () => {
    const { store } = makeBench({ logBytesPerPartition: 20_000 });
    const [held, other] = [0, 1].map((partition) => store.addConsumer(partition as PartitionId, { durable: true }));
    expect(() => {
      for (let index = 0; index < 20_000; index++) put(store, 'a', `value ${index}`, 0);
    }).toThrow(expect.objectContaining({ code: 'LOG_FULL' }));
    for (let index = 0; index < 50; index++) put(store, 'b', 'small', 1);
    expect(store.logInfo(1 as PartitionId).committedSequence - other!.position).toBeGreaterThanOrEqual(49);
    held!.close();
    other!.close();
    store.checkInvariants();
  });

  it('keeps the records of a batch beyond its bound until they can be read, and shrinks as it is written to, or in time', () => {
    const { store, time } = makeBench({ logBytesPerPartition: 20_000 });
    for (const durable of [true, false]) {
      const consumer = store.addConsumer(PARTITION, { durable });
      const batch = store.begin();
      for (let index = 0; index < 2000; index++) stagePut(batch, `k${index}`, 'some value');
      expect(store.undecidedLogBytes([PARTITION])).toBeGreaterThan(2000 * 128);
      batch.commit();
      let seen = 0;
      const next = store.readLog(PARTITION, consumer.position as Sequence, 5000, () => seen++);
      expect(seen).toBe(2000);
      consumer.advance(next);
      store.reclaim(1000);
      expect(store.logInfo(PARTITION).bytes).toBeGreaterThan(200_000);
      if (durable) for (let index = 0; index < 10; index++) put(store, 'k1', 'again');
      else {
        time.ms += 2_100;
        for (let slice = 0; slice < 10; slice++) store.reclaim(1000);
      }
      expect(store.logInfo(PARTITION).bytes).toBeLessThanOrEqual(20_000);
      consumer.close();
    }
    settle(store);
    store.checkInvariants();
  });

  it('never drops what is undecided: a step that no budget can hold stays until it is committed, and is read', () => {
    const { store } = makeBench({ logBytesPerPartition: 20_000 });
    const cuttable = store.addConsumer(PARTITION, { durable: false });
    const batch = store.begin();
    for (let index = 0; index < 12_000; index++) stagePut(batch, `k${index % 50}`, 'some value');
    expect(store.stats().logBytes).toBeGreaterThan(12_000 * 128);
    batch.commit();
    let seen = 0;
    store.readLog(PARTITION, cuttable.position as Sequence, 20_000, () => seen++);
    expect(seen).toBe(50);
    settle(store);
    put(store, 'k', 'v');
    expect(store.stats().logBytes).toBeLessThanOrEqual(store.stats().logBytesMax);
    store.checkInvariants();
  });

  it('counts what a record replaces or removes before it is staged', () => {
    const { store } = makeBench({ maxBytes: 16 * 2 ** 20 });
    const long = 'x'.repeat(900_000);
    for (let key = 0; key < 4; key++) put(store, `k${key}`, long);
    store.addConsumer(PARTITION, { durable: true });
    remove(store, 'k0');
    put(store, 'k1', 'short');
    const full = expect.objectContaining({ code: 'LOG_FULL' });
    expect(() => remove(store, 'k2')).toThrow(full);
    expect(() => put(store, 'k3', 'short')).toThrow(full);
    expect(() => put(store, 'k1', 'short')).not.toThrow();
    expect(store.stats().logBytes).toBeLessThanOrEqual(store.stats().logBytesMax);
    store.checkInvariants();
  });

  it('makes writers wait that find it full of what is undecided, and has room once that is committed', () => {
    const { store } = makeBench();
    const batches: WriteBatch[] = [];
    const stageAll = (): void => {
      for (;;) {
        const batch = store.begin();
        batches.push(batch);
        for (let index = 0; index < 100; index++) stagePut(batch, `k${index}`, 'some value', index % 2);
        batch.seal();
      }
    };
    expect(stageAll).toThrow(expect.objectContaining({ code: 'LOG_FULL', retryable: true }));
    const undecided = store.stats().logBytes;
    expect(undecided).toBeLessThanOrEqual(store.stats().logBytesMax);
    expect(undecided).toBeGreaterThan(0.9 * store.stats().logBytesMax);
    expect(store.isLogFull(PARTITION)).toBe(true);
    expect(store.logRoom().heldBytes).toBeGreaterThan(0.9 * store.logRoom().bytesMax);
    expect(store.logInfo(PARTITION).firstSequence).toBe(1);
    for (const batch of batches) batch.commit();
    expect(store.isLogFull(PARTITION)).toBe(false);
    for (let index = 0; index < 5000; index++) put(store, 'k', 'room again');
    expect(store.stats().logBytes).toBeLessThanOrEqual(store.stats().logBytesMax);
    settle(store);
    store.checkInvariants();
  });

  it('keeps its budget however many partitions are held, and leaves each its floor', () => {
    const partitionCount = 64;
    const { store } = makeBench({ maxBytes: 64 * 2 ** 20, partitionCount });
    const consumers = Array.from({ length: partitionCount }, (_, id) =>
      store.addConsumer(id as PartitionId, { durable: true }),
    );
    const fill = (partition: number): number => {
      for (let count = 0; ; count++) {
        try {
          put(store, `k${count % 9}`, 'v'.repeat(100), partition);
        } catch (error) {
          expect(error).toMatchObject({ code: 'LOG_FULL' });
          return count;
        }
      }
    };
    const counts = consumers.map((_, partition) => fill(partition));
    const { logBytes, logBytesMax } = store.stats();
    expect(logBytesMax).toBe(8 * 2 ** 20);
    expect(logBytes).toBeLessThanOrEqual(logBytesMax);
    expect(logBytes).toBeGreaterThan(0.95 * logBytesMax);
    // The first takes far more than an even part, the last has its floor all the same: an eighth of one.
    expect(counts[0]! / counts.at(-1)!).toBeGreaterThan(100);
    expect(Math.min(...counts) * 400).toBeGreaterThan((0.8 * logBytesMax) / partitionCount / 8);
    for (const consumer of consumers) consumer.close();
    for (let partition = 0; partition < partitionCount; partition++) put(store, 'k', 'room again', partition);
    store.checkInvariants();
  });

  it('has its oldest given up for a hot one, so that all keep about the same time', () => {
    const { store, time } = makeBench({ maxBytes: 64 * 2 ** 20, partitionCount: 16 });
    const at = new Map<number, number>();
    for (let step = 0; step < 160_000; step++) {
      if (step % 100 === 0) time.ms += 1;
      put(store, `k${step % 50}`, 'v'.repeat(40), step % 10 === 0 ? 1 + (Math.floor(step / 10) % 15) : 0);
    }
    for (let partition = 0; partition < 16; partition++) {
      const { firstSequence } = store.logInfo(partition as PartitionId);
      store.readLog(partition as PartitionId, firstSequence, 1, (record) => at.set(partition, record.version / 1000));
    }
    const ages = [...at.values()].map((firstMs) => time.ms - firstMs);
    expect(store.logInfo(PARTITION).bytes).toBeGreaterThan(0.5 * store.stats().logBytesMax);
    expect(Math.max(...ages) / Math.min(...ages)).toBeLessThan(2);
    store.checkInvariants();
  });

  it('has what is old given up before what is fresh, wherever the old lies', () => {
    const partitionCount = 64;
    const { store, time } = makeBench({ maxBytes: 32 * 2 ** 20, partitionCount });
    for (let step = 0; step < 40_000; step++) {
      time.ms += 0.1;
      put(store, `k${step % 9}`, 'v'.repeat(100), step % 12);
    }
    time.ms += 1000;
    const from = Array.from({ length: partitionCount }, (_, id) => store.logInfo(id as PartitionId).committedSequence);
    for (let step = 0; step < 12_000; step++) {
      time.ms += 0.1;
      put(store, `f${step}`, 'v'.repeat(100), step % partitionCount);
    }
    expect(12_000 * 228).toBeGreaterThan(0.6 * store.stats().logBytesMax);
    for (const [id, sequence] of from.entries()) {
      expect(store.logInfo(id as PartitionId).firstSequence).toBeLessThanOrEqual(sequence + 1);
    }
    store.checkInvariants();
  });

  it('takes one value that no budget can hold, also where it is held', () => {
    const { store } = makeBench({ maxBytes: 16 * 2 ** 20 });
    const long = 'x'.repeat(3 * 2 ** 20);
    put(store, 'long', long);
    const consumer = store.addConsumer(PARTITION, { durable: true });
    put(store, 'long', 'short');
    expect(() => put(store, 'long', long)).toThrow(expect.objectContaining({ code: 'LOG_FULL' }));
    consumer.advance(store.logInfo(PARTITION).committedSequence + 1);
    put(store, 'long', long);
    consumer.close();
    put(store, 'long', 'short');
    store.checkInvariants();
  });

  it('tells what a statement would take, and the most that it may', () => {
    const { store } = makeBench();
    const { bytesMax } = store.logRoom();
    const rows = Math.floor(bytesMax / logBytesOf(1, 20));
    store.addConsumer(PARTITION, { durable: true });
    const batch = store.begin();
    for (let row = 0; row < rows; row++) stagePut(batch, `k${row}`, 'v'.repeat(20));
    batch.abort();
    const larger = store.begin();
    expect(() => {
      for (let row = 0; row < rows + 200; row++) stagePut(larger, `k${row}`, 'v'.repeat(20));
    }).toThrow(
      expect.objectContaining({ code: 'LOG_FULL', hint: expect.stringMatching(/write less.*memory\.maxBytes/) }),
    );
    larger.abort();
    store.checkInvariants();
  });

  it('that is full takes what its own consumer writes to get on', () => {
    const { store } = makeBench({ logBytesPerPartition: 20_000 });
    const consumer = store.addConsumer(PARTITION, { durable: true });
    expect(() => {
      for (let index = 0; index < 20_000; index++) put(store, 'a', `value ${index}`);
    }).toThrow(expect.objectContaining({ code: 'LOG_FULL' }));
    const batch = store.begin({ isProgress: true });
    for (let index = 0; index < 100; index++) stagePut(batch, `k${index}`, 'what the listener made of it');
    batch.commit();
    const before = store.logRoom().consumed;
    consumer.advance(store.logInfo(PARTITION).committedSequence);
    expect(store.logRoom().consumed).toBeGreaterThan(before + 1000);
    put(store, 'a', 'room again');
    store.checkInvariants();
  });

  it('has another incarnation each time the partition is opened', () => {
    const { store } = makeBench();
    put(store, 'a', '1');
    const first = store.logInfo(PARTITION).incarnation;
    store.closePartition(PARTITION);
    expect(() => get(store, 'a')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    store.openPartition(PARTITION, 2 as Epoch, { lastSequence: 40 as Sequence });
    expect(get(store, 'a')).toBeUndefined();
    put(store, 'a', '2');
    const { incarnation, firstSequence, committedSequence } = store.logInfo(PARTITION);
    expect(incarnation).not.toBe(first);
    expect([firstSequence, committedSequence]).toEqual([41, 41]);
    settle(store);
    store.checkInvariants();
  });

  it('tells listeners once a commit and partition', () => {
    const { store } = makeBench();
    const heard: number[][] = [];
    store.addCommitListener((partition, sequence) => heard.push([partition, sequence]));
    const batch = store.begin();
    for (let index = 0; index < 10; index++) stagePut(batch, `k${index}`, 'v', index % 2);
    expect(heard).toEqual([]);
    batch.commit();
    expect(heard).toEqual([
      [0, 5],
      [1, 5],
    ]);
  });

  it('checks values by the murmur3 that every language has', () => {
    const { store } = makeBench();
    for (const length of [0, 1, 3, 4, 7, 8, 100, 101]) {
      const text = 'äbcdefghij'.repeat(20).slice(0, length);
      put(store, 'k', text);
      get(store, 'k');
      const { valueBytes, valueStart, valueEnd } = store.found;
      const block = (valueStart - 8) / 8;
      const arena = { segments: [{ i32: new Int32Array(store.handle.segments[0]!) }] };
      const checksum = murmurOfBlock(arena as never, block, 8, valueEnd - valueStart, 42) >>> 0;
      expect(checksum).toBe(murmur3(valueBytes, valueStart, valueEnd, 42));
    }
  });
});
