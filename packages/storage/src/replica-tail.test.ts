/** A primary and a backup of one partition: what the backup shows is what the primary had at the backup's commit index. */
import { type Epoch, type MapId, type PartitionId, type Sequence, seededRandom, type Version } from '@ashlar/core';
import fc from 'fast-check';
import type { WriteBatch } from './batch/write-batch.ts';
import { RecordKind } from './log/log-record.ts';
import { type RecordFrame, readRecordFrame } from './log/record-frame.ts';
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
  scanAt,
  settle,
  stagePut,
  stageRemove,
  textOf,
} from './testing/store-bench.ts';

function backupBench(options: Parameters<typeof makeBench>[0] = {}, incarnation?: number): Bench {
  const bench = makeBench(options);
  bench.store.closePartition(PARTITION);
  bench.store.openPartition(PARTITION, 1 as Epoch, { role: 'backup', incarnation });
  return bench;
}

/** Ships what is sealed. @returns the sequence that the backup wants next */
function ship(from: Bench, to: Bench, recordsMax = 1000): number {
  const next = (to.store.logInfo(PARTITION).committedSequence + to.store.tailLength(PARTITION) + 1) as Sequence;
  const frame = from.store.encodeLog(PARTITION, next, recordsMax, Infinity);
  return frame === undefined ? next : to.store.applyFrame(readRecordFrame(frame));
}

function commit(from: Bench, to: Bench, sequence = from.store.logInfo(PARTITION).committedSequence): void {
  to.store.commitBackup(PARTITION, sequence);
}

/** All that is committed. */
function shown(bench: Bench): Map<string, string> {
  return scanAt(bench.reader, Number.MAX_SAFE_INTEGER as Version);
}

function promote(from: Bench, backup: Bench): void {
  backup.clock.observe(from.clock.now());
  backup.store.promotePartition(PARTITION, 2 as Epoch);
}

