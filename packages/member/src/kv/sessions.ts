/**
 * Sessions: a mutation sent again applies once.
 *
 * A session numbers its mutations. The member keeps what it answered, a record a batch, until the session says that
 * everything below a number is answered. Numbers that lie above all that came are new; every other batch is looked up,
 * whatever it says of itself: the first copy of a mutation may come after its resend, out of a link that was stalled.
 *
 * W1  A record stays while any of its numbers is at or above the session's floor.
 * W2  A number below the floor, or of a session that is not known, has an unknown outcome when it comes again.
 * W3  Values of answers are kept up to KEPT_VALUE_BYTES a batch; beyond it only outcome and version.
 * W4  A session ends when it was silent for its lease; at most `sessionsMax` exist.
 * W5  A number is answered by the first record that has it; a record never waits for itself or a later one.
 * W6  Batches of a stream of an older generation than the session has shown are void: their caller has left that stream
 *     and sends again, or gave up, what was under way on it.
 */
import { GridError } from '@ashlar/core';

const KEPT_VALUE_BYTES = 64 * 1024;
const RECORDS_MAX = 8192;

/** What one mutation was answered. `value` undefined though one was sent: too long to keep (W3). */
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
  #answers: KeptAnswers | undefined;
  #waiting: (() => void)[] | undefined;

  constructor(first: number, last: number, numbers?: ArrayLike<number>) {
    this.first = first;
    this.last = last;
    this.#numbers = numbers;
  }

  /** Undefined while the batch is still being worked on. */
  get answers(): KeptAnswers | undefined {
    return this.#answers;
  }

  /** The batch is answered. */
  finish(answers: KeptAnswers): void {
    this.#answers = keep(answers);
    for (const tell of this.#waiting?.splice(0) ?? []) tell();
  }

  /** Calls `tell` once the batch is answered. */
  whenDone(tell: () => void): void {
    this.#waiting ??= [];
    this.#waiting.push(tell);
  }

  /** The place of a number among the mutations; -1: it is not here. */
  indexOf(number: number): number {
    if (number < this.first || number > this.last) return -1;
    if (this.#numbers === undefined) return number - this.first;
    for (let index = 0; index < this.#numbers.length; index++) if (this.#numbers[index] === number) return index;
    return -1;
  }
}

/** By mutation, in the order of the batch. */
export interface KeptAnswers {
  readonly statuses: Uint8Array;
  /** Empty: no answer has a value. */
  readonly valueEnds: ArrayLike<number>;
  readonly values: Uint8Array;
  /** `mutations` by their place. */
  readonly errors: readonly { readonly mutations: readonly number[]; readonly error: GridError }[];
}

export class Session {
  readonly id: number;
  expiresAtMs = 0;
  #floor = 0;
  /** Of all numbers that came. */
  #highest = 0;
  #generation = 0;
  #records: BatchRecord[] = [];

  constructor(id: number) {
    this.id = id;
  }

  get recordCount(): number {
    return this.#records.length;
  }

  /** Everything below is answered and may be forgotten (W1). */
  raiseFloor(lowestUnanswered: number): void {
    if (lowestUnanswered <= this.#floor) return;
    this.#floor = lowestUnanswered;
    let gone = 0;
    while (gone < this.#records.length && this.#records[gone]!.last < lowestUnanswered) gone++;
    if (gone > 0) this.#records = this.#records.slice(gone);
  }

  /** Opens the record of a batch before it is worked on. @throws GridError OVERLOADED when too much is unanswered */
  note(record: BatchRecord): BatchRecord {
    if (this.#records.length >= RECORDS_MAX) {
      throw new GridError('OVERLOADED', `a session has ${RECORDS_MAX} batches whose answers it did not confirm`);
    }
    this.#records.push(record);
    if (record.last > this.#highest) this.#highest = record.last;
    return record;
  }

  /** Whether a number of first .. last may have come before; false: none has, and all may be applied. */
  mayHave(first: number, last: number): boolean {
    if (first < this.#floor) return true;
    return first <= this.#highest && this.#records.some((record) => record.first <= last && first <= record.last);
  }

  /**
   * A batch comes on a stream of this generation (W6); 0: its caller does not count streams.
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
   * @param asking  the record of the batch that asks: only earlier ones count (W5)
   * @throws GridError OUTCOME_UNKNOWN (W2)
   */
  find(number: number, asking: BatchRecord | undefined): BatchRecord | undefined {
    if (number < this.#floor) throw unknownOutcome('the session has confirmed a later answer');
    for (const record of this.#records) {
      if (record === asking) return undefined;
      if (record.indexOf(number) >= 0) return record;
    }
    return undefined;
  }
}

/** The answer kept for a number. */
export function keptAnswer(record: BatchRecord, number: number): KeptAnswer {
  const at = record.indexOf(number);
  const { statuses, valueEnds, values, errors } = record.answers!;
  const status = statuses[at]!;
  const end = valueEnds[at] ?? 0;
  const start = at === 0 ? 0 : (valueEnds[at - 1] ?? 0);
  const error = errors.find(({ mutations }) => mutations.includes(at))?.error;
  const valueDropped = end > start && values.length === 0;
  return { status, value: end > start && !valueDropped ? values.subarray(start, end) : undefined, valueDropped, error };
}

/** What of a batch's answers is kept (W3). */
function keep(answers: KeptAnswers): KeptAnswers {
  return answers.values.length <= KEPT_VALUE_BYTES ? answers : { ...answers, values: new Uint8Array(0) };
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

export class Sessions {
  readonly #sessions = new Map<number, Session>();
  readonly #leaseMs: number;
  readonly #sessionsMax: number;
  readonly #nowMs: () => number;
  readonly #newId: () => number;

  constructor(options: { leaseMs: number; sessionsMax: number; nowMs: () => number; newId: () => number }) {
    this.#leaseMs = options.leaseMs;
    this.#sessionsMax = options.sessionsMax;
    this.#nowMs = options.nowMs;
    this.#newId = options.newId;
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
    const session = new Session(id);
    this.#sessions.set(id, session);
    return this.#prolong(session);
  }

  /** The session, its lease prolonged; undefined when it is not known or ended. */
  touch(id: number): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    if (session.expiresAtMs > this.#nowMs()) return this.#prolong(session);
    this.#sessions.delete(id);
    return undefined;
  }

  close(id: number): void {
    this.#sessions.delete(id);
  }

  /** Forgets the sessions whose lease ran out. */
  sweep(): void {
    const now = this.#nowMs();
    for (const [id, session] of this.#sessions) if (session.expiresAtMs <= now) this.#sessions.delete(id);
  }

  #prolong(session: Session): Session {
    session.expiresAtMs = this.#nowMs() + this.#leaseMs;
    return session;
  }
}
