/**
 * A batch of writes: staged one by one, then committed or aborted as a whole. One version for the batch in all of its
 * partitions, given when it is sealed; one store makes it visible.
 *
 *   begin -> put, remove, ... -> [seal: version] -> commit: one Atomics.store -> lanes are patched
 *                                             \--> abort: everything as before
 *
 * write-batch U1  While a batch stages in a partition no other may, so its records lie together and versions rise with
 *                 sequences. From seal() on the next batch may stage behind it.
 * write-batch U2  In every partition batches commit from the front and abort from the back.
 * write-batch U3  A refused operation (memory, log) leaves the batch as it was: the caller goes on, commits the rest, or
 *                 aborts.
 * write-batch U4  No two states of an entry share a version. A key written twice leaves one slot and one record that counts,
 *                 the last, which tells the value from before the batch; or, `oncePerKey`, the batch refuses the key and
 *                 wants to be cut.
 * write-batch U5  commit() and abort() allocate nothing in the arena and cannot fail.
 * write-batch U6  A partition that the member loses is cut out of the batch; the rest commits at the batch's version.
 */
import {
  assert,
  type Epoch,
  GridError,
  type MapId,
  type PartitionId,
  StaleEpochError,
  type Version,
} from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_NEWEST, ENTRY_TIMER, LIVE, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { RecordCause, type RecordHeader, RecordKind } from '../log/log-record.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import { createEntry, createValue, releaseValue } from '../memory/blocks.ts';
import { valueBytesOf } from '../memory/value-extents.ts';
import type { Partition } from '../partition.ts';
import type { SlotTable } from '../slots/slot-table.ts';
import type { StoreCore } from '../store-core.ts';
import type { StoredMap } from '../stored-map.ts';
import { type BatchHeader, NO_DEADLINE } from './batch-header.ts';
import type { BatchJournal } from './batch-journal.ts';
import { isWrittenBy, KeyRewrites, slotBefore } from './key-rewrites.ts';
import { pendingLane, wordOfLane } from './pending-words.ts';
import type { ChainedBatch } from './sealed-batches.ts';

export type BatchState = 'open' | 'sealed' | 'committed' | 'aborted';

const NO_PARTITIONS: readonly PartitionId[] = [];
/** A longer result of a processor is not kept for those who send the call again: logs are for changes. */
const RESULT_BYTES_MAX = 16 << 10;

export class WriteBatch implements RecordHeader, ChainedBatch<WriteBatch> {
  catalogVersion: number;
  principal: number;
  requestSession: number;
  requestNumber: number;
  transactionId: number;
  originSite: number;
  originSequence: number;
  readonly #core: StoreCore;
  readonly #epoch: Epoch | undefined;
  readonly #oncePerKey: boolean;
  readonly #isProgress: boolean;
  readonly #word: number;
  readonly #lane: number;
  #state: BatchState = 'open';
  #version = 0;
  /** The clock when the batch began; what is due is judged by it. */
  #now = 0;
  readonly #partitions: Partition[] = [];
  /** Tables written to, and by how many the batch changes their live entries. */
  readonly #tables: SlotTable[] = [];
  readonly #journal: BatchJournal;
  #patched = 0;
  /** Made with the first key that comes again. */
  #rewrites: KeyRewrites | undefined;
  /** Those that were excised. */
  lostPartitions: readonly PartitionId[] = NO_PARTITIONS;
  /** Told once the batch is committed or aborted. */
  #whenDecided: (() => void)[] | undefined;
  /** The last operation was refused because of its key (BatchHeader.oncePerKey): nothing of it was staged. */
  wantsCut = false;
  #hasAnswers = false;
  sealedBefore: WriteBatch | undefined = undefined;
  sealedAfter: WriteBatch | undefined = undefined;

  /** @throws GridError OVERLOADED when too many batches are under way */
  constructor(core: StoreCore, header: BatchHeader) {
    this.#core = core;
    this.#epoch = header.epoch;
    this.#oncePerKey = header.oncePerKey ?? false;
    this.#isProgress = header.isProgress === true;
    this.catalogVersion = header.catalogVersion ?? 0;
    this.principal = header.principal ?? 0;
    this.requestSession = header.requestSession ?? 0;
    this.requestNumber = header.requestNumber ?? 0;
    this.transactionId = header.transactionId ?? 0;
    this.originSite = header.originSite ?? 0;
    this.originSequence = header.originSequence ?? 0;
    this.#word = core.words.take(this);
    if (this.#word < 0) {
      throw new GridError('OVERLOADED', 'too many batches are under way', {
        hint: 'commit or abort what is staged',
        details: { isCrowded: true },
      });
    }
    this.#lane = pendingLane(this.#word);
    this.#journal = core.takeJournal();
  }