describe('a backup', () => {
  it('shows nothing before the commit index reaches it, and then what the primary shows, with its records', () => {
    const primary = makeBench();
    const backup = backupBench();
    put(primary.store, 'a', '1');
    const sealed = primary.store.begin({ requestSession: 5, requestNumber: 6 });
    stagePut(sealed, 'a', '2');
    stagePut(sealed, 'b', '1');
    sealed.seal();
    ship(primary, backup);
    expect([get(backup.store, 'a'), recordsOf(backup.store)]).toEqual([undefined, []]);
    commit(primary, backup);
    expect([get(backup.store, 'a'), get(backup.store, 'b')]).toEqual(['1', undefined]);
    sealed.commit();
    commit(primary, backup);
    expect([get(backup.store, 'a'), get(backup.store, 'b')]).toEqual(['2', '1']);
    expect(backup.store.found.version).toBe(sealed.version);
    expect(recordsOf(backup.store)).toEqual(recordsOf(primary.store));
    backup.store.readLog(PARTITION, 2 as Sequence, 1, (record) => {
      expect([record.version, record.epoch, record.requestSession, record.requestNumber]).toEqual([
        sealed.version,
        1,
        5,
        6,
      ]);
      expect(record.checksum).toBe(record.computeChecksum());
    });
    backup.store.checkInvariants();
  });

  it('is written to by nobody else', () => {
    const { store } = backupBench();
    expect(() => put(store, 'a', '1')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    expect(store.roleOf(PARTITION)).toBe('backup');
  });

  it('frees what many commits leave behind at once, also where a partition goes in between', () => {
    const primary = makeBench();
    const backup = backupBench();
    const other = 1 as PartitionId;
    backup.store.closePartition(other);
    backup.store.openPartition(other, 1 as Epoch, { role: 'backup', incarnation: 1 });
    for (let round = 0; round < 5; round++)
      for (const partition of [PARTITION, other]) put(primary.store, 'a', `${round}`, partition);
    for (const partition of [PARTITION, other]) {
      backup.store.applyFrame(readRecordFrame(primary.store.encodeLog(partition, 1 as Sequence, 100, Infinity)!));
      backup.store.commitNextBackup(partition, 4 as Sequence);
    }
    expect(get(backup.store, 'a')).toBe('3');
    backup.store.closePartition(other);
    backup.store.commitNextBackup(PARTITION, 5 as Sequence);
    backup.store.collectGarbage();
    expect(get(backup.store, 'a')).toBe('4');
    backup.store.checkInvariants();
  });

  it('drops its tail, and takes the same records again', () => {
    const primary = makeBench();
    const backup = backupBench();
    put(primary.store, 'a', '1');
    ship(primary, backup);
    commit(primary, backup);
    for (const value of ['2', '3', '4']) put(primary.store, 'a', value);
    put(primary.store, 'b', '1');
    ship(primary, backup);
    backup.store.dropTail(PARTITION);
    settle(backup.store);
    expect([...shown(backup)]).toEqual([['a', '1']]);
    backup.store.checkInvariants();
    ship(primary, backup, 2);
    ship(primary, backup);
    // What comes twice is passed over.
    backup.store.applyFrame(readRecordFrame(primary.store.encodeLog(PARTITION, 1 as Sequence, 100, Infinity)!));
    commit(primary, backup);
    expect(shown(backup)).toEqual(shown(primary));
    backup.store.checkInvariants();
  });

  it('refuses a log that differs from its own', () => {
    const [one, other, backup] = [makeBench(), makeBench(), backupBench()];
    put(one.store, 'a', '1');
    other.time.ms += 5;
    put(other.store, 'a', '1');
    ship(one, backup);
    const frame = readRecordFrame(other.store.encodeLog(PARTITION, 1 as Sequence, 1, 1)!);
    expect(() => backup.store.applyFrame(frame)).toThrow('T1');
  });

  it('waits before a record of a map that it does not know; one of a dropped map keeps its sequence', () => {
    const primary = makeBench();
    const backup = backupBench();
    const LATER = 2 as MapId;
    primary.store.openMap(LATER, { affinityParts: 0 });
    put(primary.store, 'a', '1');
    put(primary.store, 'x', '1', PARTITION, 0, LATER);
    put(primary.store, 'b', '1');
    expect([ship(primary, backup), ship(primary, backup)]).toEqual([2, 2]);
    backup.store.openMap(LATER, { affinityParts: 0 });
    expect(ship(primary, backup)).toBe(4);
    commit(primary, backup);
    expect([get(backup.store, 'x', PARTITION, LATER), get(backup.store, 'b')]).toEqual(['1', '1']);
    put(primary.store, 'y', '1', PARTITION, 0, LATER);
    put(primary.store, 'c', '1');
    backup.store.dropMap(LATER);
    expect(ship(primary, backup)).toBe(6);
    commit(primary, backup);
    expect(recordsOf(backup.store, 4)).toEqual(['5 put c -> 1']);
    settle(backup.store);
    backup.store.checkInvariants();
  });

  it('expires nothing by itself; promoted, it does, and who read what while it was a backup counts as just now', () => {
    const primary = makeBench({ maxIdleMs: 1000 });
    const backup = backupBench({ maxIdleMs: 1000 });
    const at = (primary.time.ms + 300) * 1000;
    put(primary.store, 'due', '1', PARTITION, at);
    put(primary.store, 'idle', '1');
    ship(primary, backup);
    commit(primary, backup);
    backup.time.ms += 900;
    backup.store.sweepExpired(100);
    // It is not shown, but its end is the primary's to write.
    expect([get(backup.store, 'due'), recordsOf(backup.store).length]).toEqual([undefined, 2]);
    promote(primary, backup);
    backup.time.ms += 900;
    expect(get(backup.store, 'idle')).toBe('1');
    backup.store.sweepExpired(100);
    expect(recordsOf(backup.store, 3)).toEqual(['3 expire due 1']);
    backup.time.ms += 1200;
    backup.store.sweepExpired(100);
    expect(recordsOf(backup.store, 4)).toEqual(['4 expire idle 1']);
    backup.store.checkInvariants();
  });

  it('promoted, hands on the incarnation and goes on with sequence and version', () => {
    const primary = makeBench();
    const { incarnation } = primary.store.logInfo(PARTITION);
    const backup = backupBench({}, incarnation);
    for (const value of ['1', '2', '3']) put(primary.store, 'a', value);
    get(primary.store, 'a');
    const last = primary.store.found.version;
    ship(primary, backup);
    commit(primary, backup);
    promote(primary, backup);
    put(backup.store, 'a', '4');
    expect(backup.store.logInfo(PARTITION)).toMatchObject({ incarnation, committedSequence: 4 });
    expect([get(backup.store, 'a'), recordsOf(backup.store, 3)]).toEqual(['4', ['3 put a 2 -> 3', '4 put a 3 -> 4']]);
    expect(backup.store.found.version).toBeGreaterThan(last);
    backup.store.checkInvariants();
  });

  it('keeps what durable consumers of its primary have still to read, and promoted until its own stand', () => {
    const primary = makeBench();
    const backup = backupBench({ logBytesPerPartition: 4096 });
    const consumer = primary.store.addConsumer(PARTITION, { durable: true, at: 1 as Sequence });
    const write = (count: number): void => {
      for (; count > 0; count--) put(primary.store, 'a', 'v'.repeat(100));
      ship(primary, backup);
      commit(primary, backup);
    };
    const first = (): number => backup.store.logInfo(PARTITION).firstSequence;
    write(100);
    const old = readRecordFrame(primary.store.encodeLog(PARTITION, 1 as Sequence, 100, Infinity)!);
    expect(backup.store.logInfo(PARTITION)).toMatchObject({ firstSequence: 1, heldFrom: 1 });
    consumer.advance(61);
    write(1);
    // What is told late tells nothing any more.
    backup.store.applyFrame(old);
    expect(backup.store.logInfo(PARTITION).heldFrom).toBe(61);
    put(primary.store, 'a', '1');
    expect([ship(primary, backup), first()]).toEqual([103, 61]);
    commit(primary, backup);
    promote(primary, backup);
    for (let round = 0; round < 100; round++) put(backup.store, 'b', 'v'.repeat(100));
    expect([first(), recordsOf(backup.store, 61)[0]]).toEqual([
      61,
      `61 put a ${'v'.repeat(100)} -> ${'v'.repeat(100)}`,
    ]);
    const own = backup.store.addConsumer(PARTITION, { durable: true, at: 150 as Sequence });
    backup.store.holdLog(PARTITION, Infinity);
    put(backup.store, 'b', '1');
    expect(first()).toBe(150);
    own.close();
    put(backup.store, 'b', '2');
    expect(first()).toBeGreaterThan(150);
    backup.store.checkInvariants();
  });

  it('lets go of what nobody holds any more at the primary', () => {
    const primary = makeBench();
    const backup = backupBench({ logBytesPerPartition: 4096 });
    const consumer = primary.store.addConsumer(PARTITION, { durable: true, at: 1 as Sequence });
    for (let round = 0; round < 100; round++) put(primary.store, 'a', 'v'.repeat(100));
    ship(primary, backup);
    commit(primary, backup);
    consumer.close();
    put(primary.store, 'a', '1');
    put(primary.store, 'a', '2');
    ship(primary, backup);
    commit(primary, backup);
    expect(backup.store.logInfo(PARTITION).heldFrom).toBe(Infinity);
    expect(backup.store.logInfo(PARTITION).bytes).toBeLessThanOrEqual(4096);
  });

  it('that begins in the middle of a log knows how far back it reaches', () => {
    const primary = makeBench();
    const { incarnation } = primary.store.logInfo(PARTITION);
    const before = primary.clock.now();
    put(primary.store, 'a', '1');
    const between = primary.clock.now();
    put(primary.store, 'a', '2');
    const backup = makeBench();
    backup.store.closePartition(PARTITION);
    backup.store.openPartition(PARTITION, 1 as Epoch, { role: 'backup', incarnation, lastSequence: 1 as Sequence });
    const stateOf = (floor: number): string => {
      const search = backup.store.searchAnswers(PARTITION, { session: 5, numbers: [1], floor });
      while (!search.step(100));
      return search.stateOf(0);
    };
    expect(stateOf(Number.MAX_SAFE_INTEGER)).toBe('unknown');
    ship(primary, backup);
    commit(primary, backup);
    expect([stateOf(between), stateOf(before)]).toEqual(['notApplied', 'unknown']);
  });

  it('gets batches whole, and holds none in part', () => {
    const primary = makeBench();
    const backup = backupBench();
    const LATER = 2 as MapId;
    primary.store.openMap(LATER, { affinityParts: 0 });
    const long = primary.store.begin();
    for (let key = 0; key < 50; key++) stagePut(long, `k${key}`, 'v'.repeat(100));
    long.commit();
    put(primary.store, 'a', '1');
    const mixed = primary.store.begin();
    for (const key of ['b', 'c']) stagePut(mixed, key, '1');
    stagePut(mixed, 'x', '1', PARTITION, 0, LATER);
    mixed.commit();
    const run = (from: number, bytesMax: number): unknown => {
      const { recordEpoch, count } = primary.store.readRun(PARTITION, from as Sequence, bytesMax)!;
      return [recordEpoch, count];
    };
    // One batch in any case, and no part of one.
    expect([run(1, 1), run(1, 4000), run(1, 1e6), run(51, 1)]).toEqual([
      [1, 50],
      [1, 50],
      [1, 54],
      [1, 1],
    ]);
    const frame = readRecordFrame(primary.store.readRun(PARTITION, 1 as Sequence, 1e6)!.payload);
    // Its last record is of a map that is not known here yet.
    expect(backup.store.applyFrame(frame)).toBe(52);
    expect(backup.store.heldSequence(PARTITION)).toBe(51);
    backup.store.checkInvariants();
    backup.store.openMap(LATER, { affinityParts: 0 });
    expect(backup.store.applyFrame(frame)).toBe(55);
    commit(primary, backup);
    expect(shown(backup)).toEqual(shown(primary));
    backup.store.checkInvariants();
  });

  it('that has no room for all of a batch holds nothing of it', () => {
    const primary = makeBench({ maxBytes: 2 ** 24 });
    const backup = backupBench({ maxBytes: 40 * 32_768 });
    put(primary.store, 'a', '1');
    const batch = primary.store.begin();
    for (let key = 0; key < 300; key++) stagePut(batch, `k${key}`, 'v'.repeat(4000));
    batch.commit();
    const frame = readRecordFrame(primary.store.readRun(PARTITION, 1 as Sequence, 2e6)!.payload);
    expect(() => backup.store.applyFrame(frame)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    expect(backup.store.heldSequence(PARTITION)).toBe(1);
    settle(backup.store);
    backup.store.checkInvariants();
  });

  it('knows what a key held before a step that wrote it more than once, as its primary does', () => {
    const primary = makeBench();
    const backup = backupBench();
    put(primary.store, 'a', '1');
    const one = primary.store.begin();
    stagePut(one, 'a', '2');
    one.seal();
    const step = primary.store.begin();
    step.requestSession = 5;
    for (const [number, value] of ['3', '4', '5'].entries()) {
      step.requestNumber = number + 1;
      stagePut(step, 'a', value);
    }
    step.requestNumber = 4;
    stagePut(step, 'new', '1');
    step.requestNumber = 5;
    stagePut(step, 'new', '2');
    step.seal();
    ship(primary, backup);
    one.commit();
    step.commit();
    commit(primary, backup);
    const answersOf = ({ store }: Bench): unknown[] => {
      const search = store.searchAnswers(PARTITION, { session: 5, numbers: [1, 2, 3, 4, 5], floor: 0 });
      while (!search.step(10));
      return [0, 1, 2, 3, 4].map((index) => {
        const record = search.record(index);
        record.positionOldValue();
        return [record.kind, record.oldVersion, textOf(record.bytes, record.start, record.stop)];
      });
    };
    expect(answersOf(primary)[0]).toEqual([RecordKind.superseded, one.version, '2']);
    expect(answersOf(backup)).toEqual(answersOf(primary));
    backup.store.checkInvariants();
  });

  it('and its primary agree over random batches, frames, commit indexes and dropped tails', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => agree(seed)),
      { numRuns: Number(process.env['ASHLAR_MODEL_RUNS'] ?? 25) },
    );
  });
});

