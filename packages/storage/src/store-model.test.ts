/**
 * The store against a dumb twin: a Map a partition, copied whole for every snapshot and every batch. Random operations
 * with aborts, batches waiting for their commit, snapshots, expiry, full memory, drop and reopen, slow readers.
 */
import type { MapId, PartitionId, Sequence, Version } from '@ashlar/core';
import { GridError, seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import type { WriteBatch } from './batch/write-batch.ts';
import type { LogRecordView } from './log/log-record.ts';
import {
  closeAll,
  get,
  getAt,
  getNewest,
  MAP,
  makeBench,
  scanAt,
  settle,
  stagePut,
  stageRemove,
  textOf,
} from './testing/store-bench.ts';

interface Row {
  readonly value: string;
  /** Milliseconds of virtual time; Infinity: none. */
  readonly deadlineMs: number;
}
type Content = Map<string, Row>[];

const PARTITIONS = 2;

function copyOf(content: Content): Content {
  return content.map((rows) => new Map(rows));
}

function textsOf(record: LogRecordView): { key: string; value: string | undefined; old: string | undefined } {
  const here = (): string => textOf(record.bytes, record.start, record.stop);
  record.positionKey();
  const key = here();
  record.positionValue();
  const value = record.hasValue ? here() : undefined;
  record.positionOldValue();
  return { key, value, old: record.hasOldValue ? here() : undefined };
}

function valuesOf(rows: Map<string, Row>): Map<string, string> {
  return new Map([...rows].map(([key, row]) => [key, row.value]));
}

/** Short values are one letter repeated; long ones are looked at in many places, and no two of these are alike. */
function brief(value: string | undefined): string {
  if (value === undefined) return 'absent';
  let text = `${value.length} x ${value[0]}`;
  for (let at = 4096; at < value.length; at += 4096) text += ` ${value.slice(at, at + 6)}`;
  return text;
}

/** What long values are cut from. */
const NUMBERS = Array.from({ length: 60_000 }, (_, number) => String(number).padStart(6, 'v')).join('');

/** What a follower of a partition's log holds of a key. */
interface Followed {
  readonly value: string | undefined;
  /** Version of the last record of the key. */
  readonly version: number;
}

/** One run: the store, its twin, and what is open in both. */
class Run {
  readonly bench;
  readonly random;
  committed: Content = Array.from({ length: PARTITIONS }, () => new Map());
  /** Sealed batches in order, each with the twin's state after it. */
  waiting: { batch: WriteBatch; after: Content }[] = [];
  snapshots: { id: number; version: Version; content: Content }[] = [];
  mapId = MAP;
  refused = 0;
  /** Refused because of what is undecided. */
  logFull = 0;
  aborted = 0;
  commits = 0;
  cuts = 0;
  /** What the records say, where none was missed: by partition; and the sequence that follows. */
  followed: Map<string, Followed>[] = Array.from({ length: PARTITIONS }, () => new Map());
  followedTo: number[] = new Array(PARTITIONS).fill(1);

  /** Values found in several pieces. */
  inPieces = 0;
  readonly longBytesMax: number;

  /** @param longBytesMax  of one value in four; 0: few values are long, and none very */
  constructor(seed: number, maxBytes: number, longBytesMax = 0) {
    this.random = seededRandom(seed);
    this.longBytesMax = longBytesMax;
    this.bench = makeBench({ maxBytes, partitionCount: PARTITIONS, logBytesPerPartition: 20_000, patchAtOnceMax: 8 });
  }

  /** The state that the next batch builds on. */
  get newest(): Content {
    return this.waiting.at(-1)?.after ?? this.committed;
  }

  step(): void {
    const dice = this.random.below(100);
    if (dice < 55) this.writeBatch();
    else if (dice < 65) this.commitOldest();
    else if (dice < 68) this.abortNewest();
    else if (dice < 75) this.openSnapshot();
    else if (dice < 81) this.releaseSnapshot();
    else if (dice < 85) this.bench.time.ms += this.random.below(60);
    else if (dice < 88) this.sweep();
    else if (dice < 96) this.bench.store.reclaim(1 + this.random.below(40));
    else if (dice < 97) this.slowReader();
    else this.compare();
    if (this.random.below(400) === 0) this.dropAndReopen();
  }

  /** Deadlines pass only where both sides look at the same moment: the twin drops what is due before every batch. */
  writeBatch(): void {
    const { store } = this.bench;
    this.expireEverythingDue();
    const oncePerKey = this.random.below(2) === 0;
    let batch = store.begin({ oncePerKey });
    let after = copyOf(this.newest);
    const count = this.random.below(8) === 0 ? this.random.below(120) : 1 + this.random.below(6);
    for (let index = 0; index < count; index++) {
      const partition = this.random.below(PARTITIONS);
      const change = this.randomChange(partition);
      while (!this.stage(batch, after, partition, change)) {
        batch.seal();
        this.waiting.push({ batch, after });
        this.cuts += 1;
        batch = store.begin({ oncePerKey });
        after = copyOf(after);
      }
    }
    if (this.random.below(6) === 0) {
      batch.abort();
      this.aborted += 1;
      return;
    }
    batch.seal();
    this.waiting.push({ batch, after });
    if (this.random.below(4) !== 0) while (this.waiting.length > 0) this.commitOldest();
  }

  randomChange(partition: number): { key: string; value: string | undefined; deadlineMs: number } {
    const { time } = this.bench;
    const keys = [...this.newest[partition]!.keys()];
    const isKnown = keys.length > 0 && this.random.below(4) === 0;
    const key = isKnown ? keys[this.random.below(Math.min(3, keys.length))]! : `k${this.random.below(60)}`;
    if (this.random.below(3) === 0) return { key, value: undefined, deadlineMs: Infinity };
    const deadlineMs = this.random.below(6) === 0 ? time.ms + 1 + this.random.below(300) : Infinity;
    return { key, value: this.randomValue(), deadlineMs };
  }

  /** @returns false: the batch wants to be cut before the change */
  stage(
    batch: WriteBatch,
    after: Content,
    partition: number,
    { key, value, deadlineMs }: ReturnType<Run['randomChange']>,
  ): boolean {
    try {
      if (value === undefined) {
        const wasThere = stageRemove(batch, key, partition, this.mapId);
        if (batch.wantsCut) return false;
        expect(wasThere).toBe(after[partition]!.delete(key));
        return true;
      }
      const expiresAt = deadlineMs === Infinity ? 0 : deadlineMs * 1000;
      if (!stagePut(batch, key, value, partition, expiresAt, this.mapId)) return false;
      after[partition]!.set(key, { value, deadlineMs });
    } catch (error) {
      const isLogFull = GridError.is(error, 'LOG_FULL');
      if (!isLogFull && !GridError.is(error, 'OUT_OF_MEMORY')) throw error;
      if (isLogFull) this.logFull += 1;
      else this.refused += 1;
    }
    return true;
  }

  randomValue(): string {
    if (this.longBytesMax > 0 && this.random.below(4) === 0) return this.longValue();
    const length = this.random.below(12) === 0 ? this.random.below(40_000) : this.random.below(160);
    return String.fromCharCode(97 + this.random.below(26)).repeat(length);
  }

  longValue(): string {
    // From just above a page to as long as allowed, and mostly short of it, so that holes of all lengths come about.
    const length = 32_700 + this.random.below(1 + this.random.below(this.longBytesMax));
    const first = this.random.below(60_000);
    return NUMBERS.slice(first, first + length);
  }

  commitOldest(): void {
    const oldest = this.waiting.shift();
    if (oldest === undefined) return;
    oldest.batch.commit();
    this.committed = oldest.after;
    this.commits += 1;
  }

  abortNewest(): void {
    const newest = this.waiting.pop();
    newest?.batch.abort();
  }

  openSnapshot(): void {
    if (this.snapshots.length > 6) return;
    while (this.waiting.length > 0) this.commitOldest();
    this.expireEverythingDue();
    const { id, version } = this.bench.store.openSnapshot();
    this.snapshots.push({ id, version, content: copyOf(this.committed) });
  }

  releaseSnapshot(): void {
    if (this.snapshots.length === 0) return;
    const [snapshot] = this.snapshots.splice(this.random.below(this.snapshots.length), 1);
    expect(this.bench.store.releaseSnapshot(snapshot!.id)).toBe(true);
    expect(this.bench.reader.snapshotAlive(snapshot!.id)).toBe(false);
  }

  /** Reads every due key, which writes its expiry, on both sides. */
  expireEverythingDue(): void {
    const due: [number, string][] = [];
    this.newest.forEach((rows, partition) => {
      for (const [key, row] of rows) if (row.deadlineMs <= this.bench.time.ms) due.push([partition, key]);
    });
    if (due.length === 0) return;
    while (this.waiting.length > 0) this.commitOldest();
    for (const [partition, key] of due) {
      expect(get(this.bench.store, key, partition, this.mapId)).toBeUndefined();
      this.committed[partition]!.delete(key);
    }
  }

  /** After the sweep what was due a tick ago is gone without being looked at. */
  sweep(): void {
    while (this.waiting.length > 0) this.commitOldest();
    while (!this.bench.store.sweepExpired(20));
    this.expireEverythingDue();
  }

  /** A reader that stays in its epoch while writes go on. */
  slowReader(): void {
    this.bench.reader.enter();
    for (let index = 0; index < 5; index++) this.writeBatch();
    this.bench.reader.leave();
  }

  dropAndReopen(): void {
    while (this.waiting.length > 0) this.commitOldest();
    const { store } = this.bench;
    this.follow();
    for (const known of this.followed) known.clear();
    store.dropMap(this.mapId);
    for (const { id } of this.snapshots) store.releaseSnapshot(id);
    this.snapshots = [];
    this.mapId = (this.mapId + 1) as MapId;
    store.openMap(this.mapId, { affinityParts: 0 });
    this.committed = Array.from({ length: PARTITIONS }, () => new Map());
  }

  /** No two records of a key share a version, and each tells the state that the one before left. */
  follow(): void {
    const { store } = this.bench;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const id = partition as PartitionId;
      const known = this.followed[partition]!;
      const { firstSequence, committedSequence } = store.logInfo(id);
      // What full memory dropped was committed: no sequence is given anew (partition-log L6).
      expect(firstSequence).toBeLessThanOrEqual(committedSequence + 1);
      const isGapless = this.followedTo[partition]! >= firstSequence;
      if (!isGapless) known.clear();
      const from = isGapless ? this.followedTo[partition]! : firstSequence;
      this.followedTo[partition] = store.readLog(id, from as Sequence, 1e6, (record) => {
        const { value, key, old } = textsOf(record);
        const before = known.get(key);
        if (before !== undefined) {
          expect(record.version).toBeGreaterThan(before.version);
          expect(brief(old)).toBe(brief(before.value));
          if (old !== undefined) expect(record.oldVersion).toBe(before.version);
        }
        known.set(key, { value, version: record.version });
      });
      for (const [key, { value }] of known)
        expect(brief(value)).toBe(brief(this.committed[partition]!.get(key)?.value));
    }
  }

  compare(): void {
    const { store, reader } = this.bench;
    this.expireEverythingDue();
    this.follow();
    store.checkInvariants();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (let number = 0; number < 60; number++) {
        const key = `k${number}`;
        const row = this.committed[partition]!.get(key);
        // A due row that a waiting batch has replaced gets no record; a read does not show it all the same.
        const shown = row !== undefined && row.deadlineMs > this.bench.time.ms ? row.value : undefined;
        expect(brief(get(store, key, partition, this.mapId))).toBe(brief(shown));
        if (shown !== undefined && !(store.found.valueBytes.buffer instanceof SharedArrayBuffer)) this.inPieces += 1;
      }
      for (const [key, row] of this.newest[partition]!) {
        if (row.deadlineMs > this.bench.time.ms)
          expect(brief(getNewest(store, key, partition, this.mapId))).toBe(brief(row.value));
      }
      for (const key of this.committed[partition]!.keys()) {
        if (!this.newest[partition]!.has(key)) expect(getNewest(store, key, partition, this.mapId)).toBeUndefined();
      }
      expect(store.entryCount(this.mapId, partition as PartitionId)).toBe(this.committed[partition]!.size);
    }
    for (const { id, version, content } of this.snapshots) {
      expect(reader.snapshotAlive(id)).toBe(true);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const expected = valuesOf(content[partition]!);
        const scanned = scanAt(reader, version, partition, this.mapId);
        expect(new Map([...scanned].map(([key, value]) => [key, brief(value)]))).toEqual(
          new Map([...expected].map(([key, value]) => [key, brief(value)])),
        );
        for (let number = 0; number < 60; number += 7) {
          const key = `k${number}`;
          expect(brief(getAt(reader, key, version, partition, this.mapId))).toBe(brief(expected.get(key)));
        }
      }
    }
  }

  finish(): void {
    while (this.waiting.length > 0) this.commitOldest();
    this.compare();
    for (const { id } of this.snapshots) this.bench.store.releaseSnapshot(id);
    settle(this.bench.store);
    this.bench.store.checkInvariants();
    closeAll(this.bench.store, [this.mapId], PARTITIONS);
    this.bench.store.checkInvariants();
    const stats = this.bench.store.stats();
    expect(stats.maps).toEqual([]);
    expect(Object.values(stats.systemBytes).every((bytes) => bytes === 0)).toBe(true);
    expect([stats.slackBytes, stats.retiredBytes, stats.logBytes, stats.timers]).toEqual([0, 0, 0, 0]);
    expect(stats.undecidedBatches).toBe(0);
  }
}

