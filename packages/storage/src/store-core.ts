/**
 * What the parts of the writer share: arena, allocators, maps, partitions, epochs, and the work that is left for later
 * (lanes to patch, slots to free, tables to take apart). Not part of the door.
 */
import {
  assert,
  type Epoch,
  GridError,
  type HybridClock,
  MapDroppedError,
  type MapId,
  OutOfMemoryError,
  type PartitionId,
  UnknownMapError,
} from '@ashlar/core';
import { BatchJournal } from './batch/batch-journal.ts';
import { PendingWords, pendingLane } from './batch/pending-words.ts';
import { SealedBatches } from './batch/sealed-batches.ts';
import { ValueDraft } from './batch/value-draft.ts';
import type { WriteBatch } from './batch/write-batch.ts';
import { dropChunkColumns } from './columns/chunk-columns.ts';
import { assertCount, assertDuration } from './edge-asserts.ts';
import {
  CONTROL_MAGIC,
  CONTROL_MAGIC_WORD,
  CONTROL_PAGES,
  ENTRY_ACCESS,
  PAGE_BYTES,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from './layout.ts';
import { LogBudget } from './log/log-budget.ts';
import { RecordCause } from './log/log-record.ts';
import type { LogHost } from './log/partition-log.ts';
import { RecordDraft } from './log/record-draft.ts';
import { MapDirectory } from './map-directory.ts';
import { ByteAccount, MemoryKind } from './memory/accounts.ts';
import { Arena, type Ref } from './memory/arena.ts';
import { BlockAllocator, type Relief } from './memory/block-allocator.ts';
import { extentBytesMax } from './memory/value-extents.ts';
import type { Partition } from './partition.ts';
import { ReaderEpochs } from './reader-epochs.ts';
import { DecidedSlots } from './slots/decided-slots.ts';
import { SlotTable } from './slots/slot-table.ts';
import { TableReclaimer } from './slots/table-reclaimer.ts';
import { Snapshots } from './snapshots.ts';
import { type MapOptions, StoredMap } from './stored-map.ts';
import { TimerWheel } from './timer-wheel.ts';

/** Unit of an entry's access mark: 4 ms, so that 32 bits last for 203 days. */
export const ACCESS_UNIT_US = 4096;
/** Share of the pages kept for removes, expiry and the log when memory is full. */
const RESERVE_SHARE = 1 / 128;
const RESERVE_PAGES_MIN = 4;
/** Share of the memory for the logs of all partitions. */
const LOG_SHARE = 1 / 8;
/** Steps of work and records dropped by one attempt to make room. */
const PRESSURE_STEPS = 4096;
/** How often, at most, all slots that snapshots hold are looked at again. */
const PASS_EVERY_US = 1_000_000;
/** Share of the pages below which memory is short. */
const SHORT_SHARE = 1 / 32;
/** The writer waits for readers at most this often, and at most this many milliseconds. */
const WAIT_EVERY_US = 100_000;
const WAITS_MAX = 20;
const NEVER = new Int32Array(new SharedArrayBuffer(4));
const PATCH_AT_ONCE_MAX = 2048;
/** Journals beyond this length are not kept for the next batch. */
const JOURNAL_KEPT_MAX = 65_536;
const JOURNALS_KEPT = 16;

export type StoreClock = Pick<HybridClock, 'now' | 'tick' | 'observe' | 'follow'>;

export interface StoreOptions {
  /** Bytes of the arena: everything the store keeps, in whole pages. */
  readonly maxBytes: number;
  readonly partitionCount: number;
  /** Worker threads that may attach as readers, at most WORKERS_MAX. */
  readonly maxWorkers: number;
  /** 32 bits from a secure random source: the key of the entry index. */
  readonly hashSeed: number;
  readonly clock: StoreClock;
  /** Most that one partition's log keeps of what nobody has to read. Default: what all logs, an eighth of maxBytes, have room for. */
  readonly logBytesPerPartition?: number;
  /**
   * Log records bear a checksum, which checkInvariants() holds against what they name: for tests that look for memory which is
   * used again too early. Default: none; what leaves the member is covered by that of its frame.
   */
  readonly recordChecksums?: boolean;
  /** Batches of at most so many changes are patched within commit(), larger ones by reclaim(). Tests make it small. */
  readonly patchAtOnceMax?: number;
}

/** A partition that is being read for another member, at a snapshot of its own. */
export interface OpenTransfer {
  readonly partition: Partition;
  close(): void;
}

export type CommitListener = (partitionId: PartitionId, lastSequence: number) => void;

export class StoreCore {
  readonly options: StoreOptions;
  readonly arena: Arena;
  readonly blocks: BlockAllocator;
  readonly epochs: ReaderEpochs;
  readonly words: PendingWords<WriteBatch>;
  readonly decidedSlots = new DecidedSlots();
  readonly snapshots: Snapshots;
  readonly timers: TimerWheel;
  readonly mapDirectory: MapDirectory;
  /** Used again for each record, and for each value that is put. */
  readonly recordDraft = new RecordDraft();
  readonly valueDraft = new ValueDraft();
  readonly clock: StoreClock;
  readonly hashSeed: number;
  readonly patchAtOnceMax: number;
  readonly maps = new Map<number, StoredMap>();
  readonly partitions: (Partition | undefined)[];
  /** By table index. */
  readonly tables: (SlotTable | undefined)[] = [];
  readonly logHost: LogHost;
  readonly logBudget: LogBudget;
  /** Sealed, not yet decided. */
  readonly sealed = new SealedBatches<WriteBatch>();
  /** Lanes of what backups stage, once there is one; [0, 0] before. */
  replicaLanes: readonly [number, number] = [0, 0];
  /** Decides batches that the store itself writes, once they are sealed. */
  decide: (batch: WriteBatch) => void = (batch) => batch.commit();
  /** The epoch in which the member takes itself for a partition's primary. @throws StaleEpochError where it does not */
  epochNow: ((partitionId: PartitionId) => Epoch) | undefined;
  /** The version of the catalog that the member follows. */
  catalogVersionNow: () => number = () => 0;
  /** Committed, their lanes not yet patched; oldest first. */
  readonly patchQueue: WriteBatch[] = [];
  readonly listeners: CommitListener[] = [];
  readonly reclaimer: TableReclaimer;
  /** Bytes that belong to no map. */
  readonly systemAccount = new ByteAccount();
  readonly #accounts = new Map<number, ByteAccount>();
  #accountAskedFor = -1;
  #accountAnswered = this.systemAccount;
  readonly #freeTableIndexes: number[] = [];
  #garbageTables: SlotTable[] = [];
  /** Tables in which noteGarbage() counted since collect(). */
  readonly #tablesWithGarbage: SlotTable[] = [];
  #doomed: SlotTable[] = [];
  #highestMapId = 0;
  readonly #journals: BatchJournal[] = [];
  /** The changes of the snapshots up to which held slots are looked at again, and since when. */
  #passOf = 0;
  #passAt = 0;
  #waitedAt = 0;
  /** Partitions that are being read for other members. */
  readonly transfers = new Set<OpenTransfer>();
  /** Ends the snapshot that can best be missed. @returns whether there was one */
  snapshotsGiveWay: () => boolean = () => false;
  #relieving = false;

  constructor(options: StoreOptions) {
    const arena = Arena.reserve(options.maxBytes);
    this.options = options;
    this.arena = arena;
    arena.segments[0]!.i32[CONTROL_MAGIC_WORD] = CONTROL_MAGIC;
    const pages = arena.pageCount - CONTROL_PAGES;
    this.blocks = new BlockAllocator(arena, Math.max(RESERVE_PAGES_MIN, Math.floor(pages * RESERVE_SHARE)));
    this.blocks.onPressure = () => this.#relieve();
    this.epochs = new ReaderEpochs(arena, options.maxWorkers);
    this.words = new PendingWords(arena);
    this.snapshots = new Snapshots(arena);
    this.clock = options.clock;
    this.timers = new TimerWheel(this.blocks, options.clock.now());
    this.mapDirectory = new MapDirectory(arena);
    this.hashSeed = options.hashSeed;
    this.patchAtOnceMax = options.patchAtOnceMax ?? PATCH_AT_ONCE_MAX;
    this.partitions = new Array<Partition | undefined>(options.partitionCount).fill(undefined);
    this.logBudget = new LogBudget({
      bytesMax: Math.floor(arena.bytes * LOG_SHARE),
      partitionCount: options.partitionCount,
      historyBytesMax: options.logBytesPerPartition ?? Infinity,
      now: () => this.clock.now(),
    });
    this.logHost = {
      blocks: this.blocks,
      account: this.systemAccount,
      accountOf: (mapId) => this.accountOf(mapId),
      budget: this.logBudget,
      recordChecksums: options.recordChecksums ?? false,
    };
    this.reclaimer = new TableReclaimer((table) => this.#tableGone(table));
  }

  /* ---- Maps and tables -------------------------------------------------------------------------------------------- */

  /** The map's account; it outlives the map as long as the log or an unfinished drop holds bytes of it. */
  accountOf(mapId: number): ByteAccount {
    // Records of one map mostly lie together.
    if (mapId === this.#accountAskedFor) return this.#accountAnswered;
    let account = this.#accounts.get(mapId);
    if (account === undefined) {
      account = new ByteAccount();
      this.#accounts.set(mapId, account);
    }
    this.#accountAskedFor = mapId;
    this.#accountAnswered = account;
    return account;
  }

  get accounts(): ReadonlyMap<number, ByteAccount> {
    return this.#accounts;
  }

  /** @throws MapDroppedError; UnknownMapError when no such map was ever open here */
  mapOf(mapId: MapId): StoredMap {
    const map = this.maps.get(mapId);
    if (map !== undefined) return map;
    const name = `#${mapId}`;
    throw this.hasSeenMap(mapId) ? new MapDroppedError(name, { mapId }) : new UnknownMapError(name);
  }

  /** Whether a map of this id is here, or was. */
  hasSeenMap(mapId: MapId): boolean {
    return mapId <= this.#highestMapId;
  }

  openMap(mapId: MapId, options: MapOptions): void {
    if (this.maps.has(mapId)) throw new GridError('MAP_CONFLICT', `map ${mapId} is open already`);
    assertCount(mapId, 1);
    assertDuration(options.ttlMs);
    assertDuration(options.maxIdleMs);
    const { blocks, epochs, snapshots, timers, words, decidedSlots, hashSeed } = this;
    const account = this.accountOf(mapId);
    const count = this.options.partitionCount;
    const directory = blocks.allocate(count * 4, account, MemoryKind.slots);
    if (directory === 0) throw this.outOfMemory(count * 4);
    const at = (directory & SEGMENT_MASK) << 1;
    this.arena.segmentOf(directory).u32.fill(0, at, at + count);
    this.maps.set(
      mapId,
      new StoredMap(
        mapId,
        options,
        {
          blocks,
          epochs,
          snapshots,
          timers,
          words,
          decidedSlots,
          account,
          hashSeed,
          changes: 0,
          reshapes: 0,
          watchedChanges: 0,
        },
        directory,
        count,
      ),
    );
    this.mapDirectory.add(mapId, directory);
    this.#highestMapId = Math.max(this.#highestMapId, mapId);
  }

  /**
   * Takes the map out of sight at once: nothing more is staged in it, and no reader finds it. What is staged in it may
   * still commit or abort; its memory comes back through reclaim(), where something is staged after that is decided.
   */
  dropMap(mapId: MapId): void {
    const map = this.mapOf(mapId);
    this.mapDirectory.remove(mapId);
    this.maps.delete(mapId);
    for (const table of map.tables) if (table !== undefined) this.#doomed.push(table);
    this.#reclaimDecided();
    const { account } = map;
    this.epochs.retire(this.blocks.blockBytes(map.directory), () =>
      this.blocks.free(map.directory, account, MemoryKind.slots),
    );
  }

  /** Hands on the tables of dropped maps in which nothing is undecided. */
  #reclaimDecided(): void {
    if (this.#doomed.length === 0) return;
    const stamp = this.epochs.advance();
    this.#doomed = this.#doomed.filter((table) => {
      const isStaging = this.partitions[table.partitionId]?.staged.isEmpty === false;
      if (isStaging || table.undecided > 0) return true;
      this.reclaimer.add(table, stamp);
      return false;
    });
  }

  /** Tables of dropped maps that wait until what is staged beside them is decided. */
  get doomedTables(): readonly SlotTable[] {
    return this.#doomed;
  }

  /** The map's table in the partition, made with its first entry. @throws OutOfMemoryError */
  createTable(map: StoredMap, partition: Partition): SlotTable {
    const tableIndex = this.#freeTableIndexes.pop() ?? this.tables.length;
    const table = SlotTable.create(map.host, map.mapId, partition, tableIndex);
    if (table === undefined) {
      this.#releaseTableIndex(tableIndex);
      throw this.outOfMemory(PAGE_BYTES);
    }
    this.tables[tableIndex] = table;
    map.tables[partition.id] = table;
    const u32 = this.arena.segmentOf(map.directory).u32;
    Atomics.store(u32, ((map.directory & SEGMENT_MASK) << 1) + partition.id, table.header);
    return table;
  }

  /** Takes a partition's table of one map out of sight. */
  dropTable(map: StoredMap, partitionId: PartitionId): void {
    const table = map.tables[partitionId];
    if (table === undefined) return;
    assert(table.undecided === 0, 'a table is dropped when nothing is staged in it');
    map.tables[partitionId] = undefined;
    const u32 = this.arena.segmentOf(map.directory).u32;
    Atomics.store(u32, ((map.directory & SEGMENT_MASK) << 1) + partitionId, 0);
    this.reclaimer.add(table, this.epochs.advance());
  }

  #tableGone(table: SlotTable): void {
    this.tables[table.tableIndex] = undefined;
    this.#releaseTableIndex(table.tableIndex);
  }

  #releaseTableIndex(tableIndex: number): void {
    if (tableIndex < this.tables.length) this.#freeTableIndexes.push(tableIndex);
  }

  outOfMemory(bytesWanted: number): OutOfMemoryError {
    const { freeBytes, largestFreeBytes, reservedBytes } = this.blocks;
    return new OutOfMemoryError(bytesWanted, {
      freeBytes,
      largestFreeBytes,
      valueBytesMax: extentBytesMax(this.blocks),
      reservedBytes,
      maxBytes: this.arena.bytes,
    });
  }

  /* ---- Deadlines ---------------------------------------------------------------------------------------------------- */

  /** Notes that the entry was used. */
  touch(entry: Ref, now: number): void {
    const u32 = this.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    u32[((entry & SEGMENT_MASK) << 1) + ENTRY_ACCESS] = Math.floor(now / ACCESS_UNIT_US);
  }

  /**
   * Why the entry is due at `now`, or 0 when it is not.
   *
   * @param expiresAt  the deadline of its value
   */
  dueCause(map: StoredMap, table: SlotTable, entry: Ref, expiresAt: number, now: number): RecordCause {
    if (expiresAt !== 0 && expiresAt <= now) return RecordCause.timeToLive;
    return map.maxIdleUs !== 0 && this.idleDeadline(map, table, entry, now) <= now ? RecordCause.maxIdle : 0;
  }

  /** When the entry will have been idle for too long. */
  idleDeadline(map: StoredMap, table: SlotTable, entry: Ref, now: number): number {
    return this.usedAt(table, entry, now) + map.maxIdleUs;
  }

  /** When the entry of a map with idle times was used last, as far as is known. */
  usedAt(table: SlotTable, entry: Ref, now: number): number {
    const units = Math.floor(now / ACCESS_UNIT_US);
    const access = this.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_ACCESS]!;
    const idleUnits = (units - access) >>> 0;
    const floor = this.partitions[table.partitionId]?.idleFloor ?? 0;
    return Math.max((units - idleUnits) * ACCESS_UNIT_US, floor);
  }

  /** Takes the words under which backups stage, with the first of them. */
  takeReplicaLanes(): void {
    if (this.replicaLanes[0] !== 0) return;
    const words = [this.words.take(undefined), this.words.take(undefined)] as const;
    if (words[0] < 0 || words[1] < 0) throw new GridError('OVERLOADED', 'too many batches are under way');
    this.replicaLanes = [pendingLane(words[0]), pendingLane(words[1])];
  }

  /** Batches that are neither committed nor aborted, or not patched yet. */
  get undecidedBatches(): number {
    return this.words.inUse - (this.replicaLanes[0] === 0 ? 0 : 2);
  }

  /* ---- Left for later ------------------------------------------------------------------------------------------------ */

  takeJournal(): BatchJournal {
    return this.#journals.pop() ?? new BatchJournal();
  }

  giveJournal(journal: BatchJournal): void {
    if (journal.capacity > JOURNAL_KEPT_MAX || this.#journals.length === JOURNALS_KEPT) return;
    journal.clear();
    this.#journals.push(journal);
  }

  /** A batch that is decided leaves slots behind in a table; collect() follows. */
  noteGarbage(table: SlotTable, slots: number): void {
    if (table.newGarbage === 0) this.#tablesWithGarbage.push(table);
    table.newGarbage += slots;
  }

  /** Frees what can be freed in the tables that have just made garbage: one reader epoch for all of them. */
  collect(): void {
    const tables = this.#tablesWithGarbage;
    if (tables.length === 0) return;
    for (const table of tables) table.unlink(this.snapshots, this.#passOf, 2 * table.newGarbage + 2);
    const stamp = this.epochs.advance();
    for (const table of tables) {
      table.free(stamp, 2 * table.newGarbage + 2);
      table.newGarbage = 0;
      if (table.queued || !table.hasGarbage) continue;
      table.queued = true;
      this.#garbageTables.push(table);
    }
    tables.length = 0;
  }

  /** Everything up to `sequence` of the partition is committed. */
  committed(partitionId: PartitionId, sequence: number): void {
    for (const listener of this.listeners) listener(partitionId, sequence);
  }

  /**
   * Does what was left for later: patches lanes, frees what no reader and no snapshot needs, takes dropped tables apart.
   *
   * @returns steps done; less than `maxSteps` means that nothing more can be done at this moment
   */
  reclaim(maxSteps: number): number {
    let steps = this.#patch(maxSteps);
    this.epochs.releasePassed();
    this.#beginPassIfDue();
    if (steps < maxSteps) steps += this.#collectGarbage(maxSteps - steps);
    this.#reclaimDecided();
    if (steps < maxSteps) steps += this.reclaimer.run(this.epochs, maxSteps - steps);
    this.logBudget.shrinkInTime();
    return steps;
  }

  /** Snapshots come and go all the time; all held slots are looked at again for that only now and then. */
  #beginPassIfDue(): void {
    const now = this.clock.now();
    if (now - this.#passAt < PASS_EVERY_US && !this.isShort) return;
    this.#passAt = now;
    this.#passOf = this.snapshots.changes;
  }

  #patch(maxSteps: number): number {
    this.decidedSlots.isLate = true;
    const steps = this.#patchLate(maxSteps);
    this.decidedSlots.isLate = false;
    return steps;
  }

  #patchLate(maxSteps: number): number {
    let steps = 0;
    while (steps < maxSteps && this.patchQueue.length > 0) {
      const batch = this.patchQueue[0]!;
      const wanted = maxSteps - steps;
      const done = batch.patch(wanted);
      steps += done;
      if (done === wanted) break;
      this.patchQueue.shift();
      const { word } = batch;
      // A snapshot may have been opened meanwhile and its reader may hold a lane that names the word (pending-words W2).
      this.epochs.retire(0, () => this.words.give(word));
    }
    return steps;
  }

  #collectGarbage(maxSteps: number): number {
    let steps = 0;
    const queue = this.#garbageTables;
    const kept: SlotTable[] = [];
    for (let index = 0; index < queue.length; index++) {
      const table = queue[index]!;
      if (!table.dropped && steps < maxSteps) steps += table.reclaim(this.snapshots, this.#passOf, maxSteps - steps);
      if (table.dropped || !table.hasGarbage) table.queued = false;
      else kept.push(table);
    }
    // The first come last next time, so that a short budget reaches all of them.
    if (kept.length > 1 && steps >= maxSteps) kept.push(kept.shift()!);
    this.#garbageTables = kept;
    return steps;
  }

  /** Whether reclaim() has anything to do now or later. */
  get hasWork(): boolean {
    return (
      this.patchQueue.length > 0 ||
      this.#garbageTables.length > 0 ||
      this.#doomed.length > 0 ||
      this.reclaimer.isBusy ||
      this.epochs.retiredBytes > 0
    );
  }

  /* ---- Memory pressure ------------------------------------------------------------------------------------------------- */

  /**
   * No page is left: frees garbage, then columns; ends snapshots one by one; drops the oldest log records. Readers never
   * stop writers (they can ask again, where a feed that lost its log cannot), but no snapshot goes for nothing: only while
   * some slot is held for one.
   */
  #relieve(): Relief {
    if (this.#relieving) return 'nothing';
    this.#relieving = true;
    try {
      this.#passOf = this.snapshots.changes;
      if (this.#freeGarbage()) return 'freed';
      if (this.dropColumns()) {
        this.epochs.releasePassed();
        return 'freed';
      }
      if (this.holdsForSnapshots && (this.snapshotsGiveWay() || this.#transferGivesWay())) return 'freed';
      return this.logBudget.dropHistory(PRESSURE_STEPS) > 0 ? 'givenUp' : 'nothing';
    } finally {
      this.#relieving = false;
    }
  }

  /** Copies for other members begin anew once there is room. @returns whether there was one */
  #transferGivesWay(): boolean {
    const holding = new Set(this.#garbageTables.filter(({ held }) => !held.isEmpty).map((table) => table.partitionId));
    for (const transfer of this.transfers) {
      if (!holding.has(transfer.partition.id)) continue;
      transfer.close();
      return true;
    }
    return false;
  }

  /** @returns whether something was freed, or unlinked so that it will be */
  #freeGarbage(): boolean {
    this.epochs.releasePassed();
    if (this.#collectGarbage(PRESSURE_STEPS) > 0) return true;
    if (!this.#waitForReaders()) return false;
    this.epochs.releasePassed();
    return this.#collectGarbage(PRESSURE_STEPS) > 0;
  }

  /**
   * What is unlinked waits for readers that may stand on it; they move on within a chunk. The writer stands still for a
   * moment, once in a while, rather than to refuse.
   */
  #waitForReaders(): boolean {
    const now = this.clock.now();
    if (now - this.#waitedAt < WAIT_EVERY_US || !this.#awaitsReaders) return false;
    this.#waitedAt = now;
    const stamp = this.epochs.advance();
    for (let waits = 0; waits < WAITS_MAX && !this.epochs.passed(stamp); waits++) Atomics.wait(NEVER, 0, 0, 1);
    return this.epochs.passed(stamp);
  }

  get #awaitsReaders(): boolean {
    return this.epochs.retiredBytes > 0 || this.#garbageTables.some((table) => table.awaitsReaders);
  }

  /** Whether any closed slot is kept because a snapshot sees it. */
  get holdsForSnapshots(): boolean {
    return this.#garbageTables.some((table) => !table.held.isEmpty);
  }

  /** Little is left: what is held for nobody is looked for at once, and snapshots had better give way. */
  get isShort(): boolean {
    return this.blocks.pages.freePages < this.arena.pageCount * SHORT_SHARE;
  }

  /** Takes the columns of one map, or of all, away. @returns whether there were any */
  dropColumns(mapId?: MapId): boolean {
    let any = false;
    for (const map of this.maps.values()) {
      if (mapId !== undefined && map.mapId !== mapId) continue;
      if (map.account.bytes[MemoryKind.columns] === 0) continue;
      map.host.changes++;
      for (const table of map.tables) {
        if (table === undefined) continue;
        for (const chunk of table.chunks) if (dropChunkColumns(map.host, chunk)) any = true;
      }
    }
    return any;
  }

  /** Forgets the accounts of dropped maps that hold nothing any more. */
  forgetEmptyAccounts(): void {
    this.#accountAskedFor = -1;
    for (const [mapId, account] of this.#accounts) {
      if (!this.maps.has(mapId) && account.total === 0) this.#accounts.delete(mapId);
    }
  }

  epochOf(partitionId: PartitionId): Epoch | undefined {
    return this.partitions[partitionId]?.epoch;
  }
}
