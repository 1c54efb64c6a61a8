/**
 * What became of mutations that may have been sent before, by a partition's log: the records that bear their session
 * and numbers, looked for from the newest backwards, in slices.
 *
 *   [ dropped ... droppedVersion ][ first ....... version <= floor | ........ number 7 ....... next )
 *                                                  stop here <------------------------ one pass
 *
 * answer-search S1  A mutation's record has a version above the one that its caller knew when it was first sent (the floor).
 *                   So where the log goes back to the floor, or has dropped nothing above it, what is not found was never
 *                   applied.
 * answer-search S2  What is found may be undecided: the batch that staged it is named, so that the caller joins it.
 * answer-search S3  Between two slices the log may grow, drop and undo: what was found is looked at again when it is asked
 *                   for.
 * answer-search S4  What is `notApplied` may still be applied while its first sending travels: excluding that is the
 *                   caller's task (stream generations).
 * answer-search S5  A mutation whose change a later one of its batch replaced may have left nothing but its answer, which
 *                   says that it was applied.
 */
import { assert } from '@ashlar/core';
import type { PendingWords } from '../batch/pending-words.ts';
import type { WriteBatch } from '../batch/write-batch.ts';
import {
  RECORD_FORMAT_KIND,
  RECORD_REQUEST_NUMBER_F64,
  RECORD_REQUEST_SESSION_F64,
  RECORD_VERSION_F64,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from '../layout.ts';
import type { Arena } from '../memory/arena.ts';
import { type LogRecordView, RecordKind } from './log-record.ts';
import type { PartitionLog } from './partition-log.ts';

export interface AnswerQuery {
  readonly session: number;
  /** Request numbers of the mutations that are looked for, each once. */
  readonly numbers: readonly number[];
  /** The highest version that their caller knew when they were sent for the first time. */
  readonly floor: number;
}

/**
 * `applied`: there is a record, and record() gives it. `notApplied`: there never was one. `unknown`: the log no longer
 * reaches as far back, or what was found has gone meanwhile.
 */
export type AnswerState = 'applied' | 'notApplied' | 'unknown';

export class AnswerSearch {
  readonly #log: PartitionLog;
  readonly #arena: Arena;
  readonly #words: PendingWords<WriteBatch>;
  readonly #view: LogRecordView;
  readonly #query: AnswerQuery;
  readonly #indexOf = new Map<number, number>();
  /** By number: sequences of the change and of its result; 0: none was found. */
  readonly #changes: Float64Array;
  readonly #results: Float64Array;
  #missing: number;
  /** The next sequence to look at. */
  #at: number;
  #reachesFloor = false;
  #isDone = false;
  /** Records looked at so far. */
  looked = 0;

  constructor(
    log: PartitionLog,
    arena: Arena,
    words: PendingWords<WriteBatch>,
    view: LogRecordView,
    query: AnswerQuery,
  ) {
    this.#log = log;
    this.#arena = arena;
    this.#words = words;
    this.#view = view;
    this.#query = query;
    for (const [index, number] of query.numbers.entries()) this.#indexOf.set(number, index);
    assert(query.session !== 0 && this.#indexOf.size === query.numbers.length, 'numbers of a session, each once');
    this.#changes = new Float64Array(query.numbers.length);
    this.#results = new Float64Array(query.numbers.length);
    this.#missing = query.numbers.length;
    this.#at = log.nextSequence - 1;
  }

  /**
   * Looks at so many records at most.
   *
   * @returns whether the search is over
   */
  step(maxRecords: number): boolean {
    const log = this.#log;
    // What was undone meanwhile is not there to be looked at.
    let at = Math.min(this.#at, log.nextSequence - 1);
    const stop = Math.max(log.firstSequence, at - maxRecords + 1);
    for (; at >= stop && this.#missing > 0 && !this.#reachesFloor; at--) this.#look(at);
    this.looked += Math.max(0, this.#at - at);
    this.#at = at;
    if (this.#missing > 0 && !this.#reachesFloor && at >= log.firstSequence) return false;
    if (log.droppedVersion <= this.#query.floor) this.#reachesFloor = true;
    this.#isDone = true;
    return true;
  }

  #look(sequence: number): void {
    const record = this.#log.recordRef(sequence);
    const { f64, u32 } = this.#arena.segments[record >>> SEGMENT_SHIFT]!;
    const at = record & SEGMENT_MASK;
    // A lane lies above every floor.
    if (f64[at + RECORD_VERSION_F64]! <= this.#query.floor) {
      this.#reachesFloor = true;
      return;
    }
    if (f64[at + RECORD_REQUEST_SESSION_F64] !== this.#query.session) return;
    const index = this.#indexOf.get(f64[at + RECORD_REQUEST_NUMBER_F64]!);
    if (index === undefined || this.#changes[index] !== 0) return;
    const kind = u32[(at << 1) + RECORD_FORMAT_KIND]! >>> 16;
    if (kind === RecordKind.answer) this.#results[index] = sequence;
    else if (isChange(kind)) {
      this.#changes[index] = sequence;
      this.#missing -= 1;
    }
  }

  /** The record that says that a mutation was applied; 0: there is none. */
  #sequenceOf(index: number): number {
    const change = this.#changes[index]!;
    return change === 0 ? this.#results[index]! : change;
  }

  get isOver(): boolean {
    return this.#isDone;
  }

  /** @param index  in the query's numbers */
  stateOf(index: number): AnswerState {
    assert(this.#isDone, 'a search that is over tells');
    const sequence = this.#sequenceOf(index);
    if (sequence === 0) return this.#reachesFloor ? 'notApplied' : 'unknown';
    return this.#bears(sequence, index) ? 'applied' : 'unknown';
  }

  /** The batch that has staged the change and is undecided; undefined: the change is committed. */
  undecided(index: number): WriteBatch | undefined {
    const sequence = this.#sequenceOf(index);
    if (sequence <= this.#log.committedSequence) return undefined;
    const record = this.#log.recordRef(sequence);
    const { f64 } = this.#arena.segments[record >>> SEGMENT_SHIFT]!;
    return this.#words.batchOf(f64[(record & SEGMENT_MASK) + RECORD_VERSION_F64]!);
  }

  /**
   * The record of a change that is applied: its kind, versions, old value. A superseded one was applied as part of a step in
   * which its key was written again; its old value is the one from before the step. Where an answer is alone
   * (answer-search S5) it is that, and has no old value. Valid during the call.
   */
  record(index: number): LogRecordView {
    assert(this.stateOf(index) === 'applied', 'what is applied has a record');
    return this.#view.attach(this.#log.recordRef(this.#sequenceOf(index)));
  }

  /**
   * The record whose value is the result that its member answered; without a value and caused by memory, that it is lost.
   * Undefined: none was written, or a short one in the record of the change (`shortResult`). Valid during the call.
   */
  result(index: number): LogRecordView | undefined {
    const sequence = this.#results[index]!;
    if (sequence === 0 || !this.#bears(sequence, index)) return undefined;
    return this.#view.attach(this.#log.recordRef(sequence));
  }

  /** Whether the record is still there, and still of the mutation (answer-search S3). */
  #bears(sequence: number, index: number): boolean {
    if (sequence < this.#log.firstSequence || sequence >= this.#log.nextSequence) return false;
    const { requestSession, requestNumber } = this.#view.attach(this.#log.recordRef(sequence));
    return requestSession === this.#query.session && requestNumber === this.#query.numbers[index];
  }
}

/** An expiry that a mutation met and wrote first bears its number, too: it is not what was asked for. */
function isChange(kind: number): boolean {
  return kind === RecordKind.put || kind === RecordKind.remove || kind === RecordKind.superseded;
}
