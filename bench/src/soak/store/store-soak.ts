/**
 * One writer and real threads over one store: it puts, removes, lets expire, aborts and drops without pause in little
 * memory, so that slots, blocks and pages are used again all the time; threads scan at snapshots, fill columns, and die.
 * Columns are taken away, and a map is dropped and filled anew, while threads read them.
 *
 * store-soak T1  The writer knows what every snapshot holds: it is the only one that writes, and a snapshot opens between
 *                batches. A thread must see just that: the write of each key, by bytes, by columns, by the index.
 * store-soak T2  An entry whose deadline passed within DUE_MS may be there or not: expiry is written by the sweep.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  type Epoch,
  GridError,
  HybridClock,
  type MapId,
  type PartitionId,
  type Random,
  seededRandom,
} from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore, publishColumns, type WriteBatch } from '@ashlar/storage';
import { rowOf } from '../rows.ts';
import { SoakFault, Tally } from '../tally.ts';
import { COLUMNS, type ScanAnswer, type ScanSetting, type ScanTask } from './scan-task.ts';

const ROWS = 1 as MapId;
const FIRST_PASSING_MAP = 2;
const PARTITIONS = 4;
const KEYS = 4000;
const WORKERS = 2;
const MEMORY_BYTES = 10 * 2 ** 20;
const LOG_BYTES = 100_000;
/** Two ticks of the sweep, and the time that passes between batches. */
const DUE_MS = 100;
const LARGE_BATCH = 3000;
const PAGE_RUNS = [1, 2, 1, 2, 1, 2, 1, 2, 1, 1];
const CHECK_EVERY_TURNS = 400;
/** Drops come while threads read what is dropped. */
const DROP_MAP_EVERY_TURNS = 6;
const DROP_COLUMNS_EVERY_TURNS = 5;
/** Entries of the map that comes and goes. */
const PASSING_ROWS = 1500;
const KILL_EVERY_SCANS = 40;

/** Time moves when the writer says so. */
class SteppedTime {
  ms = 1_000_000;
  monotonicMs(): number {
    return this.ms;
  }
  wallMs(): number {
    return this.ms;
  }
}

/** What a snapshot must show of a key: write n; when it `mayBeGone`, that or nothing. */
interface Expected {
  readonly n: Int32Array;
  readonly mayBeGone: Uint8Array;
}

