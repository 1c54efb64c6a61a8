/**
 * The logs of a member's partitions for those who read them: events and listeners by record, other members by frame, who
 * sends a mutation again by its number. On the writer's thread.
 *
 * store-logs G1  Only what is committed is read by record; frames hold what is sealed.
 * store-logs G2  What leaves the member is noted in its log before it is handed out: it is never undone here (partition-log
 *                L3).
 * store-logs G4  A batch leaves for replicas in one piece, as far as a frame has room for it: whoever is promoted has all of it
 *                or nothing, as its callers were promised. A batch of more than 32,768 records or 8 MiB in one partition goes
 *                in several, which a backup shows, and keeps when its primary ends, together or not at all (replica-tail T7).
 */
import { assert, GridError, type PartitionId, type Sequence } from '@ashlar/core';
import { assertCount, assertSlice } from '../edge-asserts.ts';
import { RECORD_BYTES } from '../layout.ts';
import { valueBytesOf } from '../memory/value-extents.ts';
import type { StoreCore } from '../store-core.ts';
import { type AnswerQuery, AnswerSearch } from './answer-search.ts';
import type { LogState } from './log-budget.ts';
import type { LogConsumer, LogHolder } from './log-consumer.ts';
import { LogRecordView } from './log-record.ts';
import type { PartitionLog } from './partition-log.ts';
import { FRAME_RECORDS_MAX, RecordFrameWriter } from './record-frame.ts';
import { type LogRun, RunWriter } from './run-writer.ts';

/** The room that all logs of a member have together, and what of it cannot be given up. */
export interface LogRoom {
  /** The most that one statement can have in them, however its records lie. More is refused before it stages. */
  readonly bytesMax: number;
  /** What is undecided, or what durable consumers have not read, about. */
  readonly heldBytes: number;
  /** Records that durable consumers have done with since the member started. */
  readonly consumed: number;
}

/** Where a partition's log stands. */
export interface LogInfo {
  readonly incarnation: number;
  readonly firstSequence: Sequence;
  readonly committedSequence: Sequence;
  /** The lowest sequence that durable consumers want; Infinity: none. */
  readonly heldFrom: number;
  readonly bytes: number;
  readonly state: LogState;
}

/** A run in a frame of its own. */
export interface EncodedRun extends LogRun {
  /** In memory of its own: readRecordFrame(). */
  readonly payload: Uint8Array;
}

/** What a log says beside its records. */
export interface LogTerms {
  /** The first sequence that it still has. */
  readonly trimFloor: Sequence;
  /** The lowest sequence that durable consumers want; Infinity: none. */
  readonly heldFrom: number;
}

/** A reader of a log that goes at its own pace. */
export interface ConsumerOptions {
  /** It holds the log until it has read it; otherwise it may be overtaken (SEQUENCE_GONE). */
  readonly durable: boolean;
  /** The next sequence it wants; default: what is committed next. */
  readonly at?: Sequence;
  /** The consumer that it reads for, named in the refusals that it causes. */
  readonly holder?: LogHolder;
}

export class StoreLogs {
  readonly #core: StoreCore;
  readonly #record: LogRecordView;
  readonly #frames = new RecordFrameWriter();
  readonly #runs: RunWriter;
  /** Of readRun(): one that is being gathered is left alone. */
  readonly #loneRun: RunWriter;

  constructor(core: StoreCore) {
    this.#core = core;
    this.#record = new LogRecordView(core.arena);
    this.#runs = new RunWriter(core);
    this.#loneRun = new RunWriter(core);
  }

  /**
   * Visits committed records of a partition, in order. `visit` must not write to the store; answering false stops.
   *
   * @returns the next sequence to ask for
   * @throws GridError SEQUENCE_GONE
   */
  readLog(
    partitionId: PartitionId,
    fromSequence: Sequence,
    maxRecords: number,
    visit: (record: LogRecordView) => unknown,
  ): Sequence {
    assertSlice(maxRecords);
    return this.#logOf(partitionId).read(fromSequence, maxRecords, this.#record, visit) as Sequence;
  }