function agree(seed: number): void {
  const random = seededRandom(seed);
  const primary = makeBench({ maxBytes: 4 * 2 ** 20, logBytesPerPartition: 200_000 });
  const backup = backupBench({ maxBytes: 4 * 2 ** 20, logBytesPerPartition: 200_000 });
  const waiting: WriteBatch[] = [];
  /** By commit index: what the primary showed. */
  const states = new Map<number, Map<string, string>>([[0, new Map()]]);
  const remember = (): void => {
    states.set(primary.store.logInfo(PARTITION).committedSequence, shown(primary));
  };
  const commitOldest = (): void => {
    waiting.shift()?.commit();
    remember();
  };
  for (let step = 0; step < 250; step++) {
    const dice = random.below(100);
    if (dice < 45) {
      const batch = primary.store.begin({ oncePerKey: random.below(2) === 0 });
      for (let left = 1 + random.below(6); left > 0; left--) {
        const key = `k${random.below(15)}`;
        if (random.below(3) === 0) stageRemove(batch, key);
        else stagePut(batch, key, 'v'.repeat(random.below(200)), PARTITION, 0);
      }
      batch.seal();
      waiting.push(batch);
    } else if (dice < 65) commitOldest();
    else if (dice < 85) ship(primary, backup, 1 + random.below(12));
    else if (dice < 93) {
      const index = [...states.keys()].filter(
        (sequence) => sequence <= primary.store.logInfo(PARTITION).committedSequence,
      );
      commit(primary, backup, index[random.below(index.length)] as Sequence);
      const reached = backup.store.logInfo(PARTITION).committedSequence;
      const expected = states.get(reached);
      if (expected !== undefined) expect(shown(backup)).toEqual(expected);
    } else if (dice < 96) backup.store.dropTail(PARTITION);
    else if (dice < 98) backup.store.checkInvariants();
    else backup.store.reclaim(50);
  }
  while (waiting.length > 0) commitOldest();
  for (let before = 0; before !== ship(primary, backup); before = ship(primary, backup));
  commit(primary, backup);
  expect(shown(backup)).toEqual(shown(primary));
  for (const key of ['k1', 'k2', 'k3']) expect(get(backup.store, key)).toBe(get(primary.store, key));
  backup.store.checkInvariants();
  settle(backup.store);
  closeAll(backup.store, [MAP], 2);
  backup.store.checkInvariants();
  expect(backup.store.stats()).toMatchObject({ maps: [], slackBytes: 0, logBytes: 0, undecidedBatches: 0 });
}

