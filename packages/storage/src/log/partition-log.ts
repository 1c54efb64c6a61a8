/**
 * The log of one partition: what was done to all of its maps, in order. Records share key and value blocks with the
 * slots; a record holds one reference to each, also to the value it replaced, so that events know both.
 *
 *   [ block of 32 records ][ block ][ block ........ ]      first <= committed < next
 *     ^first                  ^committed      ^next
 *
 * Bounded by bytes (records plus the values they name): all logs of a member share a budget (log-budget.ts). What is dropped
 * is the oldest. A cuttable consumer that is overtaken finds SEQUENCE_GONE; a durable one holds what it has not read.
 * Writer's thread only.
 *
 * partition-log L1  Sequences have no gaps; versions rise with them (equal within a batch).
 * partition-log L2  Only records up to `committed` are read.
 * partition-log L3  Undoing takes the newest records away, and with them their references; their sequences are given anew.
 *                   What has left the member is never undone, so that no two records ever bear one sequence: it commits, or
 *                   the partition goes with it.
 * partition-log L4  The incarnation changes whenever history may have been lost.
 * partition-log L5  What a batch wrote of a key before it wrote it again is superseded and skipped by readers; its sequence
 *                   stays.
 * partition-log L6  What is undecided stays until it is decided: first <= committed + 1. No sequence that was read is ever
 *                   given anew.
 * partition-log L7  What durable consumers of the primary have still to read stays in its backups too; and in the one that is
 *                   promoted until they read on there: holdFrom(), which a new primary ends once its own consumers stand.
 * partition-log L8  What a replica that catches up has still to read goes after what nobody wants, and before a writer is
 *                   refused: cutReplicas().
 */
