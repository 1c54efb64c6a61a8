/**
 * Mutations of a batch that may have been sent before: they are answered as the first sending was.
 *
 *   known in memory? -- yes -> final:      the same answer again
 *          |                '-> worked on: joins that one mutation, and is answered with it
 *          |-- never came -> applied: the session and the partition have been here since before it was first sent
 *          '-- not known -> its key is free: the log is asked --> applied:     answered from its record
 *                                                            |-> not applied: applied now
 *                                                            '-> gone:        OUTCOME_UNKNOWN
 *
 * repeats R1  "Not found" is never taken for "never applied": memory proves that where it has been whole since the first sending,
 *             the log where it reaches back to it.
 * repeats R2  Nothing that a sending again is answered with says that it was not applied, before that is proved.
 * repeats R3  What is proved stays so: whatever copy comes later finds this batch among the session's records, and one that
 *             was routed before a change of owner is refused (STALE_EPOCH).
 * repeats R4  A first copy that comes late asks memory only. It is applied where memory has been whole; else it is void.
 */
import { GridError, StaleEpochError } from '@ashlar/core';
import type { LockId } from '@ashlar/partitions';
import { STATUS } from '@ashlar/transport';
import type { BatchRecord, KeptAnswer } from './batch-record.ts';
import type { BatchScope } from './batch-scope.ts';
import { answerAsApplied } from './log-answers.ts';
import { LogInquiries } from './log-inquiries.ts';
import { RequestNumbers } from './request-numbers.ts';
import { type EarlierRecords, unknownOutcome } from './sessions.ts';

/** What a repetition needs of its batch. */
export interface RepeatWork {
  /** Who holds the operation's key; undefined: it is free. */
  holderOf(operation: number): LockId | undefined;
  /** Its turn comes again behind the holder. @throws GridError OVERLOADED */
  waitBehind(holder: LockId, operation: number): void;
  /** Its turn has come. */
  mutate(operation: number): void;
  /** Submits what is staged. */
  commit(): void;
}

export class Repeats {
  readonly #scope: BatchScope;
  readonly #work: RepeatWork;
  readonly #numbers: RequestNumbers;
  readonly #inquiries: LogInquiries;
  #records: EarlierRecords | undefined;
  /** Operations that were never applied, proved (repeats R3). */
  readonly #fresh = new Set<number>();

  constructor(scope: BatchScope, work: RepeatWork) {
    this.#scope = scope;
    this.#work = work;
    this.#numbers = new RequestNumbers(scope.batch);
    this.#inquiries = new LogInquiries(scope, this.#numbers, () => work.commit());
  }