describe('a partition that leaves', () => {
  it('is cut out of batches that are under way; what they staged elsewhere goes on', () => {
    const { store } = makeBench();
    put(store, 'kept', '1', 1);
    const single = store.begin();
    stagePut(single, 'a', '1');
    single.seal();
    const both = store.begin();
    stagePut(both, 'b', '1');
    stagePut(both, 'kept', '2', 1);
    both.seal();
    const open = store.begin();
    stagePut(open, 'c', '1');
    stagePut(open, 'more', '1', 1);
    store.closePartition(PARTITION);
    expect([single.state, both.state, open.state]).toEqual(['aborted', 'sealed', 'open']);
    expect([both.lostPartitions, open.lostPartitions]).toEqual([[PARTITION], [PARTITION]]);
    expect(() => stagePut(open, 'd', '1')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    stagePut(open, 'last', '1', 1);
    both.commit();
    open.commit();
    expect([get(store, 'kept', 1), get(store, 'more', 1), get(store, 'last', 1)]).toEqual(['2', '1', '1']);
    expect(store.entryCount(MAP)).toBe(3);
    settle(store);
    store.checkInvariants();
    store.openPartition(PARTITION, 2 as Epoch);
    expect(store.find(MAP, PARTITION, bytesOf('a'), 0, 1)).toBe(false);
  });
});

describe('a batch that is too long for one frame', () => {
  const options = { maxBytes: 2 ** 28 };
  const LONG = 3 * 2 ** 20;

  /** A batch of 21 MiB behind a record, at a primary, and the runs in which it goes. */
  function longBatch(): { primary: Bench; backup: Bench; frames: RecordFrame[]; last: Sequence } {
    const [primary, backup] = [makeBench(options), backupBench(options)];
    put(primary.store, 'k0', 'before');
    const batch = primary.store.begin();
    for (let key = 0; key < 7; key++) stagePut(batch, `k${key}`, `${key}`.repeat(LONG));
    batch.seal();
    const next = primary.store.begin();
    stagePut(next, 'behind', '1');
    next.seal();
    const last = primary.store.heldSequence(PARTITION);
    const frames: RecordFrame[] = [];
    for (let from = 1; from <= last; ) {
      const run = primary.store.readRun(PARTITION, from as Sequence, 2 ** 24)!;
      frames.push(readRecordFrame(run.payload));
      from += run.count;
    }
    return { primary, backup, frames, last };
  }

  it('goes in several, all but the last of which say so', () => {
    const { frames, last } = longBatch();
    expect(frames.length).toBeGreaterThan(2);
    expect(frames.map(({ isOpen }) => isOpen)).toEqual(frames.map((_, at) => at < frames.length - 1));
    expect(frames.at(-1)!.lastSequence).toBe(last);
  });

  it('is shown when all of it is there and committed, and not before', () => {
    const { backup, frames, last } = longBatch();
    const { store } = backup;
    for (const frame of frames.slice(0, -1)) {
      store.applyFrame(frame);
      store.commitBackup(PARTITION, frame.lastSequence as Sequence);
      expect([...shown(backup)]).toEqual([['k0', 'before']]);
    }
    store.applyFrame(frames.at(-1)!);
    // A commit index within it, of a primary whose other backup has not got further.
    store.commitBackup(PARTITION, 5 as Sequence);
    expect([store.committedSequence(PARTITION), shown(backup).size]).toEqual([1, 1]);
    store.commitBackup(PARTITION, last);
    expect(new Map([...shown(backup)].map(([key, value]) => [key, value.length]))).toEqual(
      new Map([...Array.from({ length: 7 }, (_, key) => [`k${key}`, LONG] as const), ['behind', 1]]),
    );
    store.checkInvariants();
  });

  it.each([1, 2])('is taken back as a whole where %d of its frames have come, and no more will', (count) => {
    const { backup, frames } = longBatch();
    const { store } = backup;
    for (const frame of frames.slice(0, count)) store.applyFrame(frame);
    expect(store.heldSequence(PARTITION)).toBeGreaterThan(1);
    store.commitBackup(PARTITION, 3 as Sequence);
    expect(store.endOpenBatch(PARTITION)).toBe(1);
    expect(store.endOpenBatch(PARTITION)).toBe(1);
    store.commitBackup(PARTITION, 1 as Sequence);
    expect([...shown(backup)]).toEqual([['k0', 'before']]);
    store.checkInvariants();
    // Its numbers are used again.
    backup.clock.observe(frames[0]!.at(0).lastVersion);
    store.promotePartition(PARTITION, 2 as Epoch);
    put(store, 'k1', 'after');
    expect([store.heldSequence(PARTITION), shown(backup).get('k1')]).toEqual([2, 'after']);
  });

  it('is kept where all of its frames have come', () => {
    const { backup, frames, last } = longBatch();
    for (const frame of frames) backup.store.applyFrame(frame);
    expect(backup.store.endOpenBatch(PARTITION)).toBe(last);
  });

  it('may have more records than a frame', () => {
    const [primary, backup] = [makeBench(options), backupBench(options)];
    const batch = primary.store.begin();
    for (let key = 0; key < 70_000; key++) stagePut(batch, `k${key}`, '1');
    batch.seal();
    const run = primary.store.readRun(PARTITION, 1 as Sequence, 100)!;
    const frame = readRecordFrame(run.payload);
    expect([frame.isOpen, frame.count]).toEqual([true, 65_536]);
    backup.store.applyFrame(frame);
    expect(backup.store.endOpenBatch(PARTITION)).toBe(0);
    expect(backup.store.tailLength(PARTITION)).toBe(0);
  });
});
