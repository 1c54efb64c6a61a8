/**
 * The log of one partition: what was done to all of its maps, in order. Records share key and value blocks with the
 * slots; a record holds one reference to each, also to the value it replaced, so that events know both.
 *
 *   [ block of 32 records ][ block ][ block ........ ]      first <= committed < next
 *     ^first                  ^committed      ^next
 *
 * Bounded by bytes (records plus the values they name): each log has a bound of its own, and all of a member share a
 * budget. What is dropped is the oldest. A cuttable consumer that is overtaken finds SEQUENCE_GONE; a durable one holds
 * what it has not read: from 80 % of the log's bound on writers are to be delayed; beyond its bound the log grows while
 * the budget for held logs has room, then appending is refused (LOG_FULL). Writer's thread only.
 *
 * L1  Sequences have no gaps; versions rise with them (equal within a batch).
 * L2  Only records up to `committed` are read.
 * L3  Undoing takes the newest records away, and with them their references; their sequences are given anew. What has left
 *     the member is never undone, so that no two records ever bear one sequence: it commits, or the partition goes with it.
 * L4  The incarnation changes whenever history may have been lost.
 * L5  What a batch wrote of a key before it wrote it again is superseded and skipped by readers; its sequence stays.
 * L6  What is undecided stays, also beyond the log's bound, while the budget has room: a statement's events can be read.
 * L7  A full log takes what a durable consumer writes to get on: it could never let go of the log otherwise.
 */