  /** The version of the batch. Given by seal() or commit(). */
  get version(): Version {
    assert(this.#state !== 'open', 'a version is given when the batch is sealed');
    return this.#version as Version;
  }

  get state(): BatchState {
    return this.#state;
  }

  /** What stands in the lanes of what it staged. */
  get lane(): number {
    return this.#lane;
  }

  /** Those that it has staged in and not lost. */
  get partitionIds(): readonly PartitionId[] {
    return this.#partitions.map(({ id }) => id);
  }

  /** Sealed, and the first in the log of each of its partitions: it may commit now (write-batch U2). */
  get isNext(): boolean {
    if (this.#state !== 'sealed') return false;
    for (const { staged } of this.#partitions) if (staged.first !== this) return false;
    return true;
  }

  /** Changes staged so far: slots written and slots closed, counted by key. */
  get changeCount(): number {
    return this.#journal.count;
  }

  /** Nothing is staged that somebody would have to wait for. */
  get isEmpty(): boolean {
    return this.changeCount === 0 && !this.#hasAnswers;
  }

  /** The sequence of its first record in a partition that it has joined. */
  firstSequenceIn(partition: Partition): number {
    return this.#journal.firstSequences[this.#partitions.indexOf(partition)]!;
  }

  /** From here on what is due is judged by the present moment. */
  pinTime(): void {
    this.#time();
  }

  /* ---- Operations ------------------------------------------------------------------------------------------------- */

  /**
   * Stages a value for a key. Key and value are copied.
   *
   * @param key        canonical bytes key[keyStart, keyEnd)
   * @param value      MessagePack bytes value[valueStart, valueEnd)
   * @param expiresAt  deadline in version units; 0: the map's default; NO_DEADLINE: none
   * @returns false: its key was written or expired by this batch, which is to be cut (`wantsCut`)
   * @throws OutOfMemoryError, GridError LOG_FULL: nothing was staged by this call (write-batch U3)
   * @throws StaleEpochError, UnknownMapError, GridError OVERLOADED when another batch is staging in the partition
   */
  put(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expiresAt = 0,
    cause: RecordCause = RecordCause.request,
  ): boolean {
    const core = this.#core;
    const map = core.mapOf(mapId);
    const partition = this.#join(partitionId);
    const table = map.tables[partitionId] ?? core.createTable(map, partition);
    let deadline = expiresAt === NO_DEADLINE ? 0 : expiresAt;
    if (expiresAt === 0 && map.ttlUs !== 0) deadline = this.#time() + map.ttlUs;
    const length = valueEnd - valueStart;
    if (!partition.log.reserve(length, this.#isProgress) || !table.slots.reserve()) throw core.outOfMemory(length);
    const valueRef = createValue(core.blocks, map.account, value, valueStart, valueEnd);
    if (valueRef === 0) throw core.outOfMemory(length);
    try {
      return this.#putValue(map, partition, table, key, keyStart, keyEnd, valueRef, length, deadline, cause);
    } catch (error) {
      // Refused: nothing refers to it (write-batch U3).
      releaseValue(core.blocks, map.account, valueRef);
      throw error;
    }
  }

  #putValue(
    map: StoredMap,
    partition: Partition,
    table: SlotTable,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Ref,
    length: number,
    deadline: number,
    cause: RecordCause,
  ): boolean {
    const core = this.#core;
    // Making room may give up entries, so the entry is looked up after the last allocation that concerns it.
    const hash = hashBytes(key, keyStart, keyEnd, core.hashSeed);
    let entry = table.index.find(hash, key, keyStart, keyEnd);
    if (entry !== 0 && this.#oncePerKey && isWrittenBy(this.#lane, core.arena, table, entry))
      return this.#wantCut(map, value);
    if (entry !== 0 && table.hasDeadlines && this.#expireIfDue(map, partition, table, entry)) {
      if (this.#oncePerKey) return this.#wantCut(map, value);
      this.#reserve(partition, length);
      entry = table.index.find(hash, key, keyStart, keyEnd);
    }
    if (entry !== 0) this.#reserveReplaced(partition, table, entry, length);
    if ((deadline !== 0 || map.maxIdleUs !== 0) && (entry === 0 || this.#timerOf(entry) === 0)) {
      this.#putWithTimer(map, partition, table, hash, key, keyStart, keyEnd, value, deadline, cause);
      return true;
    }
    if (entry === 0) {
      entry = this.#newEntry(map, table, key, keyStart, keyEnd);
      if (entry === 0) throw core.outOfMemory(length);
      this.#stagePut(partition, table, entry, value, deadline, cause);
      table.index.insert(hash, entry);
    } else {
      if (deadline !== 0) core.timers.ensure(this.#timerOf(entry), deadline);
      this.#stagePut(partition, table, entry, value, deadline, cause);
    }
    if (map.maxIdleUs !== 0) core.touch(entry, this.#time());
    return true;
  }

  /**
   * Stages the removal of a key. Works when memory is full.
   *
   * @returns whether there was such an entry; if not, or where `wantsCut` says so, nothing is staged
   * @throws GridError LOG_FULL; OutOfMemoryError when even the reserve is used up
   */
  remove(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    cause: RecordCause = RecordCause.request,
  ): boolean {
    return this.#close(mapId, partitionId, key, keyStart, keyEnd, RecordKind.remove, cause);
  }

  /** As remove(), recorded as an eviction. */
  evict(mapId: MapId, partitionId: PartitionId, key: Uint8Array, keyStart: number, keyEnd: number): boolean {
    return this.#close(mapId, partitionId, key, keyStart, keyEnd, RecordKind.evict, RecordCause.memory);
  }

  #close(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    kind: RecordKind,
    cause: RecordCause,
  ): boolean {
    const core = this.#core;
    const map = core.mapOf(mapId);
    const partition = this.#join(partitionId);
    const table = map.tables[partitionId];
    if (table === undefined) return false;
    this.#reserve(partition, 0);
    const entry = table.index.find(hashBytes(key, keyStart, keyEnd, core.hashSeed), key, keyStart, keyEnd);
    if (entry === 0) return false;
    if (this.#oncePerKey && isWrittenBy(this.#lane, core.arena, table, entry)) {
      this.wantsCut = true;
      return false;
    }
    if (table.hasDeadlines && this.#expireIfDue(map, partition, table, entry)) return false;
    return this.#stageClose(partition, table, entry, kind, cause);
  }

  /**
   * Stages the expiry of an entry of which the caller knows that it is due. For the sweep and for reads.
   *
   * @returns false when nothing live is there
   */
  expire(partitionId: PartitionId, table: SlotTable, entry: Ref, cause: RecordCause): boolean {
    const partition = this.#join(partitionId);
    this.#reserve(partition, 0);
    return this.#stageClose(partition, table, entry, RecordKind.expire, cause);
  }

  /**
   * Stages what a mutation of this batch is answered, where its record cannot tell it: under the request number that the
   * batch has at the moment, in the partition of the change. Copied; gone with the change if that is undone. Without bytes
   * it tells that the mutation was applied, where a later one of the batch did its change over. The logs take it in any
   * case, as they take the change; one beyond RESULT_BYTES_MAX, or that memory has no room for, is noted as lost.
   *
   * @throws OutOfMemoryError when even the reserve is used up; else as put()
   */
  answer(mapId: MapId, partitionId: PartitionId, result: Uint8Array, start: number, end: number): void {
    const core = this.#core;
    const partition = this.#join(partitionId);
    const { log } = partition;
    const { account } = core.mapOf(mapId);
    const length = end - start <= RESULT_BYTES_MAX ? end - start : 0;
    if (!log.reserve(length, true)) throw core.outOfMemory(length);
    const value = length === 0 ? 0 : createValue(core.blocks, account, result, start, end);
    const cause = end > start && value === 0 ? RecordCause.memory : RecordCause.request;
    log.append(this, RecordKind.answer, mapId, this.#lane, 0, value, 0, 0, 0, cause);
    if (value !== 0) releaseValue(core.blocks, account, value);
    this.#hasAnswers = true;
  }

  /* ---- Staging ------------------------------------------------------------------------------------------------------ */

  /** Enters a partition, once: from here on it is this batch's until it is sealed (write-batch U1). */
  #join(partitionId: PartitionId): Partition {
    const partition = this.#core.partitions[partitionId];
    if (partition !== undefined && partition.openBatch === this) return partition;
    // The partitions that it had staged in are lost (write-batch U6): what follows in it cannot apply either.
    if (this.#state === 'aborted' || this.lostPartitions.includes(partitionId))
      throw new StaleEpochError(partitionId, this.#epoch ?? 0, partition?.epoch ?? 0);
    assert(this.#state === 'open', 'operations come before seal()');
    if (partition === undefined || partition.role === 'backup')
      throw new StaleEpochError(partitionId, this.#epoch ?? 0, partition?.epoch ?? 0);
    const epoch = this.#epoch ?? this.#core.epochNow?.(partitionId);
    if (epoch !== undefined && epoch !== partition.epoch)
      throw new StaleEpochError(partitionId, epoch, partition.epoch);
    if (partition.openBatch !== undefined) {
      throw new GridError('OVERLOADED', `another batch is staging in partition ${partitionId}`, {
        hint: 'wait until it is sealed',
        details: { partitionId, isCrowded: true },
      });
    }
    partition.openBatch = this;
    partition.staged.push(this);
    const place = this.#partitions.length;
    this.#journal.reservePartition(place);
    this.#journal.firstSequences[place] = partition.log.nextSequence;
    partition.log.openFrom = partition.log.nextSequence;
    this.#partitions.push(partition);
    return partition;
  }

  #time(): number {
    if (this.#now === 0) this.#now = this.#core.clock.now();
    return this.#now;
  }

  /** Gives back the value of a put whose key comes again. */
  #wantCut(map: StoredMap, value: Ref): false {
    releaseValue(this.#core.blocks, map.account, value);
    this.wantsCut = true;
    return false;
  }

  /** Room in the log for a record with so many bytes of values. @throws OutOfMemoryError, GridError LOG_FULL */
  #reserve(partition: Partition, bytes: number): void {
    if (!partition.log.reserve(bytes, this.#isProgress)) throw this.#core.outOfMemory(bytes);
  }

  /** As #reserve(), with the value that the next record of the entry will tell as the old one. */
  #reserveReplaced(partition: Partition, table: SlotTable, entry: Ref, bytes: number): void {
    const newest = this.#newestOf(entry);
    if (newest < 0) return;
    const before = slotBefore(this.#lane, table, newest);
    if (before < 0) return;
    const chunk = table.chunks[before >>> CHUNK_SHIFT]!;
    const at = before & CHUNK_MASK;
    const end = chunk.f64[chunk.end + at]!;
    if (end !== LIVE && end !== this.#lane) return;
    this.#reserve(partition, bytes + valueBytesOf(this.#core.arena, chunk.u32[chunk.valueRef + at]!));
  }

  #newEntry(map: StoredMap, table: SlotTable, key: Uint8Array, start: number, end: number): Ref {
    if (!table.index.reserve()) return 0;
    return createEntry(this.#core.blocks, map.account, key, start, end);
  }

  #timerOf(entry: Ref): Ref {
    return this.#core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_TIMER]!;
  }

  /** A put whose entry has a deadline but no timer yet. */
  #putWithTimer(
    map: StoredMap,
    partition: Partition,
    table: SlotTable,
    hash: number,
    key: Uint8Array,
    start: number,
    end: number,
    value: Ref,
    deadline: number,
    cause: RecordCause,
  ): void {
    const { timers } = this.#core;
    table.hasDeadlines = true;
    const timer = timers.create(map.account);
    if (timer === 0) throw this.#core.outOfMemory(end - start);
    let entry = table.index.find(hash, key, start, end);
    const isNew = entry === 0;
    if (isNew) {
      entry = this.#newEntry(map, table, key, start, end);
      if (entry === 0) {
        this.#core.blocks.free(timer, map.account, MemoryKind.entries);
        throw this.#core.outOfMemory(end - start);
      }
    }
    this.#stagePut(partition, table, entry, value, deadline, cause);
    if (isNew) table.index.insert(hash, entry);
    const idleDeadline = map.maxIdleUs === 0 ? Infinity : this.#time() + map.maxIdleUs;
    timers.start(timer, entry, table.tableIndex, Math.min(deadline === 0 ? Infinity : deadline, idleDeadline));
    if (map.maxIdleUs !== 0) this.#core.touch(entry, this.#time());
  }

  /** Stages a value for an entry; everything it needs is reserved. */
  #stagePut(
    partition: Partition,
    table: SlotTable,
    entry: Ref,
    value: Ref,
    expiresAt: number,
    cause: RecordCause,
  ): void {
    const { log } = partition;
    const newest = this.#newestOf(entry);
    if (newest < 0) {
      this.#countLive(table, 1);
      this.#record(log, RecordKind.put, table, entry, value, expiresAt, 0, 0, cause);
      this.#journal.note(table.tableIndex, table.stageNew(entry, value, expiresAt, this.#lane) + 1, 0);
      return;
    }
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    const begin = chunk.f64[chunk.begin + at]!;
    const end = chunk.f64[chunk.end + at]!;
    if (begin === this.#lane || end === this.#lane) {
      this.#stagePutAgain(partition, table, entry, newest, value, expiresAt, cause);
      return;
    }
    const isLive = end === LIVE;
    const oldValue = isLive ? chunk.u32[chunk.valueRef + at]! : 0;
    const oldVersion = isLive ? this.#knownVersion(begin) : 0;
    if (!isLive) this.#countLive(table, 1);
    const kind = RecordKind.put;
    this.#record(log, kind, table, entry, value, expiresAt, oldValue, oldVersion, cause);
    const slot = table.stageNew(entry, value, expiresAt, this.#lane);
    if (isLive) table.stageClose(newest, this.#lane);
    this.#journal.note(table.tableIndex, slot + 1, isLive ? newest + 1 : 0);
  }

  /** As #stagePut(), for a key that this batch has staged or closed already. */
  #stagePutAgain(
    partition: Partition,
    table: SlotTable,
    entry: Ref,
    newest: number,
    value: Ref,
    expiresAt: number,
    cause: RecordCause,
  ): void {
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    if (chunk.f64[chunk.end + at] !== LIVE) this.#countLive(table, 1);
    this.#recordAgain(partition, RecordKind.put, table, entry, newest, value, expiresAt, cause);
    if (chunk.f64[chunk.begin + at] === this.#lane) table.restage(newest, value, expiresAt);
    else this.#journal.note(table.tableIndex, table.stageNew(entry, value, expiresAt, this.#lane) + 1, 0);
  }

  #stageClose(partition: Partition, table: SlotTable, entry: Ref, kind: RecordKind, cause: RecordCause): boolean {
    const newest = this.#newestOf(entry);
    if (newest < 0) return false;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    if (chunk.f64[chunk.end + at] !== LIVE) return false;
    this.#reserveReplaced(partition, table, entry, 0);
    this.#countLive(table, -1);
    const begin = chunk.f64[chunk.begin + at]!;
    if (begin === this.#lane) {
      // Nobody learns of what this batch staged: told is the end of what was there before, if anything was.
      this.#recordAgain(partition, kind, table, entry, newest, 0, 0, cause);
      table.unstage(newest, this.#lane);
      return true;
    }
    const oldValue = chunk.u32[chunk.valueRef + at]!;
    this.#record(partition.log, kind, table, entry, 0, 0, oldValue, this.#knownVersion(begin), cause);
    table.stageClose(newest, this.#lane);
    this.#journal.note(table.tableIndex, 0, newest + 1);
    return true;
  }

  #record(
    log: PartitionLog,
    kind: RecordKind,
    table: SlotTable,
    entry: Ref,
    value: Ref,
    expiresAt: number,
    oldValue: Ref,
    oldVersion: number,
    cause: RecordCause,
  ): void {
    const lane = this.#lane;
    const { mapId } = table;
    const sequence = log.append(this, kind, mapId, lane, entry, value, expiresAt, oldValue, oldVersion, cause);
    this.#rewrites?.note(log, entry, sequence);
  }

  /** Records the change from before the batch to `value` (0: none), in place of what it recorded of the key so far (write-batch U4). */
  #recordAgain(
    partition: Partition,
    kind: RecordKind,
    table: SlotTable,
    entry: Ref,
    newest: number,
    value: Ref,
    expiresAt: number,
    cause: RecordCause,
  ): void {
    const { log } = partition;
    this.#rewrites ??= new KeyRewrites();
    this.#rewrites.supersede(log, this.firstSequenceIn(partition), entry);
    const before = slotBefore(this.#lane, table, newest);
    if (before < 0) {
      if (value !== 0) this.#record(log, kind, table, entry, value, expiresAt, 0, 0, cause);
      return;
    }
    const chunk = table.chunks[before >>> CHUNK_SHIFT]!;
    const at = before & CHUNK_MASK;
    const oldVersion = this.#knownVersion(chunk.f64[chunk.begin + at]!);
    const oldValue = chunk.u32[chunk.valueRef + at]!;
    this.#record(log, kind, table, entry, value, expiresAt, oldValue, oldVersion, cause);
  }

  /** A sealed batch's version is known though it is not committed. */
  #knownVersion(begin: number): number {
    const word = wordOfLane(begin);
    return word < 0 ? begin : this.#core.words.versionOf(word);
  }

  #newestOf(entry: Ref): number {
    return this.#core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
  }

  /** A condition that meets a due entry writes the expiry first. @returns whether it did */
  #expireIfDue(map: StoredMap, partition: Partition, table: SlotTable, entry: Ref): boolean {
    const newest = this.#newestOf(entry);
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    const expiresAt = chunk.f64[chunk.expiresAt + at]!;
    if ((expiresAt === 0 && map.maxIdleUs === 0) || chunk.f64[chunk.end + at] !== LIVE) return false;
    const cause = this.#core.dueCause(map, table, entry, expiresAt, this.#time());
    return cause !== 0 && this.#stageClose(partition, table, entry, RecordKind.expire, cause);
  }

  #countLive(table: SlotTable, change: number): void {
    if (table.stagedBy !== this) {
      table.stagedBy = this;
      table.stagedChange = 0;
      this.#journal.reserveTable(this.#tables.length);
      this.#tables.push(table);
    }
    table.stagedChange += change;
  }

  /* ---- Deciding ------------------------------------------------------------------------------------------------------- */

  /**
   * Ends staging and gives the batch its version. Between seal() and commit() its records may be shipped; snapshots at
   * or above the version wait for the commit.
   */
  seal(): Version {
    assert(this.#state === 'open', 'a batch is sealed once');
    if (this.isEmpty) this.#leavePartitions();
    this.#version = this.#core.clock.tick();
    this.#core.words.seal(this.#word, this.#version);
    const { lastSequences, liveChanges } = this.#journal;
    for (let place = 0; place < this.#partitions.length; place++) {
      const partition = this.#partitions[place]!;
      partition.openBatch = undefined;
      partition.log.openFrom = Infinity;
      lastSequences[place] = partition.log.nextSequence - 1;
    }
    for (let place = 0; place < this.#tables.length; place++) {
      const table = this.#tables[place]!;
      liveChanges[place] = table.stagedChange;
      table.stagedBy = undefined;
    }
    this.#state = 'sealed';
    this.#core.sealed.add(this);
    return this.#version as Version;
  }

  /** It has staged nothing anywhere: it stands in nobody's way, and nobody in its. */
  #leavePartitions(): void {
    for (const partition of this.#partitions) {
      partition.staged.removeLast();
      partition.openBatch = undefined;
      partition.log.openFrom = Infinity;
    }
    this.#partitions.length = 0;
  }

  /** Calls `tell` once the batch is committed or aborted, after everything that follows from it here. */
  whenDecided(tell: () => void): void {
    assert(this.#state === 'open' || this.#state === 'sealed', 'an undecided batch is waited for');
    this.#whenDecided ??= [];
    this.#whenDecided.push(tell);
  }

  #tellDecided(): void {
    const waiting = this.#whenDecided;
    if (waiting === undefined) return;
    this.#whenDecided = undefined;
    for (const tell of waiting) tell();
  }

  /** Makes the whole batch visible by one store. */
  commit(): void {
    if (this.#state === 'open') this.seal();
    assert(this.#state === 'sealed', 'a batch is committed once');
    for (let place = 0; place < this.#partitions.length; place++)
      assert(this.#partitions[place]!.staged.first === this, 'write-batch U2: batches commit in log order');
    const core = this.#core;
    core.sealed.delete(this);
    this.#state = 'committed';
    core.words.commit(this.#word);
    for (let index = 0; index < this.#tables.length; index++) {
      this.#tables[index]!.countLive(this.#journal.liveChanges[index]!);
    }
    for (let index = 0; index < this.#partitions.length; index++) {
      const partition = this.#partitions[index]!;
      partition.staged.removeFirst();
      partition.log.commit(this.#journal.lastSequences[index]!);
    }
    if (this.changeCount <= core.patchAtOnceMax) {
      this.patch(this.changeCount + 1);
      core.words.give(this.#word);
    } else {
      core.patchQueue.push(this);
    }
    for (let index = 0; index < this.#partitions.length; index++) {
      // Its journal may be another batch's by now.
      const { id, log } = this.#partitions[index]!;
      core.committed(id, log.committedSequence);
    }
    this.#tellDecided();
  }

  /**
   * Puts the version into the lanes of committed slots and records.
   *
   * @returns changes patched; less than `maxChanges` means that all are
   */
  patch(maxChanges: number): number {
    const core = this.#core;
    const from = this.#patched;
    const to = Math.min(this.changeCount, from + maxChanges);
    this.#journal.patch(core, from, to, this.#lane, this.#version);
    core.collect();
    this.#patched = to;
    if (to === this.changeCount && to - from < maxChanges) this.#finishPatching();
    return to - from;
  }

  #finishPatching(): void {
    for (let index = 0; index < this.#partitions.length; index++) {
      const log = this.#partitions[index]!.log;
      log.patchVersions(this.#journal.firstSequences[index]!, this.#journal.lastSequences[index]!, this.#version);
    }
    this.#core.giveJournal(this.#journal);
  }

  /** The word, for the one who patched the batch in slices. */
  get word(): number {
    return this.#word;
  }

  /**
   * The member has lost a partition: what the batch staged there is undone, the rest goes on. From the back of its log, as
   * an abort; a batch that has nothing else is aborted.
   */
  excise(partition: Partition): void {
    assert(partition.staged.last === this, 'write-batch U2: batches leave from the back of the log');
    if (this.#partitions.length === 1) {
      this.abort();
      return;
    }
    this.#journal.undo(this.#core, partition.id);
    this.#core.collect();
    const index = this.#partitions.indexOf(partition);
    partition.staged.removeLast();
    if (partition.openBatch === this) partition.openBatch = undefined;
    partition.log.undo(this.#journal.firstSequences[index]!);
    this.#partitions.splice(index, 1);
    this.#journal.removePartition(index);
    for (let at = this.#tables.length - 1; at >= 0; at--) {
      const table = this.#tables[at]!;
      if (table.partitionId !== partition.id) continue;
      if (table.stagedBy === this) table.stagedBy = undefined;
      this.#tables.splice(at, 1);
      this.#journal.removeTable(at);
    }
    this.lostPartitions = [...this.lostPartitions, partition.id];
  }

  /** Undoes everything: slots, indexes, records, byte counts. */
  abort(): void {
    assert(this.#state === 'open' || this.#state === 'sealed', 'only an undecided batch is aborted');
    for (let index = 0; index < this.#partitions.length; index++) {
      const { staged, log } = this.#partitions[index]!;
      assert(staged.last === this, 'write-batch U2: batches abort from the back of the log');
      assert(
        this.#journal.firstSequences[index]! > log.leftSequence,
        'partition-log L3: what has left the member is not undone',
      );
    }
    const core = this.#core;
    core.sealed.delete(this);
    for (const table of this.#tables) if (table.stagedBy === this) table.stagedBy = undefined;
    this.#journal.undo(core);
    core.collect();
    for (let index = 0; index < this.#partitions.length; index++) {
      const partition = this.#partitions[index]!;
      partition.staged.removeLast();
      partition.openBatch = undefined;
      partition.log.openFrom = Infinity;
      partition.log.undo(this.#journal.firstSequences[index]!);
    }
    this.#state = 'aborted';
    core.words.give(this.#word);
    core.giveJournal(this.#journal);
    this.#tellDecided();
  }
}
