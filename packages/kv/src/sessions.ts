/**
 * Sessions: a mutation sent again applies once.
 *
 * A session numbers its mutations. The member keeps what it answered, a record a batch, until the session says that
 * everything below a number is answered. Numbers that lie above all that came are new; every other batch is looked up,
 * whatever it says of itself: the first copy of a mutation may come after its resend, out of a link that was stalled.
 *
 * sessions W1  A record stays while any of its numbers is at or above the session's floor.
 * sessions W2  A number below the floor, or of a session that is not known, has an unknown outcome when it comes again.
 * sessions W3  Values of answers are kept up to KEPT_VALUE_BYTES a batch; beyond it only outcome, version and refusals. All
 *              answers together are kept within a budget of the member, those of one session within a share of it: beyond it
 *              values go first, then the session has to confirm before it may change anything more.
 * sessions W4  A session ends when it was silent for its lease; at most `sessionsMax` exist.
 * sessions W5  A number is answered by the first record that has it; a record never waits for itself or a later one.
 * sessions W6  Batches of a stream of an older generation than the session has shown are void: their caller has left that
 *              stream and sends again, or gave up, what was under way on it.
 * sessions W7  A session that ended and is opened again under its id answers for no number that came before: those are below
 *              its floor. How far they came is remembered for the sessions that ended last, as many as there may be sessions.
 * sessions W8  A record is finished once all of its answers are final. It answers no longer for what ended in doubt
 *              (IN_DOUBT) or was never sealed (STALE_EPOCH ...): nothing of that is here, and its repetition is applied as
 *              if it were the first.
 */
import { GridError, wasNeverSealed } from '@ashlar/core';
import { STATUS } from '@ashlar/transport';
import { UndecidedPartitions } from './undecided-partitions.ts';

const KEPT_VALUE_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const RECORDS_MAX = 8192;
/** What a record takes beside the values: itself, and each of its mutations. */
const RECORD_BYTES = 256;
const MUTATION_BYTES = 24;
/** One session may have 1/SHARE of the budget. */
const SHARE = 4;
/** Numbers of a record, and records of a search, from which on a table is quicker than looking at each. */
const TABLE_FROM = 16;

/** Bytes of answers that are kept, and the bound on them. */
export class AnswerBudget {
  readonly bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

/** The answer of one mutation. `value` undefined though one was sent: too long to keep (sessions W3). */
export interface KeptAnswer {
  readonly status: number;
  readonly value: Uint8Array | undefined;
  readonly valueDropped: boolean;
  readonly error: GridError | undefined;
}

/** The answers of one batch to its mutations. */
export class BatchRecord {
  readonly first: number;
  readonly last: number;
  /** numbers[i] is that of mutation i; undefined: they count up from `first`. */
  readonly #numbers: ArrayLike<number> | undefined;
  /** places.get(number) in #numbers, once somebody asks for one of many. */
  #places: Map<number, number> | undefined;
  #answers: KeptAnswers | undefined;
  /** Numbers that it does not answer (sessions W8). */
  #open: Set<number> | undefined;
  #waiting: (() => void)[] | undefined;
  /** The session that keeps it; undefined: none does (any more). */
  session: Session | undefined;
  /** What it takes of the budget. */
  bytes: number;

  constructor(first: number, last: number, numbers?: ArrayLike<number>) {
    this.first = first;
    this.last = last;
    this.#numbers = numbers;
    this.bytes = RECORD_BYTES + MUTATION_BYTES * (numbers?.length ?? last - first + 1);
  }

  /** Undefined while the batch is still being worked on. */
  get answers(): KeptAnswers | undefined {
    return this.#answers;
  }

  /** The batch is answered. */
  finish(answers: KeptAnswers): void {
    this.#answers = this.#keep(answers);
    if (answers.errors.some(isNoAnswer)) this.#open = this.#numbersOpen(answers);
    for (const tell of this.#waiting?.splice(0) ?? []) tell();
  }

  #numbersOpen({ errors, errorOf }: KeptAnswers): Set<number> {
    const open = new Set<number>();
    let index = 0;
    for (const number of this.#allNumbers()) {
      const error = errors[(errorOf[index++] ?? 0) - 1];
      if (error !== undefined && isNoAnswer(error)) open.add(number);
    }
    return open;
  }