export class StoreSoak {
  readonly tally = new Tally();
  readonly #store: MemberStore;
  readonly #random: Random;
  readonly #time = new SteppedTime();
  /** The write that is there, 0: none; and when it is due. */
  readonly #present = new Int32Array(KEYS);
  readonly #dueMs = new Float64Array(KEYS).fill(Infinity);
  /** Writes of each key so far, aborted ones too. */
  readonly #written = new Int32Array(KEYS);
  readonly #columnNumbers: readonly number[];
  readonly #leased = new Map<number, Int32Array[]>();
  #passingMap = FIRST_PASSING_MAP as MapId;
  #serial = 1;
  #scans = 0;
  #isOver = false;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#store = MemberStore.create({
      maxBytes: MEMORY_BYTES,
      partitionCount: PARTITIONS,
      maxWorkers: WORKERS,
      hashSeed: seed >>> 0,
      clock: new HybridClock(this.#time),
      logBytesPerPartition: LOG_BYTES,
      recordChecksums: true,
    });
    this.#store.openMap(ROWS, { affinityParts: 0 });
    this.#store.openMap(this.#passingMap, { affinityParts: 0 });
    for (let id = 0; id < PARTITIONS; id++) this.#store.openPartition(id as PartitionId, 1 as Epoch);
    this.#columnNumbers = COLUMNS.map((name) => this.#store.columnNumber(ROWS, JSON.stringify([name]), true));
  }

  /** Runs until the signal fires. @throws SoakFault, or what the store threw */
  async run(signal: AbortSignal): Promise<void> {
    const running = [
      this.#write(signal),
      ...Array.from({ length: WORKERS }, (_, index) => this.#scanOn(index, signal)),
    ];
    try {
      await Promise.all(running);
    } finally {
      this.#isOver = true;
      await Promise.allSettled(running);
    }
    this.#finish();
  }

  /* ---- Writing ----------------------------------------------------------------------------------------------------- */

  async #write(signal: AbortSignal): Promise<void> {
    for (let turn = 1; !signal.aborted && !this.#isOver; turn++) {
      for (let batch = 0; batch < 20; batch++) this.#writeBatch();
      this.#time.ms += this.#random.below(20);
      this.#sweep();
      this.#store.reclaim(2000);
      if (turn % DROP_MAP_EVERY_TURNS === 0) this.#renewPassingMap();
      if (turn % DROP_COLUMNS_EVERY_TURNS === 0) this.#dropColumns();
      if (turn % CHECK_EVERY_TURNS === 0) this.#checkInvariants();
      await nextTurn();
    }
  }

  #writeBatch(): void {
    const random = this.#random;
    const batch = this.#store.begin();
    const after = new Map<number, { n: number; dueMs: number }>();
    const count = random.below(200) === 0 ? LARGE_BATCH : 1 + random.below(8);
    for (let index = 0; index < count; index++) this.#stage(batch, random.below(KEYS), after);
    if (random.below(5) === 0) {
      batch.abort();
      this.tally.add('batches aborted');
      return;
    }
    batch.commit();
    this.tally.add('batches');
    for (const [key, { n, dueMs }] of after) {
      this.#present[key] = n;
      this.#dueMs[key] = dueMs;
    }
  }

  #stage(batch: WriteBatch, key: number, after: Map<number, { n: number; dueMs: number }>): void {
    const random = this.#random;
    const bytes = encodeKey(key);
    const partition = (key % PARTITIONS) as PartitionId;
    if (random.below(6) === 0) {
      const isDone = this.#unlessFull('removes', () => batch.remove(ROWS, partition, bytes, 0, bytes.length));
      if (isDone) after.set(key, { n: 0, dueMs: Infinity });
      return;
    }
    const n = ++this.#written[key]!;
    const value = encodeValue(rowOf(key, n));
    const dueMs = random.below(5) === 0 ? this.#time.ms + 1 + random.below(2000) : Infinity;
    const expiresAt = dueMs === Infinity ? 0 : dueMs * 1000;
    const isDone = this.#unlessFull(dueMs === Infinity ? 'puts' : 'puts that expire', () =>
      batch.put(ROWS, partition, bytes, 0, bytes.length, batch.value(value, 0, value.length, expiresAt)),
    );
    if (isDone) after.set(key, { n, dueMs });
  }

  /** @returns false when memory is full: the operation left no trace */
  #unlessFull(what: string, stage: () => unknown): boolean {
    try {
      stage();
      this.tally.add(what);
      return true;
    } catch (error) {
      if (!GridError.is(error, 'OUT_OF_MEMORY')) throw error;
      this.tally.add(`${what}: memory full`);
      return false;
    }
  }

  #sweep(): void {
    while (!this.#store.sweepExpired(500));
    for (let key = 0; key < KEYS; key++) {
      if (this.#dueMs[key]! > this.#time.ms - DUE_MS) continue;
      this.#present[key] = 0;
      this.#dueMs[key] = Infinity;
      this.tally.add('expiries');
    }
  }

  /** A map that is filled and dropped: its pages become slots, values and columns of the other one. */
  #renewPassingMap(): void {
    const store = this.#store;
    store.dropMap(this.#passingMap);
    this.#passingMap = (this.#passingMap + 1) as MapId;
    store.openMap(this.#passingMap, { affinityParts: 0 });
    const batch = store.begin();
    for (let key = 0; key < PASSING_ROWS; key++) {
      const bytes = encodeKey(key);
      const value = encodeValue(rowOf(key, this.#passingMap));
      const target = (key % PARTITIONS) as PartitionId;
      const isDone = this.#unlessFull('rows of passing maps', () =>
        batch.put(this.#passingMap, target, bytes, 0, bytes.length, batch.value(value, 0, value.length)),
      );
      if (!isDone) break;
    }
    batch.commit();
    this.tally.add('maps dropped');
  }

  /* ---- Scanning ---------------------------------------------------------------------------------------------------- */

  async #scanOn(workerIndex: number, signal: AbortSignal): Promise<void> {
    let worker = this.#startWorker(workerIndex);
    try {
      while (!signal.aborted && !this.#isOver) {
        this.#scans += 1;
        if (this.#scans % KILL_EVERY_SCANS === 0) worker = await this.#killWithin(worker, workerIndex);
        else await this.#scan(worker, workerIndex);
      }
    } finally {
      await worker.terminate();
      this.#store.workerGone(workerIndex);
    }
  }

  #startWorker(workerIndex: number): Worker {
    const worker = new Worker(new URL('./scan-worker.ts', import.meta.url));
    const setting: ScanSetting = {
      handle: this.#store.handle,
      workerIndex,
      mapId: ROWS,
      partitionCount: PARTITIONS,
      keyCount: KEYS,
      columnNumbers: this.#columnNumbers,
      firstSerial: 2 ** 30 * this.#serial++,
    };
    worker.postMessage(setting);
    return worker;
  }

  async #scan(worker: Worker, workerIndex: number): Promise<void> {
    const { id, version } = this.#store.openSnapshot();
    const expected = this.#expected();
    const [answer] = (await this.#ask(worker, workerIndex, version)) as [ScanAnswer];
    this.#leased.delete(workerIndex);
    this.tally.add('column regions published', publishColumns(this.#store, answer));
    if (!this.#store.releaseSnapshot(id)) throw new SoakFault('a snapshot was taken away from its scan', { version });
    this.#compare(answer, expected, version);
    this.tally.add('scans');
    this.tally.add('rows checked', answer.rows);
    this.tally.add('rows of dropped maps checked', answer.passingRows);
    this.tally.add('lookups checked', answer.lookups);
  }

  /** A thread that dies while it reads: its epoch is given up with it, its pages come back. */
  async #killWithin(worker: Worker, workerIndex: number): Promise<Worker> {
    const { id, version } = this.#store.openSnapshot();
    this.#ask(worker, workerIndex, version).catch(() => undefined);
    for (let turn = this.#random.below(20); turn > 0; turn--) await nextTurn();
    await worker.terminate();
    this.#store.workerGone(workerIndex);
    for (const pages of this.#leased.get(workerIndex) ?? []) this.#store.returnPages(pages);
    this.#leased.delete(workerIndex);
    this.#store.releaseSnapshot(id);
    this.tally.add('threads killed and restarted');
    return this.#startWorker(workerIndex);
  }

  #ask(worker: Worker, workerIndex: number, version: number): Promise<unknown[]> {
    const pages = PAGE_RUNS.flatMap((length) => this.#store.leasePages(length, ROWS) ?? []);
    this.#leased.set(workerIndex, pages);
    const task: ScanTask = { version, pages, passingMap: this.#passingMap };
    const answered = once(worker, 'message');
    worker.postMessage(task);
    return answered;
  }

  #dropColumns(): void {
    this.#store.dropColumns(ROWS);
    this.tally.add('columns dropped');
  }

  #expected(): Expected {
    const mayBeGone = new Uint8Array(KEYS);
    for (let key = 0; key < KEYS; key++) if (this.#dueMs[key]! <= this.#time.ms) mayBeGone[key] = 1;
    return { n: this.#present.slice(), mayBeGone };
  }

  #compare({ seen, seenByColumns, faults }: ScanAnswer, { n, mayBeGone }: Expected, version: number): void {
    if (faults.length > 0) throw new SoakFault(faults[0]!, { version, faults });
    for (let key = 0; key < KEYS; key++) {
      if (seen[key] !== seenByColumns[key]) {
        const facts = { version, byBytes: seen[key], byColumns: seenByColumns[key] };
        throw new SoakFault(`key ${key}: bytes and columns tell different writes`, facts);
      }
      if (seen[key] === n[key] || (mayBeGone[key] === 1 && seen[key] === 0)) continue;
      const facts = { version, seen: seen[key], expected: n[key], writtenSince: this.#written[key] };
      throw new SoakFault(`key ${key}: the snapshot shows another write than it holds`, facts);
    }
  }

  /* ---- Looking inside ---------------------------------------------------------------------------------------------- */

  #checkInvariants(): void {
    this.#store.checkInvariants();
    this.tally.add('walks over all invariants');
  }

  /** Everything is let go: nothing may be charged to anyone. */
  #finish(): void {
    const store = this.#store;
    this.#checkInvariants();
    store.dropMap(ROWS);
    store.dropMap(this.#passingMap);
    for (let id = 0; id < PARTITIONS; id++) store.closePartition(id as PartitionId);
    while (store.reclaim(100_000) > 0);
    this.#checkInvariants();
    const { maps, systemBytes, slackBytes, retiredBytes, timers } = store.stats();
    const left = [maps.length, slackBytes, retiredBytes, timers, ...Object.values(systemBytes)];
    if (left.some((count) => count !== 0)) throw new SoakFault('memory is held when everything is let go', { left });
  }
}
