import { type Epoch, type PartitionId, type Sequence, seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import type { WriteBatch } from '../batch/write-batch.ts';
import {
  type Bench,
  bytesOf,
  MAP,
  makeBench,
  PARTITION,
  settle,
  stagePut,
  stageRemove,
  textOf,
} from '../testing/store-bench.ts';
import type { AnswerSearch } from './answer-search.ts';
import { RecordCause, RecordKind } from './log-record.ts';
import { readRecordFrame } from './record-frame.ts';

const SESSION = 2 ** 40;

function search({ store }: Bench, numbers: readonly number[], floor: number, slice = 3): AnswerSearch {
  const found = store.searchAnswers(PARTITION, { session: SESSION, numbers, floor });
  while (!found.step(slice));
  return found;
}

function oldValueOf(found: AnswerSearch, index: number): string | undefined {
  const record = found.record(index);
  if (!record.hasOldValue) return undefined;
  record.positionOldValue();
  return textOf(record.bytes, record.start, record.stop);
}

function resultOf(found: AnswerSearch, index: number): string | undefined {
  const record = found.result(index);
  if (record === undefined) {
    const short = found.record(index).shortResult;
    return short && textOf(short, 0, short.length);
  }
  record.positionValue();
  return textOf(record.bytes, record.start, record.stop);
}

/** Stages mutations under their own numbers: key to value; undefined removes. */
function stage({ store }: Bench, mutations: readonly (readonly [number, string, string | undefined])[]): WriteBatch {
  const batch = store.begin({ requestSession: SESSION, oncePerKey: true });
  for (const [number, key, value] of mutations) {
    batch.requestNumber = number;
    if (value === undefined) stageRemove(batch, key);
    else stagePut(batch, key, value);
  }
  return batch;
}

describe('a search for what became of mutations', () => {
  it('finds each by its own number, with what it replaced and at which version', () => {
    const bench = makeBench();
    const floor = bench.clock.now();
    const first = stage(bench, [
      [1, 'a', 'one'],
      [2, 'b', 'two'],
    ]);
    first.commit();
    const second = stage(bench, [
      [3, 'a', 'three'],
      [4, 'b', undefined],
      [5, 'none', undefined],
    ]);
    second.commit();
    const found = search(bench, [4, 1, 3, 5, 2], floor);
    expect([0, 1, 2, 3, 4].map((index) => found.stateOf(index))).toEqual([
      ...['applied', 'applied', 'applied', 'notApplied', 'applied'],
    ]);
    expect([0, 1, 2, 4].map((index) => oldValueOf(found, index))).toEqual(['two', undefined, 'one', undefined]);
    expect([found.record(0).kind, found.record(2).kind]).toEqual([RecordKind.remove, RecordKind.put]);
    expect([found.record(2).version, found.record(2).oldVersion]).toEqual([second.version, first.version]);
    expect(found.undecided(2)).toBeUndefined();
  });

  it('says of what is undecided which batch to join, and of what is undone since that it is not known', () => {
    const bench = makeBench();
    const floor = bench.clock.now();
    const batch = stage(bench, [[7, 'a', 'x']]);
    const open = search(bench, [7], floor);
    expect([open.stateOf(0), open.undecided(0)]).toEqual(['applied', batch]);
    batch.seal();
    const sealed = search(bench, [7, 8], floor);
    expect([sealed.stateOf(0), sealed.undecided(0), sealed.stateOf(1)]).toEqual(['applied', batch, 'notApplied']);
    batch.abort();
    expect(sealed.stateOf(0)).toBe('unknown');
    stage(bench, [[9, 'a', 'y']]).commit();
    expect(sealed.stateOf(0)).toBe('unknown');
    expect(search(bench, [7], floor).stateOf(0)).toBe('notApplied');
  });

  it('stops at the floor, and knows nothing of what lies before what was dropped', () => {
    const bench = makeBench({ logBytesPerPartition: 4096 });
    const before = bench.clock.now();
    stage(bench, [[1, 'a', 'x']]).commit();
    const after = bench.clock.now();
    for (let number = 2; number < 100; number++) stage(bench, [[number, 'a', `x${number}`]]).commit();
    expect(bench.store.logInfo(PARTITION).firstSequence).toBeGreaterThan(50);
    expect(search(bench, [1, 1000], before).stateOf(0)).toBe('unknown');
    expect(search(bench, [1, 1000], before).stateOf(1)).toBe('unknown');
    expect(search(bench, [1000], after).stateOf(0)).toBe('unknown');
    const recent = bench.clock.now();
    expect(search(bench, [1000], recent).stateOf(0)).toBe('notApplied');
    stage(bench, [[1000, 'a', 'last']]).commit();
    expect(search(bench, [1000, 1001], recent).stateOf(0)).toBe('applied');
    // The log is whole above what it dropped, also where nothing in it is as old as the floor.
    const dropped = bench.store.searchAnswers(PARTITION, { session: SESSION, numbers: [5000], floor: recent });
    while (!dropped.step(1));
    expect(dropped.stateOf(0)).toBe('notApplied');
  });

  it('takes nothing for not applied that may be of a history before this one', () => {
    const bench = makeBench();
    const floor = bench.clock.now();
    stage(bench, [[1, 'a', 'x']]).commit();
    bench.store.closePartition(PARTITION);
    bench.time.ms += 1;
    bench.store.openPartition(PARTITION, 2 as Epoch);
    expect(search(bench, [1], floor).stateOf(0)).toBe('unknown');
    expect(search(bench, [1], bench.clock.now()).stateOf(0)).toBe('notApplied');
    bench.store.closePartition(PARTITION);
    bench.store.openPartition(PARTITION, 3 as Epoch, { lastSequence: 40 as Sequence });
    expect(search(bench, [1], bench.clock.now()).stateOf(0)).toBe('unknown');
  });

  it('has the result that was answered, which no reader of the log sees, and which moves with the partition', () => {
    const bench = makeBench();
    const backup = makeBench();
    backup.store.closePartition(PARTITION);
    const { incarnation } = bench.store.logInfo(PARTITION);
    backup.store.openPartition(PARTITION, 1 as Epoch, { role: 'backup', incarnation });
    const floor = bench.clock.now();
    bench.time.ms += 1;
    const batch = stage(bench, [
      [1, 'a', 'x'],
      [2, 'b', 'y'],
    ]);
    const result = bytesOf('what the processor made of it');
    batch.answer(MAP, PARTITION, result, 0, result.length);
    batch.commit();
    const kinds: number[] = [];
    bench.store.readLog(PARTITION, 1 as Sequence, 10, ({ kind }) => kinds.push(kind));
    expect(kinds).toEqual([RecordKind.put, RecordKind.put]);
    const frame = bench.store.encodeLog(PARTITION, 1 as Sequence, 10, 1e6)!;
    expect(backup.store.applyFrame(readRecordFrame(frame))).toBe(4);
    backup.store.commitBackup(PARTITION, 3 as Sequence);
    for (const one of [bench, backup]) {
      const found = search(one, [1, 2], floor);
      expect([resultOf(found, 0), resultOf(found, 1)]).toEqual([undefined, 'what the processor made of it']);
      settle(one.store);
      one.store.checkInvariants();
    }
    const undone = stage(bench, [[3, 'a', 'z']]);
    undone.answer(MAP, PARTITION, result, 0, result.length);
    undone.abort();
    expect(search(bench, [3], floor).stateOf(0)).toBe('notApplied');
    bench.store.checkInvariants();
  });

  it('has a short result in the record of the change itself, which moves with it', () => {
    const bench = makeBench();
    const backup = makeBench();
    backup.store.closePartition(PARTITION);
    const { incarnation } = bench.store.logInfo(PARTITION);
    backup.store.openPartition(PARTITION, 1 as Epoch, { role: 'backup', incarnation });
    stage(bench, [[9, 'c', 'x']]).commit();
    const floor = bench.clock.now();
    bench.time.ms += 1;
    const results = ['', 'r', 'elevenbytes', 'twelve bytes', 'q'.repeat(8)];
    results.forEach((result, number) => {
      const batch = stage(bench, [[number + 1, `k${number}`, number === 4 ? undefined : 'v']]);
      if (number === 4) {
        batch.requestNumber = 0;
        stagePut(batch, 'k4', 'v');
        batch.commit();
        const removal = stage(bench, [[5, 'k4', undefined]]);
        removal.answer(MAP, PARTITION, bytesOf(result), 0, result.length);
        removal.commit();
        return;
      }
      if (result !== '') batch.answer(MAP, PARTITION, bytesOf(result), 0, result.length);
      batch.commit();
    });
    // One of its own for the long one alone.
    expect(bench.store.logInfo(PARTITION).committedSequence).toBe(1 + 4 + 1 + 2);
    const frame = bench.store.encodeLog(PARTITION, 1 as Sequence, 20, 1e6)!;
    expect(backup.store.applyFrame(readRecordFrame(frame))).toBe(9);
    backup.store.commitBackup(PARTITION, 8 as Sequence);
    for (const one of [bench, backup]) {
      const found = search(one, [1, 2, 3, 4, 5], floor);
      expect([0, 1, 2, 3, 4].map((index) => resultOf(found, index) ?? '')).toEqual(results);
      settle(one.store);
      one.store.checkInvariants();
    }
  });

  it('answer-search S5: takes an answer that is alone for a mutation that was applied, and knows of a result that it is lost', () => {
    const bench = makeBench();
    const backup = makeBench();
    backup.store.closePartition(PARTITION);
    const { incarnation } = bench.store.logInfo(PARTITION);
    backup.store.openPartition(PARTITION, 1 as Epoch, { role: 'backup', incarnation });
    const floor = bench.clock.now();
    const batch = stage(bench, [[2, 'a', 'x']]);
    for (const [number, result] of [
      [1, ''],
      [2, 'x'.repeat(100_000)],
      [3, 'short'],
    ] as const) {
      batch.requestNumber = number;
      batch.answer(MAP, PARTITION, bytesOf(result), 0, result.length);
    }
    expect(search(bench, [1], floor).undecided(0)).toBe(batch);
    batch.commit();
    const alone = bench.store.begin({ requestSession: SESSION, requestNumber: 4 });
    alone.answer(MAP, PARTITION, bytesOf('nothing is left of it'), 0, 10);
    expect(alone.isEmpty).toBe(false);
    alone.commit();
    const undone = bench.store.begin({ requestSession: SESSION, requestNumber: 5 });
    undone.answer(MAP, PARTITION, bytesOf('undone'), 0, 6);
    undone.abort();
    expect(backup.store.applyFrame(readRecordFrame(bench.store.encodeLog(PARTITION, 1 as Sequence, 10, 1e6)!))).toBe(6);
    backup.store.commitBackup(PARTITION, 5 as Sequence);
    for (const one of [bench, backup]) {
      const found = search(one, [1, 2, 3, 4, 5], floor);
      expect([0, 1, 2, 3, 4].map((index) => found.stateOf(index))).toEqual([
        ...['applied', 'applied', 'applied', 'applied', 'notApplied'],
      ]);
      expect([0, 1, 2, 3].map((index) => found.record(index).kind)).toEqual([
        ...[RecordKind.answer, RecordKind.put, RecordKind.answer, RecordKind.answer],
      ]);
      const lost = found.result(1)!;
      expect([lost.hasValue, lost.cause]).toEqual([false, RecordCause.memory]);
      expect([resultOf(found, 2), resultOf(found, 3)]).toEqual(['short', 'nothing is']);
      settle(one.store);
      one.store.checkInvariants();
    }
  });

  it('takes no expiry that a mutation met for the mutation', () => {
    const bench = makeBench();
    const batch = bench.store.begin();
    stagePut(batch, 'a', 'due', PARTITION, (bench.time.ms + 10) * 1000);
    batch.commit();
    bench.time.ms += 20;
    const floor = bench.clock.now();
    stage(bench, [[1, 'a', undefined]]).commit();
    expect(search(bench, [1], floor).stateOf(0)).toBe('notApplied');
  });

  it('agrees with a list of all that was ever applied, whatever the log drops', () => {
    const told = { applied: 0, notApplied: 0, unknown: 0 };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const bench = makeBench({ logBytesPerPartition: 6000 });
        const values = new Map<string, string>();
        const sent: { number: number; floor: number; applied: boolean; old: string | undefined }[] = [];
        for (let number = 1; number < 120; ) {
          const floor = bench.clock.now();
          bench.time.ms += 1;
          const mutations = Array.from({ length: 1 + random.below(4) }, () => {
            const key = `k${random.below(8)}`;
            return [number++, key, random.below(3) === 0 ? undefined : `v${number}`] as const;
          }).filter(([, key], index, all) => all.findIndex(([, other]) => other === key) === index);
          const batch = stage(bench, mutations);
          const isAborted = random.below(4) === 0;
          for (const [sentNumber, key, value] of mutations) {
            const old = values.get(key);
            sent.push({
              number: sentNumber,
              floor,
              applied: !isAborted && (value !== undefined || old !== undefined),
              old,
            });
            if (isAborted) continue;
            if (value === undefined) values.delete(key);
            else values.set(key, value);
          }
          if (isAborted) batch.abort();
          else batch.commit();
        }
        for (const { number, floor, applied, old } of sent) {
          const found = search(bench, [number, 9999], floor, 1 + random.below(20));
          const state = found.stateOf(0);
          told[state] += 1;
          if (state === 'unknown') continue;
          expect(state).toBe(applied ? 'applied' : 'notApplied');
          if (applied) expect(oldValueOf(found, 0)).toBe(old);
        }
        const { firstSequence, committedSequence } = bench.store.logInfo(0 as PartitionId);
        expect(committedSequence).toBeGreaterThan(firstSequence);
      }),
      { numRuns: 30 },
    );
    expect(Math.min(told.applied, told.notApplied, told.unknown)).toBeGreaterThan(50);
  });
});
