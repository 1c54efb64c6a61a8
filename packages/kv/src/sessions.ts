/**
 * Sessions: a mutation sent again applies once.
 *
 * A session numbers its mutations. The member keeps what it answered, a record a batch, until the session says that
 * everything below a number is answered. That memory is a cache before the log, which knows all that was applied
 * (repeats.ts): it is quick, it knows also what changed nothing, and it may be given up. Numbers that lie above all that came
 * are new; every other batch is looked up, whatever it says of itself: the first copy of a mutation may come after its resend,
 * out of a link that was stalled.
 *
 * sessions W1  A record stays while any of its numbers is at or above the session's floor, its batch is worked on, or memory
 *              goes: RECORDS_MAX a session, a budget of the member, a share of it a session. The oldest go first.
 * sessions W2  A number below the floor has an unknown outcome when it comes again: its caller has the answer. So has a first
 *              copy whose record went (sessions W1, sessions W7): it may come after its resend.
 * sessions W4  A session ends when it was silent for its lease; at most `sessionsMax` exist.
 * sessions W5  A number is answered by the first record that has it; a record never waits for itself or a later one.
 * sessions W6  Batches of a stream of an older generation than the session has shown are void: their caller has left that stream
 *              and sends again, or gave up, what was under way on it.
 * sessions W7  What is sent again in a session that is not known here resumes it, for that alone: first copies are refused
 *              until it is opened. Where it had ended here, first copies of numbers that came before are void (sessions W2); of so many
 *              ended ones is known how far they came as there may be sessions, the latest.
 * sessions W8  What of a batch waits when its session ends is refused (SESSION_EXPIRED): nobody would find it any more.
 */
import { GridError } from '@ashlar/core';
import type { BatchRecord, RecordKeeper } from './batch-record.ts';
import { UndecidedPartitions } from './undecided-partitions.ts';

const RECORDS_MAX = 8192;
/** What one session may have of the budget: one part in so many. */
const SHARE = 4;
/** Where memory goes, this part of it is made free: looking is seldom then. */
const ROOM_SHARE = 8;
/** Records of a search from which on a table is quicker than looking at each. */
const TABLE_FROM = 16;

/** Bytes of answers that are kept, and may be. */
export class AnswerBudget {
  readonly bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

export class Session implements RecordKeeper {
  readonly id: number;
  readonly undecided = new UndecidedPartitions();
  expiresAtMs = 0;
  /** It belongs to another member's listeners: full logs take what it writes. */
  isForListeners = false;
  /** The member's clock when the session came here: since then it knows all that came in it, as long as memory lasts. */
  readonly since: number;
  /** It may send what is new (sessions W7). */
  isOpen = false;
  /** sessions W8 */
  isEnded = false;
  #floor = 0;
  /** The highest of all numbers that came. */
  #highest = 0;
  /** Up to it numbers may have come whose record went (sessions W2). */
  #forgottenTo = 0;
  #generation = 0;
  #records: BatchRecord[] = [];
  readonly #budget: AnswerBudget;
  /** What it takes of the budget. */
  #bytes = 0;

  /** @param came  how far it came before it ended here; 0: nothing is known */
  constructor(id: number, budget: AnswerBudget, since = Infinity, came = 0) {
    this.id = id;
    this.#budget = budget;
    this.since = since;
    this.#highest = came;
    this.#forgottenTo = came;
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
    this.isEnded = true;
    for (const record of this.#records) this.#forget(record);
    this.#records = [];
  }

  #forget(record: BatchRecord): void {
    record.keeper = undefined;
    this.#bytes -= record.bytes;
    this.#budget.bytes -= record.bytes;
  }

  takeMore(record: BatchRecord, bytes: number): boolean {
    const { bytesMax } = this.#budget;
    if (this.#budget.bytes + bytes > bytesMax || this.#bytes + bytes > bytesMax / SHARE) return false;
    this.#take(bytes);
    record.bytes += bytes;
    return true;
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }

  /** Opens the record of a batch before it is worked on. */
  note(record: BatchRecord): BatchRecord {
    record.keeper = this;
    this.#records.push(record);
    this.#take(record.bytes);
    if (record.last > this.#highest) this.#highest = record.last;
    this.onFinished();
    return record;
  }

  onFinished(): void {
    const { bytes, bytesMax } = this.#budget;
    const isWithin = bytes <= bytesMax && this.#bytes <= bytesMax / SHARE && this.#records.length <= RECORDS_MAX;
    if (!isWithin) this.#makeRoom();
  }

  /** Gives up finished records, the oldest first (sessions W1). */
  #makeRoom(): void {
    const { bytesMax } = this.#budget;
    const recordsLeft = RECORDS_MAX - RECORDS_MAX / ROOM_SHARE;
    const bytesLeft = (bytesMax / SHARE) * (1 - 1 / ROOM_SHARE);
    let count = this.#records.length;
    this.#records = this.#records.filter((record) => {
      const isEnough = count <= recordsLeft && this.#bytes <= bytesLeft && this.#budget.bytes <= bytesMax;
      if (isEnough || !record.isFinished) return true;
      count--;
      this.#forget(record);
      if (record.last > this.#forgottenTo) this.#forgottenTo = record.last;
      return false;
    });
  }