  /**
   * Writes what is sealed in a partition as a frame, committed or not: for whoever keeps the log too. One record goes in
   * any case.
   *
   * @param recordsMax  at most FRAME_RECORDS_MAX
   * @param bytesMax    of keys and values
   * @returns undefined when nothing from `fromSequence` on is sealed
   * @throws GridError SEQUENCE_GONE
   */
  encodeLog(
    partitionId: PartitionId,
    fromSequence: Sequence,
    recordsMax: number,
    bytesMax: number,
  ): Uint8Array | undefined {
    const log = this.#logOf(partitionId);
    log.checkThere(fromSequence);
    assertCount(recordsMax, 1);
    assert(recordsMax <= FRAME_RECORDS_MAX && bytesMax > 0, 'a frame has a record, and no more than FRAME_RECORDS_MAX');
    const last = Math.min(this.#core.partitions[partitionId]!.sealedSequence, fromSequence + recordsMax - 1);
    if (last < fromSequence) return undefined;
    return this.#encode(partitionId, fromSequence, last, bytesMax);
  }

  /** Begins a frame of runs for a replica; one that was begun before and not finished is given up. */
  beginRuns(): void {
    this.#runs.begin();
  }

  /** There may be no room for one more run: the frame is to be finished. */
  get isRunsFull(): boolean {
    return this.#runs.isFull;
  }

  /**
   * Adds a run to the frame that was begun: as encodeLog(), of records of one epoch, and of whole batches (store-logs G4).
   *
   * @param from      the first record of a batch, not behind what is sealed
   * @param bytesMax  of what is added, about; one batch goes in any case
   * @returns undefined when the log does not reach back so far any more
   */
  addRun(partitionId: PartitionId, from: Sequence, bytesMax: number): LogRun | undefined {
    return this.#runs.add(this.#logOf(partitionId), partitionId, from, bytesMax);
  }

  /** @returns the frame of all runs that were added: one at least */
  finishRuns(): Uint8Array {
    return this.#runs.finish();
  }

  /** As addRun(), in a frame of its own. */
  readRun(partitionId: PartitionId, from: Sequence, bytesMax: number): EncodedRun | undefined {
    const runs = this.#loneRun;
    runs.begin();
    const run = runs.add(this.#logOf(partitionId), partitionId, from, bytesMax);
    return run && { ...run, payload: runs.finish() };
  }

  /** Records [from, last] as far as they fit; the first one in any case. */
  #encode(partitionId: PartitionId, from: number, last: number, bytesMax: number): Uint8Array {
    const log = this.#logOf(partitionId);
    const frames = this.#frames;
    frames.begin();
    frames.beginRun(partitionId, from, log);
    for (let sequence = from; sequence <= last && (sequence === from || frames.contentBytes < bytesMax); sequence++) {
      const record = this.#record.attach(log.recordRef(sequence));
      frames.add(record, !this.#core.maps.has(record.mapId));
    }
    const end = from + frames.count - 1;
    if (end < this.#core.partitions[partitionId]!.sealedSequence && log.versionOf(end) === log.versionOf(end + 1))
      frames.leaveOpen();
    log.noteLeft(end);
    return frames.finish();
  }

  /** The last sequence that is sealed, or held by a backup. @throws GridError SEQUENCE_GONE: the partition is not on this member */
  heldSequence(partitionId: PartitionId): Sequence {
    this.#logOf(partitionId);
    return this.#core.partitions[partitionId]!.sealedSequence as Sequence;
  }

  /** @throws GridError SEQUENCE_GONE: the partition is not on this member */
  logTerms(partitionId: PartitionId): LogTerms {
    const { firstSequence, heldFrom } = this.#logOf(partitionId);
    return { trimFloor: firstSequence as Sequence, heldFrom };
  }

  /** Somebody reads a partition's log from now on. @throws GridError SEQUENCE_GONE */
  addConsumer(partitionId: PartitionId, { durable, at, holder }: ConsumerOptions): LogConsumer {
    const log = this.#logOf(partitionId);
    return log.addConsumer(durable, at ?? log.committedSequence + 1, holder);
  }

  /** Looks for what became of mutations that may have been sent before. @throws GridError SEQUENCE_GONE: not on this member */
  searchAnswers(partitionId: PartitionId, query: AnswerQuery): AnswerSearch {
    const { arena, words } = this.#core;
    return new AnswerSearch(this.#logOf(partitionId), arena, words, this.#record, query);
  }

  /** How much of the logs' room cannot be given up, and whether durable consumers get on. O(partitions). */
  logRoom(): LogRoom {
    const { statementBytesMax, keptBytes, consumed } = this.#core.logBudget;
    return { bytesMax: statementBytesMax, heldBytes: keptBytes, consumed };
  }

  /** Whether a partition's log refuses whatever comes, because of what is undecided or held. */
  isLogFull(partitionId: PartitionId): boolean {
    return this.#logOf(partitionId).state === 'full';
  }

  /** Bytes of log of what is staged in these partitions. O(records): for a batch that is to be given up. */
  undecidedLogBytes(partitions: Iterable<number>): number {
    let bytes = 0;
    for (const partition of partitions) {
      const log = this.#core.partitions[partition]?.log;
      if (log !== undefined) bytes += this.#undecidedBytesOf(log);
    }
    return bytes;
  }

  #undecidedBytesOf(log: PartitionLog): number {
    const { arena } = this.#core;
    let bytes = 0;
    for (let at = log.committedSequence + 1; at < log.nextSequence; at++) {
      const { hasValue, valueRef, hasOldValue, oldValueRef } = this.#record.attach(log.recordRef(at));
      bytes += RECORD_BYTES;
      if (hasValue) bytes += valueBytesOf(arena, valueRef);
      if (hasOldValue) bytes += valueBytesOf(arena, oldValueRef);
    }
    return bytes;
  }

  /** The sequence of the newest committed record. @throws GridError SEQUENCE_GONE: the partition is not on this member */
  committedSequence(partitionId: PartitionId): Sequence {
    return this.#logOf(partitionId).committedSequence as Sequence;
  }

  /** @throws GridError SEQUENCE_GONE: the partition is not on this member */
  logInfo(partitionId: PartitionId): LogInfo {
    const log = this.#logOf(partitionId);
    return {
      incarnation: log.incarnation,
      firstSequence: log.firstSequence as Sequence,
      committedSequence: log.committedSequence as Sequence,
      heldFrom: log.heldFrom,
      bytes: log.bytes,
      state: log.state,
    };
  }

  #logOf(partitionId: PartitionId): PartitionLog {
    const partition = this.#core.partitions[partitionId];
    if (partition !== undefined) return partition.log;
    throw new GridError('SEQUENCE_GONE', `partition ${partitionId} is not on this member`, {
      hint: 'refresh the partition table',
      details: { partitionId },
    });
  }
}