  /** What of a batch's answers is kept (sessions W3). */
  #keep(answers: KeptAnswers): KeptAnswers {
    const { length } = answers.values;
    if (length === 0) return answers;
    if (length <= KEPT_VALUE_BYTES && this.#takes(length)) return answers;
    const refusals = refusalsOf(answers);
    if (refusals !== undefined && this.#takes(refusals.values.length)) return refusals;
    return { ...answers, values: NO_BYTES };
  }

  #takes(bytes: number): boolean {
    return this.session?.takeMore(this, bytes) !== false;
  }

  /** Calls `tell` once the batch is answered. */
  whenDone(tell: () => void): void {
    this.#waiting ??= [];
    this.#waiting.push(tell);
  }

  /** The place of a number among the mutations; -1: it is not here, or not answered by this record (sessions W8). */
  indexOf(number: number): number {
    if (number < this.first || number > this.last || this.#open?.has(number) === true) return -1;
    const numbers = this.#numbers;
    if (numbers === undefined) return number - this.first;
    if (numbers.length > TABLE_FROM) return (this.#places ??= placesOf(numbers)).get(number) ?? -1;
    for (let index = 0; index < numbers.length; index++) if (numbers[index] === number) return index;
    return -1;
  }

  /** The numbers that it answers, in the order of its mutations. */
  *numbers(): Iterable<number> {
    for (const number of this.#allNumbers()) if (this.#open?.has(number) !== true) yield number;
  }

  *#allNumbers(): Iterable<number> {
    if (this.#numbers === undefined) for (let number = this.first; number <= this.last; number++) yield number;
    else for (let index = 0; index < this.#numbers.length; index++) yield this.#numbers[index]!;
  }
}

/** sessions W8 */
function isNoAnswer({ code }: GridError): boolean {
  return code === 'IN_DOUBT' || wasNeverSealed(code);
}

/** The answers with the values of refusals alone; undefined where nothing was refused. */
function refusalsOf(answers: KeptAnswers): KeptAnswers | undefined {
  const { statuses, valueEnds, values } = answers;
  if (!statuses.includes(STATUS.REFUSED)) return undefined;
  const kept: Uint8Array[] = [];
  let bytes = 0;
  const keptEnds = Uint32Array.from(statuses, (status, index) => {
    if (status !== STATUS.REFUSED) return bytes;
    const value = values.subarray(startOf(valueEnds, index), valueEnds[index]!);
    kept.push(value);
    return (bytes += value.length);
  });
  return { ...answers, values: Buffer.concat(kept, bytes), keptEnds };
}

/** The first place of each number. */
function placesOf(numbers: ArrayLike<number>): Map<number, number> {
  const places = new Map<number, number>();
  for (let index = numbers.length - 1; index >= 0; index--) places.set(numbers[index]!, index);
  return places;
}

/** By mutation, in the order of the batch. */
export interface KeptAnswers {
  readonly statuses: Uint8Array;
  /** Empty: no answer has a value. */
  readonly valueEnds: ArrayLike<number>;
  readonly values: Uint8Array;
  /** Where each value ends of those that are kept; undefined: `valueEnds` says so, for all or none are. */
  readonly keptEnds?: ArrayLike<number>;
  readonly errors: readonly GridError[];
  /** errorOf[mutation]: 1 + index into errors, 0: none; empty where there are no errors. */
  readonly errorOf: ArrayLike<number>;
}

export class Session {
  readonly id: number;
  readonly undecided = new UndecidedPartitions();
  expiresAtMs = 0;
  /** Whether it is the session of another member's listeners: full logs take what it writes. */
  isForListeners = false;
  #floor = 0;
  /** The highest of all numbers that came. */
  #highest = 0;
  #generation = 0;
  #records: BatchRecord[] = [];
  readonly #budget: AnswerBudget;
  /** What its records take of the budget. */
  #bytes = 0;

  constructor(id: number, budget: AnswerBudget) {
    this.id = id;
    this.#budget = budget;
  }

  get recordCount(): number {
    return this.#records.length;
  }

  /** Everything below is answered and may be forgotten (sessions W1). */
  raiseFloor(lowestUnanswered: number): void {
    if (lowestUnanswered <= this.#floor) return;
    this.#floor = lowestUnanswered;
    let gone = 0;
    while (gone < this.#records.length && this.#records[gone]!.last < lowestUnanswered) gone++;
    if (gone === 0) return;
    for (let index = 0; index < gone; index++) this.#forget(this.#records[index]!);
    this.#records = this.#records.slice(gone);
  }

  /** It is over: gives back what it takes of the budget. */
  end(): void {
    for (const record of this.#records) this.#forget(record);
    this.#records = [];
  }

  #forget(record: BatchRecord): void {
    record.session = undefined;
    this.#bytes -= record.bytes;
    this.#budget.bytes -= record.bytes;
  }

  /** More of the budget for a record. @returns false when there is none */
  takeMore(record: BatchRecord, bytes: number): boolean {
    if (!this.#take(bytes)) return false;
    record.bytes += bytes;
    return true;
  }

  #take(bytes: number): boolean {
    const { bytesMax } = this.#budget;
    if (this.#budget.bytes + bytes > bytesMax || this.#bytes + bytes > bytesMax / SHARE) return false;
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
    return true;
  }

  /** Opens the record of a batch before it is worked on. @throws GridError OVERLOADED when too much is unanswered */
  note(record: BatchRecord): BatchRecord {
    if (this.#records.length >= RECORDS_MAX) throw unconfirmed(`${RECORDS_MAX} batches`);
    if (!this.#take(record.bytes)) throw unconfirmed('too many mutations');
    record.session = this;
    this.#records.push(record);
    if (record.last > this.#highest) this.#highest = record.last;
    return record;
  }

  /** The highest number that came; 0: none. */
  get highest(): number {
    return Math.max(this.#highest, this.#floor - 1);
  }

  /** Whether a number of first .. last may have come before; false: none has, and all may be applied. */
  mayHave(first: number, last: number): boolean {
    if (first < this.#floor) return true;
    return first <= this.#highest && this.#records.some((record) => record.first <= last && first <= record.last);
  }

  /**
   * A batch comes on a stream of this generation (sessions W6); 0: its caller does not count streams.
   *
   * @throws GridError OUTCOME_UNKNOWN when the stream was left for a newer one: the batch must change nothing
   */
  enter(generation: number): void {
    if (generation >= this.#generation) this.#generation = generation;
    else if (generation > 0) throw staleStream();
  }

  /**
   * The record that answers a number, undefined when the number was never seen.
   *
   * @param asking  the record of the batch that asks: only earlier ones count (sessions W5)
   * @throws GridError OUTCOME_UNKNOWN (sessions W2)
   */
  find(number: number, asking: BatchRecord | undefined): BatchRecord | undefined {
    return this.earlier(number, number, asking).find(number);
  }

  /** What `find` finds for numbers first .. last, gathered once. */
  earlier(first: number, last: number, asking: BatchRecord | undefined): EarlierRecords {
    const end = asking === undefined ? -1 : this.#records.lastIndexOf(asking);
    const before = end < 0 ? this.#records : this.#records.slice(0, end);
    return new EarlierRecords(
      this,
      before.filter((record) => record.first <= last && first <= record.last),
    );
  }

  /** @throws GridError OUTCOME_UNKNOWN for a number below the floor (sessions W2) */
  checkFloor(number: number): void {
    if (number < this.#floor) throw unknownOutcome('the session has confirmed a later answer');
  }
}

/** Records that may answer the numbers of one batch, in the order they came. */
export class EarlierRecords {
  readonly #session: Session;
  readonly #records: readonly BatchRecord[];
  #byNumber: Map<number, BatchRecord> | undefined;

  constructor(session: Session, records: readonly BatchRecord[]) {
    this.#session = session;
    this.#records = records;
  }

  /** As Session.find. @throws GridError OUTCOME_UNKNOWN (sessions W2) */
  find(number: number): BatchRecord | undefined {
    this.#session.checkFloor(number);
    if (this.#records.length <= TABLE_FROM) return this.#records.find((record) => record.indexOf(number) >= 0);
    this.#byNumber ??= this.#table();
    return this.#byNumber.get(number);
  }

  #table(): Map<number, BatchRecord> {
    const table = new Map<number, BatchRecord>();
    for (const record of this.#records) {
      for (const number of record.numbers()) if (!table.has(number)) table.set(number, record);
    }
    return table;
  }
}

/** The answer kept for a number. */
export function keptAnswer(record: BatchRecord, number: number): KeptAnswer {
  const at = record.indexOf(number);
  const { statuses, valueEnds, values, keptEnds = valueEnds, errors, errorOf } = record.answers!;
  const status = statuses[at]!;
  const error = errors[(errorOf[at] ?? 0) - 1];
  if (startOf(valueEnds, at) === (valueEnds[at] ?? 0)) return { status, value: undefined, valueDropped: false, error };
  const value = values.subarray(startOf(keptEnds, at), keptEnds[at]!);
  const valueDropped = value.length === 0;
  return { status, value: valueDropped ? undefined : value, valueDropped, error };
}

function startOf(ends: ArrayLike<number>, index: number): number {
  return index === 0 ? 0 : (ends[index - 1] ?? 0);
}

function unconfirmed(what: string): GridError {
  return new GridError('OVERLOADED', `a session has ${what} whose answers it did not confirm`, {
    hint: 'raise lowest_unanswered with every batch',
  });
}

export function unknownOutcome(why: string): GridError {
  return new GridError(
    'OUTCOME_UNKNOWN',
    `a mutation was sent again, and ${why}: it may or may not have been applied`,
    {
      hint: 'read the entry again before you repeat the write',
    },
  );
}

function staleStream(): GridError {
  return new GridError('OUTCOME_UNKNOWN', 'the batch came on a stream that its session has left for a newer one', {
    hint: 'this copy changes nothing; what became of the calls is answered where they were sent again',
  });
}

export interface SessionsOptions {
  readonly leaseMs: number;
  readonly sessionsMax: number;
  readonly nowMs: () => number;
  readonly newId: () => number;
  /** Most bytes of the answers of all sessions together. Default 256 MiB. */
  readonly answerBytesMax?: number;
}

const ANSWER_BYTES_MAX = 256 << 20;

export class Sessions {
  readonly #sessions = new Map<number, Session>();
  /** The highest number that came in each of the sessions that ended last (sessions W7). */
  readonly #ended = new Map<number, number>();
  readonly #leaseMs: number;
  readonly #sessionsMax: number;
  readonly #nowMs: () => number;
  readonly #newId: () => number;
  readonly #budget: AnswerBudget;

  constructor(options: SessionsOptions) {
    this.#leaseMs = options.leaseMs;
    this.#sessionsMax = options.sessionsMax;
    this.#nowMs = options.nowMs;
    this.#newId = options.newId;
    this.#budget = new AnswerBudget(options.answerBytesMax ?? ANSWER_BYTES_MAX);
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  get count(): number {
    return this.#sessions.size;
  }

  get sessionsMax(): number {
    return this.#sessionsMax;
  }

  /** Opens a session, under an id it has at another member if it has one. @throws GridError OVERLOADED */
  open(wanted: number): Session {
    const known = this.#sessions.get(wanted);
    if (known !== undefined) return this.#prolong(known);
    this.sweep();
    if (this.#sessions.size >= this.#sessionsMax) {
      throw new GridError('OVERLOADED', `the member has ${this.#sessionsMax} sessions`, {
        hint: 'share one client between parts of a process',
      });
    }
    let id = wanted;
    while (id === 0 || this.#sessions.has(id)) id = this.#newId();
    const session = new Session(id, this.#budget);
    const came = this.#ended.get(id);
    if (came !== undefined) session.raiseFloor(came + 1);
    this.#ended.delete(id);
    this.#sessions.set(id, session);
    return this.#prolong(session);
  }

  /** The session, its lease prolonged; undefined when it is not known or ended. */
  touch(id: number): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    if (session.expiresAtMs > this.#nowMs()) return this.#prolong(session);
    this.close(id);
    return undefined;
  }

  close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.end();
    this.#sessions.delete(id);
    if (session.highest > 0) this.#ended.set(id, session.highest);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= this.#sessionsMax) return;
      this.#ended.delete(oldest);
    }
  }

  /** Forgets the sessions whose lease ran out. */
  sweep(): void {
    const now = this.#nowMs();
    for (const [id, session] of this.#sessions) if (session.expiresAtMs <= now) this.close(id);
  }

  #prolong(session: Session): Session {
    session.expiresAtMs = this.#nowMs() + this.#leaseMs;
    return session;
  }
}