  /** The highest number that came; 0: none. */
  get highest(): number {
    return Math.max(this.#highest, this.#floor - 1);
  }

  /** Whether a number of first .. last may have come before; false: none has, and all may be applied. */
  mayHave(first: number, last: number): boolean {
    if (first < this.#floor || first <= this.#forgottenTo) return true;
    return first <= this.#highest && this.#records.some((record) => record.first <= last && first <= record.last);
  }

  /**
   * Whether a number that has no record did not come to this member.
   *
   * @param version  it was sent for the first time with this one or later
   */
  neverCame(number: number, version: number): boolean {
    return this.since <= version && !this.hasForgotten(number);
  }

  /** Whether a number that has no record may have come before all the same (sessions W2). */
  hasForgotten(number: number): boolean {
    return number <= this.#forgottenTo;
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
   * Records that may answer numbers first .. last, in the order in which they came.
   *
   * @param asking  the record of the batch that asks: only earlier ones count (sessions W5)
   */
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
  #withOpen: readonly BatchRecord[] | undefined;

  constructor(session: Session, records: readonly BatchRecord[]) {
    this.#session = session;
    this.#records = records;
  }

  /** The record that answers a number; undefined: none does. @throws GridError OUTCOME_UNKNOWN (sessions W2) */
  find(number: number): BatchRecord | undefined {
    this.#session.checkFloor(number);
    if (this.#records.length <= TABLE_FROM) return this.#records.find((record) => record.indexOf(number) >= 0);
    this.#byNumber ??= this.#table();
    return this.#byNumber.get(number);
  }

  /** Whether the number came before, and no record answers it: its outcome was in doubt, or it was never sealed. */
  isOpen(number: number): boolean {
    this.#withOpen ??= this.#records.filter((record) => record.hasOpen);
    return this.#withOpen.some((record) => record.isOpen(number));
  }

  #table(): Map<number, BatchRecord> {
    const table = new Map<number, BatchRecord>();
    for (const record of this.#records) {
      for (const number of record.numbers()) if (!table.has(number)) table.set(number, record);
    }
    return table;
  }
}

export function unknownOutcome(why: string, cause?: unknown): GridError {
  return new GridError(
    'OUTCOME_UNKNOWN',
    `a mutation was sent again, and ${why}: it may or may not have been applied`,
    {
      hint: 'read the entry again before you repeat the write',
      ...(cause === undefined ? {} : { cause }),
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
  /** The member's clock, in versions. Default: none, and no session proves by its memory that a mutation never came. */
  readonly versionNow?: () => number;
  /** Most bytes of the answers of all sessions together. Default 256 MiB; 0: only the log answers. */
  readonly answerBytesMax?: number;
}

const ANSWER_BYTES_MAX = 256 << 20;

export class Sessions {
  readonly #sessions = new Map<number, Session>();
  /** The highest number that came, of sessions that ended, the latest (sessions W7). */
  readonly #ended = new Map<number, number>();
  readonly #leaseMs: number;
  readonly #sessionsMax: number;
  readonly #nowMs: () => number;
  readonly #newId: () => number;
  readonly #versionNow: () => number;
  readonly #budget: AnswerBudget;

  constructor(options: SessionsOptions) {
    this.#leaseMs = options.leaseMs;
    this.#sessionsMax = options.sessionsMax;
    this.#nowMs = options.nowMs;
    this.#newId = options.newId;
    this.#versionNow = options.versionNow ?? (() => Infinity);
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
    const session = this.#sessions.get(wanted) ?? this.#make(wanted);
    session.isOpen = true;
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

  /** As touch(); one that is not known comes about, for what it sends again (sessions W7). Undefined: there are too many. */
  resume(id: number): Session | undefined {
    const known = this.touch(id);
    if (known !== undefined || this.#isFull()) return known;
    return this.#prolong(this.#make(id));
  }

  #isFull(): boolean {
    if (this.#sessions.size >= this.#sessionsMax) this.sweep();
    return this.#sessions.size >= this.#sessionsMax;
  }

  #make(wanted: number): Session {
    if (this.#isFull()) {
      throw new GridError('OVERLOADED', `the member has ${this.#sessionsMax} sessions`, {
        hint: 'share one client between parts of a process',
      });
    }
    let id = wanted;
    while (id === 0 || this.#sessions.has(id)) id = this.#newId();
    const session = new Session(id, this.#budget, this.#versionNow(), this.#ended.get(id));
    this.#ended.delete(id);
    this.#sessions.set(id, session);
    return session;
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