import { assert, GridError, type SmallSet } from '@ashlar/core';
import { knownVersion } from '../batch/pending-words.ts';
import {
  LOG_BLOCK_BYTES,
  LOG_BLOCK_RECORDS,
  PENDING_BASE,
  RECORD_BYTES,
  RECORD_ENTRY,
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
import {
  isSuperseded,
  type LogRecordView,
  type RecordCause,
  type RecordHeader,
  type RecordKind,
  supersedeRecord,
  writeRecord,
} from './log-record.ts';

/** Where every partition's log takes its bytes from, and what they all may hold together. */
export interface LogHost {
  readonly blocks: BlockAllocator;
  /** Of the records. */
  readonly account: ByteAccount;
  /** Of the map whose keys and values a record names. */
  accountOf(mapId: number): ByteAccount;
  readonly budget: LogBudget;
  /** The clock, in version units. */
  now(): number;
  /** Logs beyond their own bounds: they pay first when the budget has no room. */
  readonly overgrown: SmallSet<PartitionLog>;
  /** Drops up to so many committed records that nobody holds, of all logs in turn. @returns how many */
  dropHistory(maxRecords: number): number;
}

/** Bytes of all logs of a member. */
export interface LogBudget {
  /** Of what nobody has to read. */
  readonly bytesMax: number;
  /** With what durable consumers hold: beyond it no log grows over its own bound. */
  readonly heldBytesMax: number;
  readonly partitionBytesMax: number;
  bytesUsed: number;
  /** Records that durable consumers have done with; rises. */
  consumed: number;
}

/** How full the log is for writers, counting what durable consumers hold. */
export type LogState = 'ok' | 'delay' | 'full';

const DELAY_SHARE = 0.8;
/** Dropped at once, at least: what one record names is fetched from memory while another is worked on. */
const DROPPED_TOGETHER_BYTES = 4096;
/** An overgrown log shrinks by so many records an append; without any it begins to after a while. */
const SHRINK_RECORDS = 512;
const SHRINK_AFTER_US = 2_000_000;
const RECORD_GRANULES = RECORD_BYTES / 8;

/** Bytes of log of so many records, with the values that they name: before them and after them. */
export function logBytesOf(records: number, valueBytes: number): number {
  return records * RECORD_BYTES + valueBytes;
}

/** Whom a durable consumer reads for; told to those who are refused because of it. */
export interface LogHolder {
  readonly name: string;
  /** It does not read on by itself: who waits for it waits in vain. */
  readonly isStopped: boolean;
}

/** Someone who reads a log at a pace of its own. */
export class LogConsumer {
  readonly log: PartitionLog;
  readonly durable: boolean;
  readonly holder: LogHolder | undefined;
  /** The next sequence it wants; everything before may go. */
  position: number;

  constructor(log: PartitionLog, durable: boolean, position: number, holder?: LogHolder) {
    this.log = log;
    this.durable = durable;
    this.holder = holder;
    this.position = position;
  }

  /** What it wanted next was dropped. */
  get isGone(): boolean {
    return this.position < this.log.firstSequence;
  }

  advance(position: number): void {
    assert(position >= this.position, 'a consumer goes forward');
    if (this.durable) this.log.noteConsumed(position - this.position);
    this.position = position;
  }

  close(): void {
    this.log.removeConsumer(this);
  }
}

export class PartitionLog {
  readonly incarnation: number;
  /** Of the partition; written into every record of its own. */
  epoch: number;
  /** What is undecided stays in any case: it is another member's, and its commit comes. */
  keepsUndecided = false;
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
  #isOvergrown = false;
  /** When it became so, in version units. */
  #grownAt = 0;

  /** @param lastSequence  the last sequence that is part of the partition's state already; 0 for a new one */
  constructor(host: LogHost, incarnation: number, epoch: number, lastSequence: number) {
    this.#host = host;
    this.incarnation = incarnation;
    this.epoch = epoch;
    this.#first = lastSequence + 1;
    this.#next = lastSequence + 1;
    this.#committed = lastSequence;
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
  }

  /** The lowest sequence that a durable consumer still wants; Infinity without any. */
  #held(): number {
    let held = Infinity;
    for (const consumer of this.#consumers) if (consumer.durable && consumer.position < held) held = consumer.position;
    return held;
  }

  get state(): LogState {
    if (this.#consumers.size === 0 || this.#held() > this.#first) return 'ok';
    const { partitionBytesMax, bytesUsed, heldBytesMax } = this.#host.budget;
    if (this.#bytes >= partitionBytesMax && bytesUsed >= heldBytesMax) return 'full';
    return this.#bytes >= partitionBytesMax * DELAY_SHARE ? 'delay' : 'ok';
  }

  /** Bytes that durable consumers still want, about: records are taken to be alike. */
  get heldBytes(): number {
    const held = this.#consumers.size === 0 ? Infinity : this.#held();
    if (held >= this.#next) return 0;
    return (this.#bytes * (this.#next - Math.max(held, this.#first))) / (this.#next - this.#first);
  }

  noteConsumed(records: number): void {
    this.#host.budget.consumed += records;
  }

  /* ---- Writing -------------------------------------------------------------------------------------------------- */

  /**
   * Makes room for one record that names `pinnedBytes` of values, dropping the oldest.
   *
   * @param isProgress  a durable consumer writes it to get on (L7)
   * @returns false when memory is full
   * @throws GridError LOG_FULL when durable consumers hold a full log
   */
  reserve(pinnedBytes: number, isProgress: boolean): boolean {
    const budget = this.#host.budget;
    const wanted = RECORD_BYTES + pinnedBytes;
    if (this.#bytes + wanted > budget.partitionBytesMax || budget.bytesUsed + wanted > budget.bytesMax) {
      this.#makeRoom(wanted, isProgress);
    }
    if (((this.#next - 1) & (LOG_BLOCK_RECORDS - 1)) !== 0 && this.#blockCount > 0) return true;
    return this.#addBlock();
  }

  #makeRoom(wanted: number, isProgress: boolean): void {
    const { budget, overgrown } = this.#host;
    const held = this.#consumers.size === 0 ? Infinity : this.#held();
    if (budget.bytesUsed + wanted > budget.bytesMax) for (const log of overgrown) log.shrink();
    this.#dropCommitted(wanted, held);
    // Undecided records go only where neither this log nor all together have room (L6).
    while (
      !this.keepsUndecided &&
      this.#first < this.#next &&
      this.#first < held &&
      this.#isOverOwn(wanted) &&
      this.#isOverAll(wanted)
    ) {
      this.#dropFirst();
    }
    if (this.#first === this.#next || !this.#isOverOwn(wanted)) return;
    const isRoom = (): boolean => budget.bytesUsed + wanted <= budget.heldBytesMax;
    if (isProgress || isRoom() || (this.#host.dropHistory(SHRINK_RECORDS) > 0 && isRoom())) return;
    throw logFull(this.#slowest(held)?.holder, {
      bytes: this.#bytes,
      limitBytes: budget.partitionBytesMax,
      allBytes: budget.bytesUsed,
    });
  }

  /** The durable consumer that is furthest behind. */
  #slowest(held: number): LogConsumer | undefined {
    for (const consumer of this.#consumers) if (consumer.durable && consumer.position === held) return consumer;
    return undefined;
  }

  /** Drops the oldest of what is committed and not held until there is room, and a little more. */
  #dropCommitted(wanted: number, held: number): void {
    const enough = this.#bytes - DROPPED_TOGETHER_BYTES;
    let left = this.#isOvergrown ? SHRINK_RECORDS : Infinity;
    while (left > 0 && this.#first <= this.#committed && this.#first < held) {
      if (!this.#isOverOwn(wanted) && !this.#isOverAll(wanted) && this.#bytes <= enough) return;
      this.#dropFirst();
      left -= 1;
    }
  }

  #isOverOwn(wanted: number): boolean {
    return this.#bytes + wanted > this.#host.budget.partitionBytesMax;
  }

  #isOverAll(wanted: number): boolean {
    const { bytesUsed, bytesMax } = this.#host.budget;
    return bytesUsed + wanted > bytesMax;
  }

  /** An overgrown log goes back towards its own bound, a few records at a time. */
  shrink(): void {
    const held = this.#consumers.size === 0 ? Infinity : this.#held();
    for (let left = SHRINK_RECORDS; left > 0 && this.#isOvergrown; left--) {
      if (this.#first > this.#committed || this.#first >= held) return;
      this.#dropFirst();
    }
  }

  /** Whether the log is beyond its own bound; its host knows of those that are. */
  #noteSize(): void {
    const isOvergrown = this.#bytes > this.#host.budget.partitionBytesMax;
    if (isOvergrown === this.#isOvergrown) return;
    this.#isOvergrown = isOvergrown;
    if (isOvergrown) this.#host.overgrown.add(this);
    else this.#host.overgrown.delete(this);
    this.#grownAt = this.#host.now();
  }

  /** As shrink(), once who reads the log had time to read what made it grow. */
  shrinkInTime(): void {
    if (this.#host.now() - this.#grownAt >= SHRINK_AFTER_US) this.shrink();
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
   * @param lane   the pending lane of the batch; of another member's record its version
   * @param epoch  in which it was written
   * @returns its sequence
   */
  append(
    header: RecordHeader,
    kind: RecordKind,
    mapId: number,
    lane: number,
    entry: Ref,
    value: Ref,
    expiresAt: number,
    oldValue: Ref,
    oldVersion: number,
    cause: RecordCause,
    epoch = this.epoch,
  ): number {
    const blocks = this.#host.blocks;
    const sequence = this.#next;
    const record = this.recordRef(sequence);
    writeRecord(
      blocks.arena,
      record,
      header,
      epoch,
      kind,
      mapId,
      sequence,
      lane,
      entry,
      value,
      expiresAt,
      oldValue,
      oldVersion,
      cause,
    );
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
    this.#host.budget.bytesUsed += bytes;
    this.#noteSize();
    this.#next = sequence + 1;
    return sequence;
  }

  /** Of a record whose batch is sealed. */
  versionOf(sequence: number): number {
    const record = this.recordRef(sequence);
    const { arena } = this.#host.blocks;
    const { f64 } = arena.segments[record >>> SEGMENT_SHIFT]!;
    return knownVersion(arena, f64[(record & SEGMENT_MASK) + RECORD_VERSION_F64]!);
  }

  /** The entry that a record is about. */
  entryOf(sequence: number): Ref {
    const record = this.recordRef(sequence);
    return this.#host.blocks.arena.segments[record >>> SEGMENT_SHIFT]!.u32[
      ((record & SEGMENT_MASK) << 1) + RECORD_ENTRY
    ]!;
  }

  /** The batch that staged the record writes its key again (L5). */
  supersede(sequence: number): void {
    assert(sequence > this.#committed, 'L2: what is committed stays');
    supersedeRecord(this.#host.blocks.arena, this.recordRef(sequence));
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
    assert(sequence >= this.#committed && sequence < this.#next, 'L1: commits follow the log');
    this.#committed = sequence;
  }

  /** Records up to `sequence` are told to somebody outside. */
  noteLeft(sequence: number): void {
    if (sequence > this.leftSequence) this.leftSequence = sequence;
  }

  /** The partition goes: what has left the member may be undone after all. */
  abandon(): void {
    this.leftSequence = 0;
  }

  /** Takes back what was appended from `sequence` on. */
  undo(sequence: number): void {
    assert(sequence > this.#committed, 'L2: what is committed stays');
    assert(sequence > this.leftSequence, 'L3: what has left the member is not undone');
    while (this.#next > sequence) {
      this.#next -= 1;
      if (this.#next >= this.#first) this.#release(this.#next);
    }
    const lastBlock = Math.floor((this.#next - 2) / LOG_BLOCK_RECORDS);
    this.#keepBlocks(this.#next <= this.#first ? 0 : lastBlock - this.#firstBlockNumber() + 1);
    // Part of what is taken back may have been dropped already.
    if (this.#first > this.#next) this.#first = this.#next;
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
   * Drops the oldest records that no durable consumer holds.
   *
   * @param withUndecided  also what is not committed yet
   * @returns how many; less than `maxRecords` means that nothing more can be dropped
   */
  trim(maxRecords: number, withUndecided: boolean): number {
    const end = Math.min(this.#held(), withUndecided && !this.keepsUndecided ? this.#next : this.#committed + 1);
    let dropped = 0;
    for (; dropped < maxRecords && this.#first < end; dropped++) this.#dropFirst();
    return dropped;
  }

  #dropFirst(): void {
    this.#release(this.#first);
    const place = this.#firstBlockNumber() % this.#blockRefs.length;
    this.#first += 1;
    if (((this.#first - 1) & (LOG_BLOCK_RECORDS - 1)) !== 0) return;
    this.#blockCount -= 1;
    this.#host.blocks.free(this.#blockRefs[place]!, this.#host.account, MemoryKind.log);
  }

  /** Gives back the references of a record. */
  #release(sequence: number): void {
    const { blocks, budget } = this.#host;
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
    budget.bytesUsed -= bytes;
    this.#noteSize();
  }

  /** Bytes of the records that are not committed. O(records). */
  get undecidedBytes(): number {
    const { blocks } = this.#host;
    let bytes = 0;
    for (let at = Math.max(this.#committed + 1, this.#first); at < this.#next; at++) {
      const record = this.recordRef(at);
      const u32 = blocks.arena.segments[record >>> SEGMENT_SHIFT]!.u32;
      const fields = (record & SEGMENT_MASK) << 1;
      bytes += RECORD_BYTES;
      for (const field of [RECORD_VALUE, RECORD_OLD_VALUE]) {
        const value = u32[fields + field]!;
        if (value !== 0) bytes += valueBytesOf(blocks.arena, value);
      }
    }
    return bytes;
  }

  /** The partition leaves this member: everything goes, also what consumers hold. */
  destroy(): void {
    while (this.#first < this.#next) this.#dropFirst();
    this.#keepBlocks(0);
    this.#consumers.clear();
  }

  /* ---- Reading -------------------------------------------------------------------------------------------------- */

  recordRef(sequence: number): Ref {
    const number = Math.floor((sequence - 1) / LOG_BLOCK_RECORDS);
    const block = this.#blockRefs[number % this.#blockRefs.length]!;
    return block + ((sequence - 1) & (LOG_BLOCK_RECORDS - 1)) * RECORD_GRANULES;
  }

  /**
   * Visits committed records in order, those that are superseded left out.
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
      if (!isSuperseded(arena, record) && visit(view.attach(record)) === false) break;
    }
    return sequence;
  }

  /** @throws GridError SEQUENCE_GONE when it was dropped, or was never given */
  checkThere(sequence: number): void {
    if (sequence >= this.#first && sequence <= this.#next) return;
    throw new GridError('SEQUENCE_GONE', `sequence ${sequence} is no longer in the log`, {
      hint: 'read the present state at a snapshot and go on from its version',
      details: { sequence, firstSequence: this.#first, nextSequence: this.#next },
    });
  }

  /** L1 and the checksums; answers the records' references through `view`. */
  checkInvariants(view: LogRecordView, onRecord: (record: LogRecordView) => void): void {
    let lastVersion = 0;
    let bytes = 0;
    for (let sequence = this.#first; sequence < this.#next; sequence++) {
      view.attach(this.recordRef(sequence));
      assert(view.sequence === sequence, 'L1: a record lies at its sequence');
      // What is staged has no version yet; it lies behind everything committed.
      const { version } = view;
      const isStaged = version >= PENDING_BASE;
      assert(isStaged ? sequence > this.#committed : version >= lastVersion, 'L1: versions rise with sequences');
      assert(view.checksum === view.computeChecksum(), 'a record is as it was written');
      if (!isStaged) lastVersion = version;
      bytes += RECORD_BYTES;
      if (view.hasValue) bytes += valueBytesOf(this.#host.blocks.arena, view.valueRef);
      if (view.hasOldValue) bytes += valueBytesOf(this.#host.blocks.arena, view.oldValueRef);
      onRecord(view);
    }
    assert(bytes === this.#bytes, 'the bytes of the records add up');
  }
}

function logFull(holder: LogHolder | undefined, figures: Readonly<Record<string, number>>): GridError {
  const isStopped = holder?.isStopped === true;
  const who = holder === undefined ? 'a listener' : `the listener ${holder.name}`;
  const why = isStopped ? `${who} is in quarantine and reads no further` : `${who} has not read it yet`;
  const cure = isStopped ? 'mend the listener and deploy its module again, or undeploy it' : 'make the listener faster';
  return new GridError('LOG_FULL', `the log is full: ${why}`, {
    hint: `${cure} (ashlar stats shows its lag), or raise memory.maxBytes: held logs have a quarter of it`,
    details: { ...(holder === undefined ? {} : { listener: holder.name }), isStopped, ...figures },
  });
}
