/**
 * The copies of partitions that this member keeps for others, and others for it: backups, changes of role, copies that go from
 * member to member. On the writer's thread; replication decides, this does.
 *
 *   openPartition(backup) | installPage .. finishInstall -> applyFrame, commitBackup -> promotePartition -> demotePartition -> ...
 *
 * store-replicas Q1  Versions that come from other members are followed by the clock, however far ahead (never CLOCK_AHEAD): what
 *                    this member gives as the next primary lies above them.
 */
import { assert, type Epoch, type PartitionId, type Sequence, type Version } from '@ashlar/core';
import { PAGE_BYTES } from './layout.ts';
import { type RecordFrame, readRecordFrame } from './log/record-frame.ts';
import { StoreLogs } from './log/store-logs.ts';
import { MemoryKind } from './memory/accounts.ts';
import { beginInstall, closePartition, demotePartition, promotePartition, tailOf } from './partition-roles.ts';
import type { StoreCore } from './store-core.ts';
import { readTransferPage } from './transfer/page-codec.ts';
import { PartitionCapture } from './transfer/partition-capture.ts';
import type { CopyStart, InstallState, PartitionTransfer } from './transfer/transfer-contract.ts';

/** Bytes of the arena that a byte of records takes where records are short: record, entry, slot beside key and value. */
const BYTES_PER_RECORD_BYTE = 4;
/** Share of the arena below which it is worth knowing what columns would give back. */
const SHORT_SHARE = 1 / 16;
/** Bytes that a frame of what is undecided holds, about. */
const DEMOTED_FRAME_BYTES = 1 << 20;

export class StoreReplicas extends StoreLogs {
  readonly #core: StoreCore;

  constructor(core: StoreCore) {
    super(core);
    this.#core = core;
  }

  /* ---- Roles ---------------------------------------------------------------------------------------------------------- */

