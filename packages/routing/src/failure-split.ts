/** Operations of a batch that were not answered well: which go on, which are over. */
import { GridError, type WireError } from '@ashlar/core';
import { type KvAnswers, STATUS } from '@ashlar/transport';
import { refusalOf } from './call-target.ts';
import type { DetachedOperation, SealedBatch } from './sealed-batch.ts';

export interface FailureSplit {
  /** To be routed again. */
  readonly again: readonly DetachedOperation[];
  /** Why; undefined: for no fault of theirs, so without a pause. */
  readonly reason: GridError | undefined;
}

/**
 * Fails the operations that are over with their errors.
 *
 * @param operations   FAILED, REFUSED or NOT_RUN, by index in `answers`
 * @param mayTryAgain  whether nothing was applied and another try may go well
 */
export function splitFailures(
  batch: SealedBatch,
  answers: KvAnswers,
  operations: readonly number[],
  mayTryAgain: (error: WireError, operation: number) => boolean,
): FailureSplit {
  const errors = errorsByOperation(answers);
  const first = answers.firstOperation ?? 0;
  const again = new Set<number>();
  let reason: GridError | undefined;
  for (const index of operations) {
    const operation = first + index;
    const error = errors.get(index);
    if (answers.statuses[index] === STATUS.NOT_RUN) again.add(operation);
    else if (answers.statuses[index] === STATUS.REFUSED) fail(batch, operation, refusalOf(answers, index));
    else if (error !== undefined && mayTryAgain(error, operation)) {
      again.add(operation);
      reason ??= GridError.from(error);
    } else {
      fail(batch, operation, error === undefined ? withoutError() : GridError.from(error));
    }
  }
  const isAlive = (operation: number): boolean => again.has(operation) && !batch.targets[operation]!.done;
  return { again: again.size === 0 ? [] : batch.takeApart(isAlive, false), reason };
}

function withoutError(): GridError {
  return new GridError('INTERNAL', 'an operation failed without an error');
}

function fail(batch: SealedBatch, operation: number, error: GridError): void {
  batch.targets[operation]!.fail(batch.slots[operation]!, error, batch.keyOf(operation));
  batch.settle(operation);
}

function errorsByOperation(answers: KvAnswers): ReadonlyMap<number, WireError> {
  const errors = new Map<number, WireError>();
  for (const { operations, error } of answers.errors) for (const index of operations) errors.set(index, error);
  return errors;
}
