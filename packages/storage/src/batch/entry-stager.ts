/**
 * How the operations of one batch become slots and records: what each needs is reserved, then it is staged, and nothing of it
 * is left where it is refused.
 *
 *   put -> room in the log -> value block -> entry -> slot, the old one closed -> record (the old value with it)
 *   close, expire -> room in the log -> record -> slot closed
 *
 * entry-stager E1  A refused operation leaves everything as it was (write-batch U3): all that can be refused comes before the
 *                  slot and the record; from there on nothing fails.
 * entry-stager E2  A key that comes again changes the slot and record that count (write-batch U4), or is refused (oncePerKey).
 * entry-stager E3  An entry is looked up after the last allocation that concerns it, or no entry of its table was removed
 *                  since: making room may give entries up.
 */
import { assert } from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_NEWEST, ENTRY_TIMER, LIVE, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { RecordCause, RecordKind } from '../log/log-record.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { RecordDraft } from '../log/record-draft.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import { createEntry, createValue, releaseValue } from '../memory/blocks.ts';
import { valueBytesOf } from '../memory/value-extents.ts';
import type { Partition } from '../partition.ts';
import { entryHasKey } from '../slots/index-probe.ts';
import type { SlotTable } from '../slots/slot-table.ts';
import type { StoreCore } from '../store-core.ts';
import type { StoredMap } from '../stored-map.ts';
import { type BatchHeader, NO_DEADLINE } from './batch-header.ts';
import type { BatchJournal } from './batch-journal.ts';
import { isWrittenBy, KeyRewrites, slotBefore } from './key-rewrites.ts';
import { wordOfLane } from './pending-words.ts';
import type { ValueDraft } from './value-draft.ts';
import type { WriteBatch } from './write-batch.ts';

/** Longest result of a processor that is kept for callers that send again: logs are for changes. */
const RESULT_BYTES_MAX = 16 << 10;

export class EntryStager {
  /** Tables written to, and by how many the batch changes their live entries. */
  readonly tables: SlotTable[] = [];
  readonly #core: StoreCore;
  readonly #batch: WriteBatch;
  readonly #lane: number;
  readonly #journal: BatchJournal;
  readonly #oncePerKey: boolean;
  readonly #isProgress: boolean;
  /** The clock when the batch began; what is due is judged by it. */
  #now = 0;
  /** Made with the first key that comes again. */
  #rewrites: KeyRewrites | undefined;

  /** @param lane  what stands in the lanes of what the batch stages */
  constructor(core: StoreCore, batch: WriteBatch, lane: number, journal: BatchJournal, header: BatchHeader) {
    this.#core = core;
    this.#batch = batch;
    this.#lane = lane;
    this.#journal = journal;
    this.#oncePerKey = header.oncePerKey ?? false;
    this.#isProgress = header.isProgress === true;
  }