  /**
   * A backup becomes the primary. What it holds beyond its commit index is committed or dropped before. The clock must
   * have passed the last version of the log.
   */
  promotePartition(partitionId: PartitionId, epoch: Epoch): void {
    promotePartition(this.#core, partitionId, epoch);
  }

  /**
   * The primary becomes a backup. What is sealed and undecided becomes its tail; what is open is undone, so that batches which
   * staged elsewhere too go on without the partition (`lostPartitions`), and all others are aborted. Who waited for the sealed
   * ones learns that they are: what becomes of their records is decided elsewhere.
   *
   * @throws OutOfMemoryError the tail had no room: it is a backup that lacks the end of what it held, and is to be closed
   */
  demotePartition(partitionId: PartitionId): void {
    demotePartition(this.#core, partitionId, this.#undecidedFrames(partitionId));
  }

  #undecidedFrames(partitionId: PartitionId): RecordFrame[] {
    const frames: RecordFrame[] = [];
    const last = this.heldSequence(partitionId);
    for (let from = this.committedSequence(partitionId) + 1; from <= last; ) {
      const { payload, count } = this.readRun(partitionId, from as Sequence, DEMOTED_FRAME_BYTES)!;
      frames.push(readRecordFrame(payload));
      from += count;
    }
    return frames;
  }

  /* ---- A backup's copy ---------------------------------------------------------------------------------------------- */

  /**
   * Stages what is new in a frame of the primary's log; nobody sees it before commitBackup().
   *
   * @returns the next sequence wanted: one of the frame where a record is of a map that is not here yet
   * @throws OutOfMemoryError; the batches before it in the frame are staged
   */
  applyFrame(frame: RecordFrame): Sequence {
    this.#core.clock.follow(frame.lastVersion);
    return tailOf(this.#core, frame.partition as PartitionId).apply(frame) as Sequence;
  }

  /** Everything up to `sequence` is committed at the primary: readers and events may have it, as far as it is here. */
  commitBackup(partitionId: PartitionId, sequence: Sequence): void {
    tailOf(this.#core, partitionId).commitTo(sequence);
    this.#core.collect();
  }

  /** As commitBackup(), one of many: collectGarbage() follows the last of them. */
  commitNextBackup(partitionId: PartitionId, sequence: Sequence): void {
    tailOf(this.#core, partitionId).commitTo(sequence);
  }

  /** Frees what can be freed of what commits have left behind. */
  collectGarbage(): void {
    this.#core.collect();
  }

  /**
   * From where a log is held for durable consumers of another member: frames tell it to a backup, and the backup that is
   * promoted holds it on until its own consumers stand. Infinity: nothing is held for others any more.
   */
  holdLog(partitionId: PartitionId, fromSequence: number): void {
    assert(fromSequence >= 0, 'a log is held from a sequence on');
    this.#core.partitions[partitionId]?.log.holdFrom(fromSequence);
  }

  /**
   * A replica that catches up wants a log from a sequence on: the rest is dropped before it. Where room is needed it finds a gap
   * all the same (readRun() answers undefined). Infinity: no more.
   */
  holdForReplica(partitionId: PartitionId, replica: string, fromSequence: number): void {
    assert(fromSequence >= 0, 'a log is held from a sequence on');
    this.#core.partitions[partitionId]?.log.holdForReplica(replica, fromSequence);
  }

  /** Records of a backup beyond its commit index. */
  tailLength(partitionId: PartitionId): number {
    return tailOf(this.#core, partitionId).length;
  }

  /**
   * The rest of a batch that came in part comes no more: what there is of it is taken back.
   *
   * @returns the last sequence that is held then: the end of a batch
   */
  endOpenBatch(partitionId: PartitionId): Sequence {
    tailOf(this.#core, partitionId).endOpenBatch();
    return this.heldSequence(partitionId);
  }

  /** Takes back what a backup holds beyond its commit index. */
  dropTail(partitionId: PartitionId): void {
    tailOf(this.#core, partitionId).dropTail();
  }

  /**
   * The version from which on whatever was written to the partition was written by this member, without a break; Infinity: it
   * is not here, or a backup.
   */
  primarySince(partitionId: PartitionId): number {
    return this.#core.partitions[partitionId]?.primarySince ?? Infinity;
  }

  /* ---- Copies from member to member ------------------------------------------------------------------------------------ */

  /**
   * Captures a partition that this member is the primary of, as it is committed at this moment, for another member. To be closed.
   * Until then old versions of that partition's entries are kept for it, and of no other's.
   */
  openTransfer(partitionId: PartitionId): PartitionTransfer {
    const partition = this.#core.partitions[partitionId];
    assert(partition?.role === 'primary', 'a primary hands out copies');
    return new PartitionCapture(this.#core, partition);
  }

  /**
   * Takes a page of a copy. Page 0 begins it, in place of one in the making; the others follow in order, and one of them that comes
   * again is passed over. A copy in the making is given up by closePartition().
   *
   * @param page   its number
   * @param bytes  as PartitionTransfer.readPage() gave them; read during the call
   * @throws OutOfMemoryError the copy is to be given up; GridError INVALID_ARGUMENT when the page is not whole
   */
  installPage(partitionId: PartitionId, page: number, bytes: Uint8Array): void {
    const read = readTransferPage(bytes);
    assert(read.header.partition === partitionId && read.header.page === page, 'a page is where it belongs');
    let partition = this.#core.partitions[partitionId];
    assert(partition === undefined || partition.install !== undefined, 'a copy is made where there is none');
    if (page === 0) {
      closePartition(this.#core, partitionId);
      partition = beginInstall(this.#core, read.header);
    }
    assert(partition?.install !== undefined, 'a copy begins with its first page');
    this.#core.clock.follow(read.header.version as Version);
    partition.install.take(read, bytes);
  }

  /**
   * All pages have come: the copy is a backup's, at `start.sequence`, with the log behind `start.logFrom` as far as it came along.
   *
   * @throws OutOfMemoryError the copy is to be given up
   */
  finishInstall(partitionId: PartitionId, start: CopyStart): InstallState {
    const partition = this.#core.partitions[partitionId];
    assert(partition?.install !== undefined, 'a copy in the making is finished');
    const state = partition.install.finish(start);
    if (state === 'installed') partition.install = undefined;
    return state;
  }

  /* ---- Room ------------------------------------------------------------------------------------------------------------- */

  /**
   * Bytes of records that this member could take in as a backup, about, and not too many: what is free, and what would be given
   * up for them. Some can always be: removes make room. O(1), O(maps) when memory is short.
   */
  replicaFreeBytes(): number {
    const { blocks, logBudget, arena } = this.#core;
    let bytes = blocks.freeBytes - blocks.reservedBytes + logBudget.historyBytes / 2;
    if (bytes < arena.bytes * SHORT_SHARE) bytes += this.#columnBytes();
    return Math.floor(Math.max(bytes / BYTES_PER_RECORD_BYTE, Math.min(blocks.reservedBytes / 2, PAGE_BYTES)));
  }

  #columnBytes(): number {
    let bytes = 0;
    for (const account of this.#core.accounts.values()) bytes += account.bytes[MemoryKind.columns]!;
    return bytes;
  }
}
