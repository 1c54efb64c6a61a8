import { crc32 } from 'node:zlib';
import { type Epoch, type PartitionId, type Sequence, seededRandom } from '@ashlar/core';
import { jest } from '@jest/globals';
import fc from 'fast-check';
import type { MemberStore } from '../member-store.ts';
import { MAP, makeBench, PARTITION, put, stagePut, stageRemove, textOf } from '../testing/store-bench.ts';
import { LogRecordView, RecordKind } from './log-record.ts';
import { type RecordFrame, readRecordFrame } from './record-frame.ts';

const FIRST = 1 as Sequence;

function textAt(bytes: Uint8Array, start: number, end: number): string {
  return textOf(bytes, start, end);
}

/** One line a record. */
function linesOf(frame: RecordFrame): string[] {
  return Array.from({ length: frame.count }, (_, index) => {
    const key = textAt(frame.keys, frame.keyStart(index), frame.field('keyEnd', index));
    const value = textAt(frame.values, frame.valueStart(index), frame.field('valueEnd', index));
    const fields = (['kind', 'mapId', 'version', 'epoch', 'requestSession', 'requestNumber', 'expiresAt'] as const).map(
      (name) => frame.field(name, index),
    );
    return [frame.firstSequence + index, ...fields, key, value].join(' ');
  });
}

/** A store whose first partition was written to at random, by batches that are all sealed; some are not committed. */
function writtenStore(seed: number) {
  const random = seededRandom(seed);
  const bench = makeBench();
  const { store } = bench;
  let isDecided = true;
  for (let round = 0; round < 40; round++) {
    const requestSession = random.below(3) * 2 ** 40;
    const batch = store.begin({ requestSession, requestNumber: round, catalogVersion: 7 });
    for (let left = 1 + random.below(5); left > 0; left--) {
      const key = `k${random.below(12)}`;
      if (random.below(3) === 0) stageRemove(batch, key);
      else stagePut(batch, key, 'v'.repeat(random.below(300)), PARTITION, random.below(2) * 9e15);
    }
    batch.seal();
    isDecided &&= random.below(30) > 0;
    if (isDecided) batch.commit();
  }
  return bench;
}