  /**
   * @returns whether the mutation is answered, or will be, or takes its turn again; false: it is to be applied
   * @throws GridError OUTCOME_UNKNOWN, STALE_EPOCH
   */
  takes(operation: number): boolean {
    if (this.#isFresh(operation)) return false;
    if (this.#takesFromMemory(operation)) return true;
    if (this.#isProved(operation)) return false;
    this.#checkServed(operation);
    const holder = this.#work.holderOf(operation);
    if (holder !== undefined) this.#waitBehind(holder, operation);
    else if (this.#ask([operation], [operation], () => this.#work.mutate(operation))) return this.#follow(operation);
    return true;
  }

  /** As takes(), from memory alone; an unknown outcome is an answer too. For those of an atomic group. */
  isKnown(operation: number): boolean {
    if (this.#isFresh(operation)) return false;
    try {
      return this.#takesFromMemory(operation);
    } catch (error) {
      this.#scope.answers.fail(operation, error);
      return true;
    }
  }

  /**
   * What is left to do of the mutations of an atomic group of which memory knows nothing, and whose keys are free: where one
   * was applied all were, and those that left no record did nothing.
   *
   * @param again  the group's turn comes again
   * @returns those that are to be applied; undefined: `again` follows
   * @throws GridError OUTCOME_UNKNOWN, STALE_EPOCH, for all of them
   */
  restOf(group: readonly number[], again: () => void): readonly number[] | undefined {
    const doubtful = group.filter((operation) => !this.#isFresh(operation) && !this.#isProved(operation));
    if (doubtful.length === 0) return group;
    this.#checkServed(doubtful[0]!);
    if (!this.#ask(doubtful, group, again)) return undefined;
    const { answers } = this.#scope;
    const outcomes = doubtful.map((operation) => this.#inquiries.outcomeOf(operation));
    const wasApplied = outcomes.some(({ kind }) => kind === 'applied');
    if (!wasApplied) {
      if (outcomes.some(({ kind }) => kind === 'unknown')) throw tooOld();
      for (const operation of doubtful) this.#fresh.add(operation);
      return group;
    }
    doubtful.forEach((operation, index) => {
      try {
        if (outcomes[index]!.kind === 'notApplied') answers.statuses[operation] = STATUS.FALSE;
        else this.#follow(operation);
      } catch (error) {
        answers.fail(operation, error);
      }
    });
    const answered = new Set(doubtful);
    return group.filter((operation) => !answered.has(operation));
  }

  /** It needs no proof, or has it. */
  #isFresh(operation: number): boolean {
    return this.#numbers.of(operation) === 0 || this.#fresh.has(operation);
  }

  /* ---- Memory ----------------------------------------------------------------------------------------------------- */

  /** @throws GridError OUTCOME_UNKNOWN */
  #takesFromMemory(operation: number): boolean {
    const number = this.#numbers.of(operation);
    const record = this.#recordOf(number);
    if (record === undefined) return false;
    const mutation = record.indexOf(number);
    const { running } = record;
    if (running === undefined || running.isAnswered(mutation)) {
      return this.#repeat(operation, (running ?? record).answerTo(mutation));
    }
    const { progress, deps } = this.#scope;
    if (!deps.writes.isPrompt) deps.writes.held.note('duplicate');
    progress.openLate(operation);
    const step = progress.later(() => {
      this.#repeat(operation, running.answerTo(mutation));
      progress.settleLate(operation);
    });
    running.whenAnswered(mutation, step);
    return true;
  }

  /** What answered a number, or will; undefined: nothing that is remembered. @throws GridError OUTCOME_UNKNOWN */
  #recordOf(number: number): BatchRecord | undefined {
    const { session, record } = this.#scope;
    if (session === undefined) throw unknownOutcome('the member has no room for its session');
    const { first = number, last = number } = record ?? {};
    this.#records ??= session.earlier(first, last, record);
    return this.#records.find(number);
  }

  /** Answers as before. @returns false: that was not kept, and the log may know it */
  #repeat(operation: number, kept: KeptAnswer): boolean {
    const { answers } = this.#scope;
    const { status, value, valueDropped, error } = kept;
    if (error !== undefined) answers.fail(operation, error);
    else if (valueDropped && status === STATUS.REFUSED) answers.fail(operation, forgottenRefusal());
    else if (valueDropped) return false;
    else {
      answers.statuses[operation] = status;
      if (value !== undefined) answers.value(operation, value, 0, value.length);
    }
    return true;
  }

  /** Whether memory proves that the mutation never came, or that this copy is not to ask (repeats R1, repeats R4). @throws GridError OUTCOME_UNKNOWN */
  #isProved(operation: number): boolean {
    const { session, batch, deps, isResent } = this.#scope;
    const number = this.#numbers.of(operation);
    // What ended in doubt came, and no record answers it: also where the partition has been here all the time.
    const isRemembered = this.#recordOf(number) !== undefined || this.#records!.isOpen(number);
    if (!isResent) {
      if (!isRemembered && !session!.hasForgotten(number)) return true;
      throw unknownOutcome('this is its first copy, which comes after the other');
    }
    const { firstVersion = 0 } = batch;
    if (isRemembered || !session!.neverCame(number, firstVersion)) return false;
    if (deps.store.primarySince(batch.partitions[operation]! as never) > firstVersion) return false;
    this.#fresh.add(operation);
    return true;
  }

  /* ---- The log ---------------------------------------------------------------------------------------------------- */

  /** Only who has the partition has its log. */
  #checkServed(operation: number): void {
    const { batch, deps } = this.#scope;
    const { control, store } = deps;
    const partition = batch.partitions[operation]!;
    if (control.serves(partition, batch.tableVersion) && store.isPartitionOpen(partition as never)) return;
    throw new StaleEpochError(partition, batch.tableVersion, control.table.tableVersion);
  }

  /** As LogInquiries.ask(). */
  #ask(operations: readonly number[], all: readonly number[], again: () => void): boolean {
    return this.#inquiries.ask(operations, all, again);
  }

  /** @returns whether it is answered; false: it was never applied. @throws GridError OUTCOME_UNKNOWN */
  #follow(operation: number): boolean {
    const outcome = this.#inquiries.outcomeOf(operation);
    switch (outcome.kind) {
      case 'applied':
        answerAsApplied(this.#scope, operation, outcome);
        return true;
      case 'notApplied':
        this.#fresh.add(operation);
        return false;
      case 'unknown':
        throw tooOld();
    }
  }

  /** repeats R2 */
  #waitBehind(holder: LockId, operation: number): void {
    try {
      this.#work.waitBehind(holder, operation);
    } catch (error) {
      throw unknownOutcome('too many wait to ask for it', error);
    }
  }
}

function tooOld(): GridError {
  return unknownOutcome('the log of its partition no longer reaches back to its first sending');
}

/** A member whose memory for answers is used up answers so. */
function forgottenRefusal(): GridError {
  return new GridError('PROCESSOR_REFUSED', 'the processor refused; its details were too long to keep', {
    hint: 'nothing was applied: a new call tells why, if it still refuses',
  });
}
