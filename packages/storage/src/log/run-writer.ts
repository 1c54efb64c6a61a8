/**
 * Gathers runs of the logs of many partitions into one frame, as it leaves for a replica. On the writer's thread.
 *
 *   begin -> add(partition, from) ... -> finish: a frame of as many runs
 *
 * run-writer U1  A run is of records of one epoch, and of whole batches, as far as a frame has room for one (store-logs G4).
 * run-writer U2  What is added counts as having left the member, whether the frame is finished or given up (partition-log L3).
 * run-writer U3  A run that fails leaves those before it as they were: they go without it.
 */
import { assert, type Epoch, type PartitionId, type Sequence } from '@ashlar/core';
import type { StoreCore } from '../store-core.ts';
import { LogRecordView } from './log-record.ts';
import type { PartitionLog } from './partition-log.ts';
import { FRAME_RECORDS_MAX, RecordFrameWriter } from './record-frame.ts';

/** A batch of as much goes in one piece (store-logs G4). */
const WHOLE_BATCH_RECORDS_MAX = FRAME_RECORDS_MAX / 2;
const WHOLE_BATCH_BYTES_MAX = 8 << 20;
/** What a record takes in a frame beside its key and value, about. */
const BYTES_BESIDE = 32;

/** A run of records of one epoch, as it leaves the member. */
export interface LogRun {
  readonly recordEpoch: Epoch;
  readonly count: number;
  /** That it takes in a frame, about. */
  readonly bytes: number;
}

export class RunWriter {
  readonly #core: StoreCore;
  readonly #record: LogRecordView;
  readonly #frames = new RecordFrameWriter();

  constructor(core: StoreCore) {
    this.#core = core;
    this.#record = new LogRecordView(core.arena);
  }

  /** Begins a frame; one that was begun before and not finished is given up. */
  begin(): void {
    this.#frames.begin();
  }

  /** There may be no room for one more batch: the frame is to be finished. */
  get isFull(): boolean {
    return this.#frames.count >= FRAME_RECORDS_MAX - WHOLE_BATCH_RECORDS_MAX;
  }

  /**
   * Adds what is sealed in a partition from a sequence on.
   *
   * @param from      the first record of a batch, not behind what is sealed
   * @param bytesMax  one batch goes in any case
   * @returns undefined when the log does not reach back so far any more: nothing was added, nor is where it throws
   */
  add(log: PartitionLog, partitionId: PartitionId, from: Sequence, bytesMax: number): LogRun | undefined {
    if (from < log.firstSequence) return undefined;
    const sealed = this.#core.partitions[partitionId]!.sealedSequence;
    assert(from <= sealed, 'what is read for a replica is sealed');
    assert(!this.isFull, 'a full frame is finished first');
    const frames = this.#frames;
    const recordEpoch = log.epochOf(from) as Epoch;
    const before = frames.contentBytes;
    frames.beginRun(partitionId, from, log);
    try {
      this.#addBatches(log, from, sealed, bytesMax, recordEpoch);
    } catch (error) {
      frames.dropRun(); // run-writer U3
      throw error;
    }
    const { runCount } = frames;
    log.noteLeft(from + runCount - 1); // run-writer U2
    return { recordEpoch, count: runCount, bytes: frames.contentBytes - before + runCount * BYTES_BESIDE };
  }

  /**
   * Batches from `from` on as far as they fit and are of that epoch; the first one in any case (run-writer U1). One that is longer
   * than what goes in one piece is left open.
   */
  #addBatches(log: PartitionLog, from: number, last: number, bytesMax: number, epoch: Epoch): void {
    const frames = this.#frames;
    const { maps } = this.#core;
    const before = frames.contentBytes;
    let [version, batchStart] = [-1, 0];
    for (let sequence = from; sequence <= last; sequence++) {
      const record = this.#record.attach(log.recordRef(sequence));
      const { contentBytes, runCount } = frames;
      if (record.sealedVersion !== version) {
        const isFull = contentBytes - before + runCount * BYTES_BESIDE >= bytesMax || this.isFull;
        if (runCount > 0 && (isFull || record.epoch !== epoch)) break;
        [version, batchStart] = [record.sealedVersion, contentBytes];
      } else if (contentBytes - batchStart >= WHOLE_BATCH_BYTES_MAX || frames.count === FRAME_RECORDS_MAX) {
        frames.leaveOpen();
        break;
      }
      frames.add(record, !maps.has(record.mapId));
    }
  }

  /** The frame, in memory of its own: readRecordFrame(). */
  finish(): Uint8Array {
    return this.#frames.finish();
  }
}