  /** The moment by which the batch judges what is due: the present one when it is first asked for. */
  time(): number {
    if (this.#now === 0) this.#now = this.#core.clock.now();
    return this.#now;
  }

  /* ---- Operations, in a partition that the batch has joined -------------------------------------------------------- */

  /** As WriteBatch.put(). */
  put(
    map: StoredMap,
    partition: Partition,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: ValueDraft,
  ): boolean {
    const core = this.#core;
    const table = map.tables[partition.id] ?? core.createTable(map, partition);
    const { length, expiresAt } = value;
    value.deadline = expiresAt === NO_DEADLINE ? 0 : expiresAt;
    if (expiresAt === 0 && map.ttlUs !== 0) value.deadline = this.time() + map.ttlUs;
    if (!partition.log.reserve(length, this.#isProgress) || !table.slots.reserve()) throw core.outOfMemory(length);
    value.ref = createValue(core.blocks, map.account, value.bytes, value.start, value.end);
    value.letGo();
    if (value.ref === 0) throw core.outOfMemory(length);
    try {
      return this.#putValue(map, partition, table, key, keyStart, keyEnd, value);
    } catch (error) {
      // Refused: nothing refers to it (entry-stager E1).
      releaseValue(core.blocks, map.account, value.ref);
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
    value: ValueDraft,
  ): boolean {
    const core = this.#core;
    const { length, deadline } = value;
    // entry-stager E3.
    const known = value.found?.entryIn(table) ?? 0;
    const hash = known === 0 ? hashBytes(key, keyStart, keyEnd, core.hashSeed) : value.found!.hash;
    let entry = known === 0 ? table.index.find(hash, key, keyStart, keyEnd) : known;
    assert(
      known === 0 || entryHasKey(core.arena, known, key, keyStart, keyEnd),
      'what was found is put back to its key',
    );
    if (entry !== 0 && this.#oncePerKey && isWrittenBy(this.#lane, core.arena, table, entry))
      return this.#wantCut(map, value.ref);
    if (entry !== 0 && table.hasDeadlines && this.#expireIfDue(map, partition, table, entry)) {
      if (this.#oncePerKey) return this.#wantCut(map, value.ref);
      this.#reserve(partition, length);
      entry = table.index.find(hash, key, keyStart, keyEnd);
    }
    if (entry !== 0) this.#reserveReplaced(partition, table, entry, length);
    let timer: Ref = 0;
    if ((deadline !== 0 || map.maxIdleUs !== 0) && (entry === 0 || this.#timerOf(entry) === 0)) {
      timer = this.#newTimer(map, table, length);
      entry = table.index.find(hash, key, keyStart, keyEnd);
    }
    if (entry === 0) {
      entry = this.#newEntry(map, table, key, keyStart, keyEnd);
      if (entry === 0) {
        if (timer !== 0) core.blocks.free(timer, map.account, MemoryKind.entries);
        throw core.outOfMemory(length);
      }
      this.#stagePut(partition, table, entry, value);
      table.index.insert(hash, entry);
    } else {
      if (deadline !== 0 && timer === 0) core.timers.ensure(this.#timerOf(entry), deadline);
      this.#stagePut(partition, table, entry, value);
    }
    if (timer !== 0) this.#startTimer(map, table, entry, timer, deadline);
    if (map.maxIdleUs !== 0) core.touch(entry, this.time());
    return true;
  }

  /** Stages the end of what lives under a key. @returns as WriteBatch.remove() */
  close(
    map: StoredMap,
    partition: Partition,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    kind: RecordKind,
    cause: RecordCause,
  ): boolean {
    const core = this.#core;
    const table = map.tables[partition.id];
    if (table === undefined) return false;
    this.#reserve(partition, 0);
    const entry = table.index.find(hashBytes(key, keyStart, keyEnd, core.hashSeed), key, keyStart, keyEnd);
    if (entry === 0) return false;
    if (this.#oncePerKey && isWrittenBy(this.#lane, core.arena, table, entry)) {
      this.#batch.wantsCut = true;
      return false;
    }
    if (table.hasDeadlines && this.#expireIfDue(map, partition, table, entry)) return false;
    return this.#stageClose(partition, table, entry, kind, cause);
  }

  /** As WriteBatch.expire(). */
  expire(partition: Partition, table: SlotTable, entry: Ref, cause: RecordCause): boolean {
    this.#reserve(partition, 0);
    return this.#stageClose(partition, table, entry, RecordKind.expire, cause);
  }

  /** As WriteBatch.answer(). */
  answer(map: StoredMap, partition: Partition, result: Uint8Array, start: number, end: number): void {
    const core = this.#core;
    const { log } = partition;
    const { account, mapId } = map;
    const from = this.#batch.firstSequenceIn(partition);
    if (end > start && log.noteResult(from, this.#batch, result, start, end)) return;
    const length = end - start <= RESULT_BYTES_MAX ? end - start : 0;
    if (!log.reserve(length, true)) throw core.outOfMemory(length);
    const value = length === 0 ? 0 : createValue(core.blocks, account, result, start, end);
    const cause = end > start && value === 0 ? RecordCause.memory : RecordCause.request;
    const draft = core.recordDraft.begin(RecordKind.answer, mapId, this.#lane, log.epoch, cause, 0);
    log.append(this.#batch, draft.stores(value, 0));
    if (value !== 0) releaseValue(core.blocks, account, value);
  }

  /* ---- Staging ------------------------------------------------------------------------------------------------------ */

  /** Gives back the value of a put whose key comes again. */
  #wantCut(map: StoredMap, value: Ref): false {
    releaseValue(this.#core.blocks, map.account, value);
    this.#batch.wantsCut = true;
    return false;
  }

  /** Room in the log for a record with so many bytes of values. @throws OutOfMemoryError, GridError LOG_FULL */
  #reserve(partition: Partition, bytes: number): void {
    if (!partition.log.reserve(bytes, this.#isProgress)) throw this.#core.outOfMemory(bytes);
  }

  /** As #reserve(), with the value that the next record of the entry will have as its old one. */
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

  /** The timer of an entry that gets a deadline and has none yet. */
  #newTimer(map: StoredMap, table: SlotTable, bytes: number): Ref {
    table.hasDeadlines = true;
    const timer = this.#core.timers.create(map.account);
    if (timer === 0) throw this.#core.outOfMemory(bytes);
    return timer;
  }

  #startTimer(map: StoredMap, table: SlotTable, entry: Ref, timer: Ref, deadline: number): void {
    const idleDeadline = map.maxIdleUs === 0 ? Infinity : this.time() + map.maxIdleUs;
    const first = Math.min(deadline === 0 ? Infinity : deadline, idleDeadline);
    this.#core.timers.start(timer, entry, table.tableIndex, first);
  }

  /** Stages a value for an entry; everything it needs is reserved. */
  #stagePut(partition: Partition, table: SlotTable, entry: Ref, value: ValueDraft): void {
    const { log } = partition;
    const { ref, deadline } = value;
    const newest = this.#newestOf(entry);
    if (newest < 0) {
      this.#countLive(table, 1);
      this.#journal.note(table.tableIndex, table.stageNew(entry, ref, deadline, this.#lane) + 1, 0);
      this.#append(log, this.#draft(log, RecordKind.put, table, entry, value.cause).stores(ref, deadline));
      return;
    }
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    const begin = chunk.f64[chunk.begin + at]!;
    const end = chunk.f64[chunk.end + at]!;
    if (begin === this.#lane || end === this.#lane) {
      this.#stagePutAgain(partition, table, entry, newest, value);
      return;
    }
    const isLive = end === LIVE;
    if (!isLive) this.#countLive(table, 1);
    const oldValue = chunk.u32[chunk.valueRef + at]!;
    const slot = table.stageNew(entry, ref, deadline, this.#lane);
    if (isLive) table.stageClose(newest, this.#lane);
    this.#journal.note(table.tableIndex, slot + 1, isLive ? newest + 1 : 0);
    // The record goes where memory is far away, and an atomic store waits for all before it: the slot's comes first.
    const draft = this.#draft(log, RecordKind.put, table, entry, value.cause).stores(ref, deadline);
    if (isLive) draft.replaces(oldValue, this.#knownVersion(begin));
    this.#append(log, draft);
  }

  /** As #stagePut(), for a key that this batch has staged or closed already. */
  #stagePutAgain(partition: Partition, table: SlotTable, entry: Ref, newest: number, value: ValueDraft): void {
    const { log } = partition;
    const { ref, deadline } = value;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    if (chunk.f64[chunk.end + at] !== LIVE) this.#countLive(table, 1);
    this.#supersede(partition, entry);
    const draft = this.#draft(log, RecordKind.put, table, entry, value.cause).stores(ref, deadline);
    this.#replaceBefore(draft, table, newest);
    this.#append(log, draft);
    if (chunk.f64[chunk.begin + at] === this.#lane) table.restage(newest, ref, deadline);
    else this.#journal.note(table.tableIndex, table.stageNew(entry, ref, deadline, this.#lane) + 1, 0);
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
    const { log } = partition;
    if (begin === this.#lane) {
      // Nobody learns of what this batch staged: recorded is the end of what was there before, if anything was.
      this.#supersede(partition, entry);
      const draft = this.#draft(log, kind, table, entry, cause);
      if (this.#replaceBefore(draft, table, newest)) this.#append(log, draft);
      table.unstage(newest, this.#lane);
      return true;
    }
    const oldValue = chunk.u32[chunk.valueRef + at]!;
    this.#append(log, this.#draft(log, kind, table, entry, cause).replaces(oldValue, this.#knownVersion(begin)));
    table.stageClose(newest, this.#lane);
    this.#journal.note(table.tableIndex, 0, newest + 1);
    return true;
  }

  /** The record of an operation on an entry; what it stores and replaces follows. */
  #draft(log: PartitionLog, kind: RecordKind, table: SlotTable, entry: Ref, cause: RecordCause): RecordDraft {
    return this.#core.recordDraft.begin(kind, table.mapId, this.#lane, log.epoch, cause, entry);
  }

  #append(log: PartitionLog, draft: RecordDraft): void {
    const sequence = log.append(this.#batch, draft);
    this.#rewrites?.note(log, draft.entry, sequence);
  }

  /** What the batch recorded of the key so far counts no more (write-batch U4). */
  #supersede(partition: Partition, entry: Ref): void {
    this.#rewrites ??= new KeyRewrites();
    this.#rewrites.supersede(partition.log, this.#batch.firstSequenceIn(partition), entry);
  }

  /** What a key that comes again replaces is what was there before the batch. @returns whether anything was */
  #replaceBefore(draft: RecordDraft, table: SlotTable, newest: number): boolean {
    const before = slotBefore(this.#lane, table, newest);
    if (before < 0) return false;
    const chunk = table.chunks[before >>> CHUNK_SHIFT]!;
    const at = before & CHUNK_MASK;
    draft.replaces(chunk.u32[chunk.valueRef + at]!, this.#knownVersion(chunk.f64[chunk.begin + at]!));
    return true;
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
    const cause = this.#core.dueCause(map, table, entry, expiresAt, this.time());
    return cause !== 0 && this.#stageClose(partition, table, entry, RecordKind.expire, cause);
  }

  #countLive(table: SlotTable, change: number): void {
    if (table.stagedBy !== this.#batch) {
      table.stagedBy = this.#batch;
      table.stagedChange = 0;
      this.#journal.reserveTable(this.tables.length);
      this.tables.push(table);
    }
    table.stagedChange += change;
  }
}