import { assert, GridError } from '@ashlar/core';
import { knownVersion } from '../batch/pending-words.ts';
import {
  LOG_BLOCK_BYTES,
  LOG_BLOCK_RECORDS,
  PENDING_BASE,
  RECORD_BYTES,
  RECORD_ENTRY,
  RECORD_EPOCH_F64,
  RECORD_MAP_ID,
  RECORD_OLD_VALUE,
  RECORD_VALUE,
  RECORD_VERSION_F64,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from '../layout.ts';
import { type ByteAccount, MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import type { BlockAllocator } from '../memory/block-allocator.ts';
import { holdEntry, holdValue, releaseEntry, releaseValue } from '../memory/blocks.ts';
import { valueBytesOf } from '../memory/value-extents.ts';
import type { LogBudget, LogState } from './log-budget.ts';
import { CuttableHolds, LogConsumer, type LogHolder } from './log-consumer.ts';
import {
  fetchNamed,
  isChangeOf,
  isUntold,
  type LogRecordView,
  type RecordHeader,
  SHORT_RESULT_BYTES_MAX,
  supersedeRecord,
  writeChecksum,
  writeRecord,
  writeResult,
  writeResultWords,
} from './log-record.ts';
import type { RecordDraft } from './record-draft.ts';

/** Where every partition's log takes its bytes from, and what they all may hold together. */
export interface LogHost {
  readonly blocks: BlockAllocator;
  /** What records are charged to. */
  readonly account: ByteAccount;
  /** What the keys and values that a record names are charged to: the account of their map. */
  accountOf(mapId: number): ByteAccount;
  readonly budget: LogBudget;
  /** Whether records bear a checksum. */
  readonly recordChecksums: boolean;
}

const RECORD_GRANULES = RECORD_BYTES / 8;

/** Dropped together: what these records name is fetched for all of them before the first is let go of. */
const DROPPED_TOGETHER = 16;

/** Bytes of log of so many records, with the values that they name: before them and after them. */
export function logBytesOf(records: number, valueBytes: number): number {
  return records * RECORD_BYTES + valueBytes;
}

/** Durable consumers of another member (partition-log L7): whom they read for is not known here. */
const HANDED_ON: { readonly holder: LogHolder | undefined } = { holder: undefined };

export class PartitionLog {
  readonly incarnation: number;
  /** Epoch of the partition; every record that this member makes carries it. */
  epoch: number;
  /** The first sequence of the batch that is staging here; Infinity: none is. */
  openFrom = Infinity;
  /** Version of the newest record that was dropped, or of the log's beginning: nothing above it is missing. Infinity: not known. */
  droppedVersion: number;
  /** The last sequence that left the member. */
  leftSequence = 0;
  readonly #host: LogHost;
  /** blocks[number % length] where number = (sequence - 1) / LOG_BLOCK_RECORDS; the length is a power of two. */
  #blockRefs = new Uint32Array(4);
  #blockCount = 0;
  #first: number;
  #next: number;
  #committed: number;
  #bytes = 0;
  readonly #consumers = new Set<LogConsumer>();
  /** The lowest sequence that durable consumers of another member want (partition-log L7); Infinity: none. */
  #handedHold = Infinity;
  /** What replicas that catch up want (partition-log L8). */
  readonly #cuttable = new CuttableHolds();
  /** What reads that only fetch memory come to, so that none may be left out. */
  #fetched = 0;

  /** @param lastSequence  the last sequence that is part of the partition's state already; 0 for a new one */
  constructor(host: LogHost, incarnation: number, epoch: number, lastSequence: number) {
    this.#host = host;
    this.incarnation = incarnation;
    this.epoch = epoch;
    this.#first = lastSequence + 1;
    this.#next = lastSequence + 1;
    this.#committed = lastSequence;
    // Versions from before the incarnation are those of another history; what came before `lastSequence` the first frame tells.
    this.droppedVersion = lastSequence === 0 ? incarnation : Infinity;
    host.budget.open(this);
  }

  get firstSequence(): number {
    return this.#first;
  }
  get nextSequence(): number {
    return this.#next;
  }
  get committedSequence(): number {
    return this.#committed;
  }
  /** Bytes of the records and of the values they name. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins anew, empty, behind a sequence that the partition's state includes; `version` is that of its record. */
  beginBehind(sequence: number, version: number): void {
    assert(this.#committed === this.#next - 1, 'partition-log L6: what is undecided stays');
    this.#dropAll();
    this.#first = sequence + 1;
    this.#next = sequence + 1;
    this.#committed = sequence;
    this.droppedVersion = version;
  }

  /* ---- Consumers ------------------------------------------------------------------------------------------------ */

  /**
   * @param position  the next sequence it wants
   * @param holder    whom it reads for
   * @throws GridError SEQUENCE_GONE when that was dropped already
   */
  addConsumer(durable: boolean, position: number, holder?: LogHolder): LogConsumer {
    this.checkThere(position);
    const consumer = new LogConsumer(this, durable, position, holder);
    this.#consumers.add(consumer);
    return consumer;
  }

  removeConsumer(consumer: LogConsumer): void {
    this.#consumers.delete(consumer);
    this.#host.budget.noteRelease();
  }

  /** Keeps what durable consumers of the primary want: from `sequence` on; Infinity: nothing (partition-log L7). */
  holdFrom(sequence: number): void {
    if (sequence === this.#handedHold) return;
    this.#handedHold = sequence;
    this.#host.budget.noteRelease();
  }

  /** Keeps what a replica that catches up wants, from `sequence` on, as long as there is room (partition-log L8); Infinity: no more. */
  holdForReplica(replica: string, sequence: number): void {
    this.#cuttable.hold(replica, sequence);
    this.#host.budget.noteRelease();
  }

  /** Whether anything stays for replicas that catch up alone. */
  get isHeldForReplicas(): boolean {
    return this.#cuttable.from < this.#kept;
  }

  /** The room is needed: replicas that catch up find a gap, and begin anew. */
  cutReplicas(): void {
    this.#cuttable.clear();
  }

  /** The lowest sequence that a durable consumer still wants, here or where the log comes from; Infinity without any. */
  get heldFrom(): number {
    let held = this.#handedHold;
    for (const consumer of this.#consumers) if (consumer.durable && consumer.position < held) held = consumer.position;
    return held;
  }

  get state(): LogState {
    return this.#host.budget.stateOf(this);
  }

  /** The first sequence that has to stay: held by a durable consumer, or undecided. */
  get #kept(): number {
    const undecided = this.#committed + 1;
    return this.#consumers.size === 0 ? Math.min(this.#handedHold, undecided) : Math.min(this.heldFrom, undecided);
  }

  /** Up to there, without it, the oldest may go. */
  get #droppable(): number {
    return Math.min(this.#kept, this.#cuttable.from);
  }

  /** Bytes of what has to stay, about: records are taken to be alike. */
  get keptBytes(): number {
    const kept = Math.max(this.#kept, this.#first);
    return kept >= this.#next ? 0 : (this.#bytes * (this.#next - kept)) / (this.#next - this.#first);
  }

  /** It holds nothing, or nothing but what the open batch has staged, and no durable consumer would hold that (log-budget B4). */
  get isAlone(): boolean {
    return this.#first === this.#next || (this.#first >= this.openFrom && this.heldFrom === Infinity);
  }

  /** Whether it has something to drop. */
  get hasHistory(): boolean {
    return this.#first < this.#droppable;
  }

  /** Version of the oldest record, which is committed; one whose version is not written yet counts as the newest. */
  get firstVersion(): number {
    const record = this.recordRef(this.#first);
    return this.#host.blocks.arena.segments[record >>> SEGMENT_SHIFT]!.f64[
      (record & SEGMENT_MASK) + RECORD_VERSION_F64
    ]!;
  }

  /** The durable consumer that is furthest behind; undefined: none has anything to read. */
  get slowest(): { readonly holder: LogHolder | undefined } | undefined {
    const held = this.heldFrom;
    if (held > this.#committed) return undefined;
    for (const consumer of this.#consumers) if (consumer.durable && consumer.position === held) return consumer;
    return HANDED_ON;
  }

  noteConsumed(records: number): void {
    this.#host.budget.noteConsumed(records);
  }

  /* ---- Writing -------------------------------------------------------------------------------------------------- */

  /**
   * Makes room for one record that names `pinnedBytes` of values, dropping the oldest.
   *
   * @param isProgress  it is taken in any case (log-budget B3)
   * @returns false when memory is full
   * @throws GridError LOG_FULL when what is undecided or held fills the budget
   */
  reserve(pinnedBytes: number, isProgress: boolean): boolean {
    assert(pinnedBytes >= 0, 'room is made for bytes');
    const { budget } = this.#host;
    const wanted = RECORD_BYTES + pinnedBytes;
    if (!budget.hasRoom(this, wanted)) budget.makeRoom(this, wanted, isProgress);
    if (((this.#next - 1) & (LOG_BLOCK_RECORDS - 1)) !== 0 && this.#blockCount > 0) return true;
    return this.#addBlock();
  }

  #addBlock(): boolean {
    // Dropping may just have freed the block that the next record belongs to: then one is taken anew.
    const number = Math.floor((this.#next - 1) / LOG_BLOCK_RECORDS);
    const firstNumber = this.#firstBlockNumber();
    if (number - firstNumber < this.#blockCount) return true;
    if (this.#blockCount === this.#blockRefs.length) this.#growRing();
    const { blocks, account } = this.#host;
    const ref = blocks.allocate(LOG_BLOCK_BYTES, account, MemoryKind.log, true);
    if (ref === 0) return false;
    this.#blockRefs[number % this.#blockRefs.length] = ref;
    this.#blockCount += 1;
    return true;
  }

  #firstBlockNumber(): number {
    return Math.floor((this.#first - 1) / LOG_BLOCK_RECORDS);
  }

  #growRing(): void {
    const old = this.#blockRefs;
    const grown = new Uint32Array(old.length * 2);
    const first = this.#firstBlockNumber();
    for (let number = first; number < first + this.#blockCount; number++) {
      grown[number % grown.length] = old[number % old.length]!;
    }
    this.#blockRefs = grown;
  }

  /**
   * Appends a staged record; reserve() has just said yes. It takes references of its own.
   *
   * @returns its sequence
   */
  append(header: RecordHeader, draft: Readonly<RecordDraft>): number {
    const { blocks, recordChecksums } = this.#host;
    const sequence = this.#next;
    const record = this.recordRef(sequence);
    writeRecord(blocks.arena, record, sequence, header, draft);
    if (recordChecksums) writeChecksum(blocks.arena, record);
    const { entry, value, oldValue } = draft;
    let bytes = RECORD_BYTES;
    if (entry !== 0) holdEntry(blocks, entry);
    if (value !== 0) {
      holdValue(blocks, value);
      bytes += valueBytesOf(blocks.arena, value);
    }
    if (oldValue !== 0) {
      holdValue(blocks, oldValue);
      bytes += valueBytesOf(blocks.arena, oldValue);
    }
    this.#bytes += bytes;
    this.#host.budget.noteBytes(this, bytes);
    this.#next = sequence + 1;
    return sequence;
  }

  /**
   * Notes a short result in the last record, if that is the change of the mutation that `header` names.
   *
   * @param from  first sequence of its batch
   * @returns false: it is another record, and the result needs one of its own
   */
  noteResult(from: number, header: RecordHeader, result: Uint8Array, start: number, end: number): boolean {
    const sequence = this.#next - 1;
    if (sequence < from || end - start > SHORT_RESULT_BYTES_MAX) return false;
    const { arena } = this.#host.blocks;
    const record = this.recordRef(sequence);
    if (!isChangeOf(arena, record, header)) return false;
    writeResult(arena, record, result, start, end);
    return true;
  }

  /** The words of a short result that came with the last record from another member. */
  takeResult(words: readonly number[]): void {
    writeResultWords(this.#host.blocks.arena, this.recordRef(this.#next - 1), words);
  }

  /**
   * The version of the record before `sequence`, which may be dropped: nothing that went before it is newer. Infinity: not
   * known.
   */
  versionBefore(sequence: number): number {
    return sequence <= this.#first ? this.droppedVersion : this.versionOf(sequence - 1);
  }

  /** Version of a record whose batch is sealed. */
  versionOf(sequence: number): number {
    const record = this.recordRef(sequence);
    const { arena } = this.#host.blocks;
    const { f64 } = arena.segments[record >>> SEGMENT_SHIFT]!;
    return knownVersion(arena, f64[(record & SEGMENT_MASK) + RECORD_VERSION_F64]!);
  }

  /** Epoch in which a record was written. */
  epochOf(sequence: number): number {
    const record = this.recordRef(sequence);
    return this.#host.blocks.arena.segments[record >>> SEGMENT_SHIFT]!.f64[(record & SEGMENT_MASK) + RECORD_EPOCH_F64]!;
  }

  /** The entry that a record is about. */
  entryOf(sequence: number): Ref {
    const record = this.recordRef(sequence);
    return this.#host.blocks.arena.segments[record >>> SEGMENT_SHIFT]!.u32[
      ((record & SEGMENT_MASK) << 1) + RECORD_ENTRY
    ]!;
  }

  /** The batch that staged the record writes its key again (partition-log L5). */
  supersede(sequence: number): void {
    assert(sequence > this.#committed, 'partition-log L2: what is committed stays');
    const { blocks, recordChecksums } = this.#host;
    const record = this.recordRef(sequence);
    supersedeRecord(blocks.arena, record);
    if (recordChecksums) writeChecksum(blocks.arena, record);
  }

  /** Puts the batch's version in place of its lane into its records [from, to], as far as they are still there. */
  patchVersions(from: number, to: number, version: number): void {
    for (let sequence = Math.max(from, this.#first); sequence <= to; sequence++) {
      const record = this.recordRef(sequence);
      const { f64 } = this.#host.blocks.arena.segments[record >>> SEGMENT_SHIFT]!;
      f64[(record & SEGMENT_MASK) + RECORD_VERSION_F64] = version;
    }
  }

  /** Everything up to `sequence` is committed: readers may have it. */
  commit(sequence: number): void {
    assert(sequence >= this.#committed && sequence < this.#next, 'partition-log L1: commits follow the log');
    this.#committed = sequence;
    this.#host.budget.noteRelease();
  }

  /** Records up to `sequence` are sent to somebody outside. */
  noteLeft(sequence: number): void {
    assert(sequence < this.#next, 'what leaves the member is in the log');
    if (sequence > this.leftSequence) this.leftSequence = sequence;
  }

  /** The partition goes: what has left the member may be undone after all. */
  abandon(): void {
    this.leftSequence = 0;
  }

  /** Takes back what was appended from `sequence` on. */
  undo(sequence: number): void {
    assert(sequence > this.#committed, 'partition-log L2: what is committed stays');
    assert(sequence > this.leftSequence, 'partition-log L3: what has left the member is not undone');
    let bytes = 0;
    while (this.#next > sequence) {
      this.#next -= 1;
      bytes += this.#release(this.#next);
    }
    this.#host.budget.noteBytes(this, -bytes);
    const lastBlock = Math.floor((this.#next - 2) / LOG_BLOCK_RECORDS);
    this.#keepBlocks(this.#next <= this.#first ? 0 : lastBlock - this.#firstBlockNumber() + 1);
  }

  /** Frees the newest blocks until `wanted` are left. */
  #keepBlocks(wanted: number): void {
    const first = this.#firstBlockNumber();
    while (this.#blockCount > wanted) {
      this.#blockCount -= 1;
      const place = (first + this.#blockCount) % this.#blockRefs.length;
      this.#host.blocks.free(this.#blockRefs[place]!, this.#host.account, MemoryKind.log);
    }
  }

  /* ---- Dropping ------------------------------------------------------------------------------------------------- */

  /**
   * Drops the oldest records that are committed and held for nobody, until `bytesLeft` are left.
   *
   * @param upTo  no newer ones
   * @returns how many
   */
  dropOldest(maxRecords: number, bytesLeft: number, upTo = Infinity): number {
    const end = Math.min(this.#droppable, this.#first + maxRecords);
    const from = this.#first;
    let bytes = 0;
    for (let fetched = from; this.#first < end && this.#bytes > bytesLeft; ) {
      if (upTo !== Infinity && this.firstVersion > upTo) break;
      if (this.#first === fetched) fetched = this.#fetchOldest(end, bytesLeft);
      bytes += this.#dropFirst();
    }
    if (bytes > 0) this.#host.budget.noteBytes(this, -bytes);
    return this.#first - from;
  }

  /**
   * Fetches what the oldest records name: let go of one after the other, each waits for memory.
   *
   * @returns the first sequence that it did not look at
   */
  #fetchOldest(end: number, bytesLeft: number): number {
    const excess = Math.ceil(((this.#bytes - bytesLeft) * (this.#next - this.#first)) / this.#bytes);
    const stop = Math.min(end, this.#first + Math.min(DROPPED_TOGETHER, Math.max(1, excess)));
    const { arena } = this.#host.blocks;
    let sum = this.#fetched;
    for (let sequence = this.#first; sequence < stop; sequence++) {
      sum = (sum + fetchNamed(arena, this.recordRef(sequence))) | 0;
    }
    this.#fetched = sum;
    return stop;
  }

  /** @returns the bytes that the log has shrunk by: the caller tells the budget */
  #dropFirst(): number {
    this.droppedVersion = this.versionOf(this.#first);
    const bytes = this.#release(this.#first);
    const place = this.#firstBlockNumber() & (this.#blockRefs.length - 1);
    this.#first += 1;
    if (((this.#first - 1) & (LOG_BLOCK_RECORDS - 1)) !== 0) return bytes;
    this.#blockCount -= 1;
    this.#host.blocks.free(this.#blockRefs[place]!, this.#host.account, MemoryKind.log);
    return bytes;
  }

  /** Gives back the references of a record. @returns as #dropFirst() */
  #release(sequence: number): number {
    const { blocks } = this.#host;
    const record = this.recordRef(sequence);
    const u32 = blocks.arena.segments[record >>> SEGMENT_SHIFT]!.u32;
    const at = (record & SEGMENT_MASK) << 1;
    const account = this.#host.accountOf(u32[at + RECORD_MAP_ID]!);
    const entry = u32[at + RECORD_ENTRY]!;
    const value = u32[at + RECORD_VALUE]!;
    const oldValue = u32[at + RECORD_OLD_VALUE]!;
    let bytes = RECORD_BYTES;
    if (entry !== 0) releaseEntry(blocks, account, entry);
    if (value !== 0) {
      bytes += valueBytesOf(blocks.arena, value);
      releaseValue(blocks, account, value);
    }
    if (oldValue !== 0) {
      bytes += valueBytesOf(blocks.arena, oldValue);
      releaseValue(blocks, account, oldValue);
    }
    this.#bytes -= bytes;
    return bytes;
  }

  #dropAll(): void {
    let bytes = 0;
    while (this.#first < this.#next) bytes += this.#dropFirst();
    this.#host.budget.noteBytes(this, -bytes);
    this.#keepBlocks(0);
  }

  /** The partition leaves this member: everything goes, also what consumers hold. */
  destroy(): void {
    this.#dropAll();
    this.#consumers.clear();
    this.#host.budget.close(this);
  }

  /* ---- Reading -------------------------------------------------------------------------------------------------- */

  recordRef(sequence: number): Ref {
    const number = Math.floor((sequence - 1) / LOG_BLOCK_RECORDS);
    const block = this.#blockRefs[number & (this.#blockRefs.length - 1)]!;
    return block + ((sequence - 1) & (LOG_BLOCK_RECORDS - 1)) * RECORD_GRANULES;
  }

  /**
   * Visits committed records in order, but for superseded records and answers.
   *
   * @param view   moved from record to record
   * @param visit  answers false to stop after the record
   * @returns the next sequence to ask for
   * @throws GridError SEQUENCE_GONE when `from` was dropped
   */
  read(from: number, maxRecords: number, view: LogRecordView, visit: (record: LogRecordView) => unknown): number {
    this.checkThere(from);
    const stop = Math.min(this.#committed + 1, from + maxRecords);
    const { arena } = this.#host.blocks;
    let sequence = from;
    while (sequence < stop) {
      const record = this.recordRef(sequence);
      sequence += 1;
      if (!isUntold(arena, record) && visit(view.attach(record)) === false) break;
    }
    return sequence;
  }

  /** @throws GridError SEQUENCE_GONE when it was dropped, or was never given */
  checkThere(sequence: number): void {
    if (Number.isSafeInteger(sequence) && sequence >= this.#first && sequence <= this.#next) return;
    throw new GridError('SEQUENCE_GONE', `sequence ${sequence} is no longer in the log`, {
      hint: 'read the present state at a snapshot and go on from its version',
      details: { sequence, firstSequence: this.#first, nextSequence: this.#next },
    });
  }

  /** partition-log L1 and the checksums; answers the records' references through `view`. */
  checkInvariants(view: LogRecordView, onRecord: (record: LogRecordView) => void): void {
    let lastVersion = 0;
    let bytes = 0;
    assert(this.#first <= this.#committed + 1, 'partition-log L6: what is undecided stays');
    for (let sequence = this.#first; sequence < this.#next; sequence++) {
      view.attach(this.recordRef(sequence));
      assert(view.sequence === sequence, 'partition-log L1: a record lies at its sequence');
      // What is staged has no version yet; it lies behind everything committed.
      const { version } = view;
      const isStaged = version >= PENDING_BASE;
      assert(
        isStaged ? sequence > this.#committed : version >= lastVersion,
        'partition-log L1: versions rise with sequences',
      );
      assert(!this.#host.recordChecksums || view.checksum === view.computeChecksum(), 'a record is as it was written');
      if (!isStaged) lastVersion = version;
      bytes += RECORD_BYTES;
      if (view.hasValue) bytes += valueBytesOf(this.#host.blocks.arena, view.valueRef);
      if (view.hasOldValue) bytes += valueBytesOf(this.#host.blocks.arena, view.oldValueRef);
      onRecord(view);
    }
    assert(bytes === this.#bytes, 'the bytes of the records add up');
  }
}