describe('a frame of log records', () => {
  it('tells what the log tells, and what is sealed beyond it', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { store } = writtenStore(seed);
        const frame = readRecordFrame(store.encodeLog(PARTITION, FIRST, 1000, Infinity)!);
        expect([frame.partition, frame.incarnation]).toEqual([PARTITION, store.logInfo(PARTITION).incarnation]);
        const lines = linesOf(frame);
        let committed = 0;
        store.readLog(PARTITION, FIRST, 1000, (record) => {
          record.positionKey();
          const key = textAt(record.bytes, record.start, record.stop);
          record.positionValue();
          const value = textAt(record.bytes, record.start, record.stop);
          const { sequence, kind, mapId, version, epoch, requestSession, requestNumber, expiresAt } = record;
          const line = [sequence, kind, mapId, version, epoch, requestSession, requestNumber, expiresAt, key, value];
          expect(lines[sequence - 1]).toBe(line.join(' '));
          committed += 1;
        });
        const superseded = lines.filter((_, index) => frame.field('kind', index) === RecordKind.superseded).length;
        expect(committed).toBeLessThanOrEqual(lines.length - superseded);
        expect(store.encodeLog(PARTITION, (frame.lastSequence + 1) as Sequence, 10, 10)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  it('ends where it is told to, and before what is not sealed', () => {
    const { store } = makeBench();
    for (let round = 0; round < 5; round++) put(store, `k${round}`, 'x'.repeat(100));
    const open = store.begin();
    stagePut(open, 'open', '1');
    const count = (from: number, recordsMax: number, bytesMax: number): number | undefined => {
      const frame = store.encodeLog(PARTITION, from as Sequence, recordsMax, bytesMax);
      return frame === undefined ? undefined : readRecordFrame(frame).count;
    };
    expect([count(1, 100, Infinity), count(1, 2, Infinity), count(4, 100, Infinity)]).toEqual([5, 2, 2]);
    // A record goes in any case; the bound ends the frame behind the record that reaches it.
    expect([count(1, 100, 1), count(1, 100, 150)]).toEqual([1, 2]);
    expect(count(6, 100, Infinity)).toBeUndefined();
    open.seal();
    expect(count(6, 100, Infinity)).toBe(1);
    expect(() => count(8, 1, 1)).toThrow(expect.objectContaining({ code: 'SEQUENCE_GONE' }));
  });

  it('binds what it tells: what has left is not undone, unless the partition goes', () => {
    const { store } = makeBench();
    const seal = (key: string) => {
      const batch = store.begin();
      stagePut(batch, key, '1');
      batch.seal();
      return batch;
    };
    const [told, later] = [seal('told'), seal('later')];
    store.encodeLog(PARTITION, FIRST, 1, Infinity);
    later.abort();
    expect(() => told.abort()).toThrow('L3');
    const again = seal('again');
    expect(store.encodeLog(PARTITION, 2 as Sequence, 1, Infinity)).toBeDefined();
    store.closePartition(PARTITION);
    expect([told.state, again.state]).toEqual(['aborted', 'aborted']);
    store.checkInvariants();
  });

  it('is refused when any of its bytes is another, or missing', () => {
    const bytes = writtenStore(5).store.encodeLog(PARTITION, FIRST, 20, Infinity)!;
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    for (let at = 0; at < bytes.length; at++) {
      const bent = bytes.slice();
      bent[at]! ^= 1 << (at % 8);
      expect(() => readRecordFrame(bent)).toThrow(refused);
    }
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => readRecordFrame(bytes.subarray(0, length))).toThrow(refused);
    }
  });

  it('tells the terms of its log: where it begins, from where it is held, and which version goes before', () => {
    const { store } = makeBench({ logBytesPerPartition: 2000 });
    for (let round = 0; round < 30; round++) put(store, 'a', 'x'.repeat(50));
    const { firstSequence } = store.logInfo(PARTITION);
    const terms = (from: number) => readRecordFrame(store.encodeLog(PARTITION, from as Sequence, 1, Infinity)!);
    expect(terms(30)).toMatchObject({ trimFloor: firstSequence, heldFrom: Infinity });
    expect(terms(30).versionBefore).toBe(terms(29).field('version', 0));
    const consumer = store.addConsumer(PARTITION, { durable: true, at: 25 as Sequence });
    expect(terms(30).heldFrom).toBe(25);
    // What was dropped before the first record that is left is known.
    expect(terms(firstSequence).versionBefore).toBeGreaterThan(0);
    expect(terms(firstSequence).versionBefore).toBeLessThan(terms(firstSequence).field('version', 0));
    consumer.close();
  });

  it('is refused when its terms cannot be those of its log', () => {
    const bytes = writtenStore(5).store.encodeLog(PARTITION, 3 as Sequence, 20, Infinity)!;
    // Columns of one run lie behind the header, each of a byte and, unless it is 0, a number.
    const [TRIM_FLOOR, HELD_FROM, VERSION_BEFORE] = [61, 70, 79];
    const withTerm = (at: number, value: number): Uint8Array => {
      const bent = bytes.slice();
      const view = new DataView(bent.buffer);
      view.setFloat64(at, value, true);
      view.setUint32(bent.length - 4, crc32(bent.subarray(0, bent.length - 4)), true);
      return bent;
    };
    for (const [at, value] of [
      ...[0, 4, 1.5, -1, Number.NaN, Infinity].map((floor) => [TRIM_FLOOR, floor] as const),
      ...[0, 1.5, -Infinity, Number.NaN].map((held) => [HELD_FROM, held] as const),
      ...[-1, 9e15, Number.NaN].map((version) => [VERSION_BEFORE, version] as const),
    ]) {
      expect(() => readRecordFrame(withTerm(at, value))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    for (const [at, value] of [
      [TRIM_FLOOR, 3],
      [HELD_FROM, 1],
      [HELD_FROM, Infinity],
      [VERSION_BEFORE, Infinity],
    ] as const) {
      expect(readRecordFrame(withTerm(at, value)).firstSequence).toBe(3);
    }
  });

  it('costs what differs from record to record', () => {
    const { store } = makeBench();
    const batch = store.begin({ catalogVersion: 3 });
    for (let index = 0; index < 1000; index++) stagePut(batch, `key${index + 1000}`, 'value');
    batch.commit();
    const bytes = store.encodeLog(PARTITION, FIRST, 1000, Infinity)!;
    // Key and value, and the ends of both.
    expect(bytes.length).toBeLessThan(1000 * (7 + 5 + 8) + 300);
    expect(readRecordFrame(bytes).field('mapId', 999)).toBe(MAP);
  });

  describe('of several runs', () => {
    const OTHER = 1 as PartitionId;

    /** Runs of two partitions, one after the other: [partition, first sequence, bytes of keys and values at most]. */
    function framed(store: MemberStore, runs: readonly (readonly [PartitionId, number, number])[]): RecordFrame {
      store.beginRuns();
      for (const [partition, from, bytesMax] of runs) store.addRun(partition, from as Sequence, bytesMax);
      return readRecordFrame(store.finishRuns());
    }

    function writtenBoth() {
      const bench = writtenStore(3);
      bench.store.openPartition(OTHER, 5 as Epoch);
      for (let round = 0; round < 9; round++) {
        const batch = bench.store.begin({ requestSession: 9, requestNumber: round });
        stagePut(batch, `other${round}`, 'w'.repeat(round), OTHER);
        batch.commit();
      }
      return bench;
    }

    it('tells of each what a frame of its own tells', () => {
      const { store } = writtenBoth();
      const runs = [
        [PARTITION, 1, 300],
        [OTHER, 4, 1],
        [OTHER, 5, 1e6],
        [PARTITION, 3, 1e6],
      ] as const;
      const frame = framed(store, runs);
      expect(frame.runs).toBe(runs.length);
      // In any order: each of them is where it was.
      for (const run of [2, 0, 3, 1]) {
        const [partition, from, bytesMax] = runs[run]!;
        const lone = readRecordFrame(store.readRun(partition, from as Sequence, bytesMax)!.payload);
        const { firstSequence, count, incarnation, trimFloor, heldFrom, versionBefore } = lone;
        const terms = { partition, firstSequence, count, incarnation, trimFloor, heldFrom, versionBefore };
        expect(frame.at(run)).toMatchObject(terms);
        expect(linesOf(frame)).toEqual(linesOf(lone));
      }
      expect(() => frame.at(runs.length)).toThrow('G6');
    });

    it('is gathered beside a run that is read alone, and begins anew where one was given up', () => {
      const { store } = writtenBoth();
      store.beginRuns();
      store.addRun(PARTITION, FIRST, 1e6);
      store.beginRuns();
      expect(store.addRun(OTHER, 2 as Sequence, 1)).toMatchObject({ recordEpoch: 5, count: 1 });
      expect(store.readRun(PARTITION, FIRST, 1e6)!.count).toBeGreaterThan(1);
      const frame = readRecordFrame(store.finishRuns());
      expect([frame.runs, frame.partition, frame.firstSequence, frame.count]).toEqual([1, OTHER, 2, 1]);
    });

    it('goes without a run that fails', () => {
      const { store } = writtenBoth();
      const whole = framed(store, [
        [PARTITION, 1, 1],
        [PARTITION, 3, 1],
      ]);
      store.beginRuns();
      store.addRun(PARTITION, FIRST, 1);
      let left = 5;
      const positionKey = jest.spyOn(LogRecordView.prototype, 'positionKey').mockImplementation(() => {
        if (left-- === 0) throw new Error('a fault of ours');
      });
      for (const partition of [PARTITION, OTHER]) {
        expect(() => store.addRun(partition, FIRST, 1e6)).toThrow('a fault of ours');
        left = 0;
      }
      positionKey.mockRestore();
      store.addRun(PARTITION, 3 as Sequence, 1);
      const frame = readRecordFrame(store.finishRuns());
      for (const run of [0, 1]) expect(linesOf(frame.at(run))).toEqual(linesOf(whole.at(run)));
    });

    it('passes over a log that does not reach back so far', () => {
      const { store } = makeBench({ logBytesPerPartition: 2000 });
      for (let round = 0; round < 30; round++) put(store, 'a', 'x'.repeat(50));
      const { firstSequence } = store.logInfo(PARTITION);
      store.beginRuns();
      expect(store.addRun(PARTITION, 1 as Sequence, 1)).toBeUndefined();
      expect(store.addRun(PARTITION, firstSequence, 1)).toMatchObject({ count: 1 });
      expect(readRecordFrame(store.finishRuns())).toMatchObject({ runs: 1, firstSequence });
    });

    it('is full where the next batch may have no room', () => {
      const { store } = makeBench({ maxBytes: 64 << 20 });
      const batch = store.begin();
      for (let index = 0; index < 32_768; index++) stagePut(batch, `k${index}`, '');
      batch.commit();
      put(store, 'last', '');
      store.beginRuns();
      expect([store.addRun(PARTITION, FIRST, 1)?.count, store.isRunsFull]).toEqual([32_768, true]);
      store.beginRuns();
      expect(store.addRun(PARTITION, 32_769 as Sequence, 1)?.count).toBe(1);
      expect([store.isRunsFull, store.addRun(PARTITION, FIRST, 1)?.count]).toEqual([false, 32_768]);
      expect(readRecordFrame(store.finishRuns())).toMatchObject({ runs: 2, count: 1 });
    });

    it('is refused when its runs cannot be', () => {
      const { store } = writtenBoth();
      store.beginRuns();
      store.addRun(PARTITION, FIRST, 1);
      store.addRun(OTHER, FIRST, 1);
      const bytes = store.finishRuns();
      const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
      for (let at = 8; at < bytes.length - 4; at++) {
        for (const value of [0, 1, 3, 255]) {
          const bent = bytes.slice();
          if (bent[at] === value) continue;
          bent[at] = value;
          new DataView(bent.buffer).setUint32(bent.length - 4, crc32(bent.subarray(0, bent.length - 4)), true);
          // Whole, and of other numbers; or refused: nothing else.
          try {
            expect(readRecordFrame(bent).runs).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toEqual(refused);
          }
        }
      }
    });
  });
});
