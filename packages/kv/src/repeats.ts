/**
 * Mutations of a batch that may have been sent before: they are answered as the first sending was.
 *
 *   number known? -- no --> it is applied
 *                '-- yes -> final: the same answer again
 *                       '-> undecided: joins it, and is answered with it
 *                       '-> in doubt, or never sealed: nothing of it is here, and it is applied
 */
import { GridError } from '@ashlar/core';
import { STATUS } from '@ashlar/transport';
import type { BatchScope } from './batch-scope.ts';
import { inDoubt } from './held-operations.ts';
import { RequestNumbers } from './request-numbers.ts';
import { type BatchRecord, type EarlierRecords, keptAnswer, unknownOutcome } from './sessions.ts';

export class Repeats {
  readonly #scope: BatchScope;
  readonly #numbers: RequestNumbers;
  #records: EarlierRecords | undefined;

  constructor(scope: BatchScope) {
    this.#scope = scope;
    this.#numbers = new RequestNumbers(scope.batch);
  }

  /** @returns whether the mutation is answered, or will be. @throws GridError OUTCOME_UNKNOWN */
  isAnswered(operation: number): boolean {
    const { progress, deps } = this.#scope;
    const record = this.#recordOf(operation);
    if (record === undefined) return false;
    if (record.answers !== undefined) {
      this.#repeat(operation, record);
      return true;
    }
    if (!deps.writes.isPrompt) deps.writes.held.note('duplicate');
    progress.openLate(operation);
    record.whenDone(
      progress.later(() => {
        this.#tryRepeat(operation, record);
        progress.settleLate(operation);
      }),
    );
    return true;
  }

  /** As isAnswered(); an unknown outcome is an answer too. */
  isAnsweredAnyway(operation: number): boolean {
    try {
      return this.isAnswered(operation);
    } catch (error) {
      this.#scope.answers.fail(operation, error);
      return true;
    }
  }

  /** The record that answered a mutation, or will; undefined: it never came here. @throws GridError OUTCOME_UNKNOWN */
  #recordOf(operation: number): BatchRecord | undefined {
    const { session, record } = this.#scope;
    const number = this.#numbers.of(operation);
    if (number === 0) return undefined;
    if (session === undefined) throw unknownOutcome('its session is not known here any more');
    const { first = number, last = number } = record ?? {};
    this.#records ??= session.earlier(first, last, record);
    return this.#records.find(number);
  }

  #tryRepeat(operation: number, record: BatchRecord): void {
    try {
      this.#repeat(operation, record);
    } catch (error) {
      this.#scope.answers.fail(operation, error);
    }
  }

  /** Answers a mutation as its record, which is finished, says. @throws GridError OUTCOME_UNKNOWN, IN_DOUBT */
  #repeat(operation: number, record: BatchRecord): void {
    const { answers, batch } = this.#scope;
    const number = this.#numbers.of(operation);
    if (record.indexOf(number) < 0) throw inDoubt(batch.partitions[operation]!);
    const kept = keptAnswer(record, number);
    if (kept.error === undefined) answers.statuses[operation] = kept.status;
    if (kept.error !== undefined) answers.fail(operation, kept.error);
    else if (kept.valueDropped && kept.status === STATUS.REFUSED) answers.fail(operation, forgottenRefusal());
    else if (kept.valueDropped) throw unknownOutcome('it was applied, but its answer was too long to keep');
    else if (kept.value !== undefined) answers.value(operation, kept.value, 0, kept.value.length);
  }
}

/** What is answered for a refusal that was not kept: the member's memory for answers was used up. */
function forgottenRefusal(): GridError {
  return new GridError('PROCESSOR_REFUSED', 'the processor refused; its details were too long to keep', {
    hint: 'nothing was applied: a new call tells why, if it still refuses',
  });
}