describe('the store and a dumb twin', () => {
  it('agree at every snapshot over random operations', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const run = new Run(seed, 8 * 2 ** 20);
        for (let index = 0; index < 500; index++) run.step();
        expect([run.commits > 50, run.cuts > 10]).toEqual([true, true]);
        run.finish();
      }),
      { numRuns: Number(process.env['ASHLAR_MODEL_RUNS'] ?? 12) },
    );
  });

  it('agree when memory is full most of the time', () => {
    let refused = 0;
    let logFull = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const run = new Run(seed, 36 * 32_768);
        for (let index = 0; index < 400; index++) run.step();
        refused += run.refused;
        logFull += run.logFull;
        run.finish();
      }),
      { numRuns: Number(process.env['ASHLAR_MODEL_RUNS'] ?? 12) },
    );
    expect(refused).toBeGreaterThan(100);
    expect(logFull).toBeGreaterThan(0);
  });

  it('agree when long values come and go in memory that falls to pieces', () => {
    let inPieces = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const run = new Run(seed, 160 * 32_768, 300_000);
        for (let index = 0; index < 400; index++) run.step();
        inPieces += run.inPieces;
        refused += run.refused;
        run.finish();
      }),
      { numRuns: Number(process.env['ASHLAR_MODEL_RUNS'] ?? 12) },
    );
    expect(inPieces).toBeGreaterThan(40);
    expect(refused).toBeGreaterThan(0);
  });
});
