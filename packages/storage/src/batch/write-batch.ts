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
 *                 the last, with the value from before the batch; or, `oncePerKey`, the batch refuses the key and
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
import { assertRange } from '../edge-asserts.ts';
import { RecordCause, type RecordHeader, RecordKind } from '../log/log-record.ts';
import type { Ref } from '../memory/arena.ts';
import type { Partition } from '../partition.ts';
import type { SlotTable } from '../slots/slot-table.ts';
import type { StoreCore } from '../store-core.ts';
import type { BatchHeader } from './batch-header.ts';
import type { BatchJournal } from './batch-journal.ts';
import { EntryStager } from './entry-stager.ts';
import { pendingLane } from './pending-words.ts';
import type { ChainedBatch } from './sealed-batches.ts';
import type { ValueDraft } from './value-draft.ts';

export type BatchState = 'open' | 'sealed' | 'committed' | 'aborted';

const NO_PARTITIONS: readonly PartitionId[] = [];

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
  readonly #word: number;
  readonly #lane: number;
  #state: BatchState = 'open';
  #version = 0;
  readonly #partitions: Partition[] = [];
  readonly #journal: BatchJournal;
  readonly #stager: EntryStager;
  #patched = 0;
  /** Those that were excised. */
  lostPartitions: readonly PartitionId[] = NO_PARTITIONS;
  /** Called once the batch is committed or aborted. */
  #whenDecided: (() => void)[] | undefined;
  /** The last operation was refused because of its key (BatchHeader.oncePerKey): nothing of it was staged. */
  wantsCut = false;
  #hasAnswers = false;
  sealedBefore: WriteBatch | undefined = undefined;
  sealedAfter: WriteBatch | undefined = undefined;

  /** @throws GridError OVERLOADED when too many batches are under way */
  constructor(core: StoreCore, header: BatchHeader) {
    assert(header.epoch === undefined || header.epoch >= 0, 'an epoch is a number from 0 on');
    this.#core = core;
    this.#epoch = header.epoch;
    this.catalogVersion = header.catalogVersion ?? core.catalogVersionNow();
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
    this.#stager = new EntryStager(core, this, this.#lane, this.#journal, header);
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

  /** Whether it is open, and stages in the partition. */
  isStagingIn(partitionId: PartitionId): boolean {
    return this.#core.partitions[partitionId]?.openBatch === this;
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
    // The partition that it stages in is the last one that it joined.
    const place = this.#partitions.lastIndexOf(partition);
    assert(place >= 0, 'a batch has a first record where it has joined');
    return this.#journal.firstSequences[place]!;
  }

  /** Fixes the present as the moment by which the batch judges what is due. */
  pinTime(): void {
    this.#stager.time();
  }

  /* ---- Operations ------------------------------------------------------------------------------------------------- */

  /**
   * The value for the put() that follows at once: lent to it, one object for all.
   *
   * @param bytes      MessagePack bytes[start, end)
   * @param expiresAt  deadline in version units; 0: the map's default; NO_DEADLINE: none
   */
  value(
    bytes: Uint8Array,
    start: number,
    end: number,
    expiresAt = 0,
    cause: RecordCause = RecordCause.request,
  ): ValueDraft {
    return this.#core.valueDraft.fill(bytes, start, end, expiresAt, cause);
  }

  /**
   * Stages a value for a key. Key and value are copied.
   *
   * @param key        canonical bytes key[keyStart, keyEnd)
   * @param value      of this batch's value()
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
    value: ValueDraft,
  ): boolean {
    assertRange(key, keyStart, keyEnd);
    const map = this.#core.mapOf(mapId);
    return this.#stager.put(map, this.#join(partitionId), key, keyStart, keyEnd, value);
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
    assertRange(key, keyStart, keyEnd);
    const map = this.#core.mapOf(mapId);
    return this.#stager.close(map, this.#join(partitionId), key, keyStart, keyEnd, RecordKind.remove, cause);
  }

  /** As remove(), recorded as an eviction. */
  evict(mapId: MapId, partitionId: PartitionId, key: Uint8Array, keyStart: number, keyEnd: number): boolean {
    assertRange(key, keyStart, keyEnd);
    const map = this.#core.mapOf(mapId);
    const partition = this.#join(partitionId);
    return this.#stager.close(map, partition, key, keyStart, keyEnd, RecordKind.evict, RecordCause.memory);
  }

  /**
   * Stages the expiry of an entry of which the caller knows that it is due. For the sweep and for reads.
   *
   * @returns false when nothing live is there
   */
  expire(partitionId: PartitionId, table: SlotTable, entry: Ref, cause: RecordCause): boolean {
    return this.#stager.expire(this.#join(partitionId), table, entry, cause);
  }

  /**
   * Stages the answer to a mutation of this batch, where its record cannot give it: under the request number that the
   * batch has at the moment, in the partition of the change. A short one goes into the record of the change, if that was
   * staged last; others are records of their own. Copied; gone with the change if that is undone. Without bytes
   * it says that the mutation was applied, where a later one of the batch replaced its change. The logs take it in any
   * case, as they take the change; one beyond RESULT_BYTES_MAX, or that memory has no room for, is noted as lost.
   *
   * @throws OutOfMemoryError when even the reserve is used up; else as put()
   */
  answer(mapId: MapId, partitionId: PartitionId, result: Uint8Array, start: number, end: number): void {
    assertRange(result, start, end);
    const partition = this.#join(partitionId);
    this.#stager.answer(this.#core.mapOf(mapId), partition, result, start, end);
    this.#hasAnswers = true;
  }

  /* ---- Joining ------------------------------------------------------------------------------------------------------ */

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
    // Also of a batch that names its epoch: the member may lead by that, and take no writes at this moment.
    const epochNow = this.#core.epochNow?.(partitionId) ?? partition.epoch;
    const epoch = this.#epoch ?? epochNow;
    if (epoch !== partition.epoch || epochNow !== partition.epoch)
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
    const { tables } = this.#stager;
    for (let place = 0; place < tables.length; place++) {
      const table = tables[place]!;
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
    const { tables } = this.#stager;
    for (let index = 0; index < tables.length; index++) {
      tables[index]!.countLive(this.#journal.liveChanges[index]!);
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
    assert(this.#state === 'committed' && maxChanges >= 1, 'what is committed is patched, in slices');
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
    if (partition.openBatch === this) {
      partition.openBatch = undefined;
      partition.log.openFrom = Infinity;
    }
    partition.log.undo(this.#journal.firstSequences[index]!);
    this.#partitions.splice(index, 1);
    this.#journal.removePartition(index);
    const { tables } = this.#stager;
    for (let at = tables.length - 1; at >= 0; at--) {
      const table = tables[at]!;
      if (table.partitionId !== partition.id) continue;
      if (table.stagedBy === this) table.stagedBy = undefined;
      tables.splice(at, 1);
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
    for (const table of this.#stager.tables) if (table.stagedBy === this) table.stagedBy = undefined;
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
