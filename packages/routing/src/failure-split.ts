/**
 * The operations of a batch that failed: which of them go on, under which number, and which are over.
 *
 * failure-split F1  Only what a member never sealed goes on under a new number: it says so by the error (errors.proto), or
 *                   by NOT_RUN.
 * failure-split F2  What it sealed and lost (IN_DOUBT) goes on under its own number, so that the next member that is asked
 *                   answers from the log, or applies it once. The code itself reaches no caller.
 * failure-split F3  What nobody waits for any more does not go on, and keeps no number.
 */
import { GridError, type WireError } from '@ashlar/core';
import { type KvAnswers, STATUS } from '@ashlar/transport';
import { refusalOf } from './call-target.ts';
import type { DetachedOperation, SealedBatch } from './sealed-batch.ts';

/** What becomes of a failed operation: it is sent again under a new number or its own, or its caller gets the error. */
export type WayOn = 'anew' | 'inDoubt' | 'over';

export interface FailureSplit {
  /** To be routed again. */
  readonly again: readonly DetachedOperation[];
  /** Why; undefined: for no fault of theirs, so without a pause. */
  readonly reason: GridError | undefined;
}

/**
 * Fails the operations that are over with their errors.
 *
 * @param operations  FAILED, REFUSED or NOT_RUN, by index in `answers`
 * @param wayOn       what an operation may do after an error
 */
export function splitFailures(
  batch: SealedBatch,
  answers: KvAnswers,
  operations: readonly number[],
  wayOn: (error: WireError, operation: number) => WayOn,
): FailureSplit {
  const errors = errorsByOperation(answers);
  const first = answers.firstOperation ?? 0;
  const again = new Map<number, WayOn>();
  let reason: GridError | undefined;
  for (const index of operations) {
    const operation = first + index;
    const error = errors.get(index);
    if (answers.statuses[index] === STATUS.NOT_RUN) again.set(operation, 'anew');
    else if (answers.statuses[index] === STATUS.REFUSED) fail(batch, operation, refusalOf(answers, index));
    else if (error === undefined) fail(batch, operation, withoutError());
    else {
      const way = wayOn(error, operation);
      if (way === 'over') fail(batch, operation, GridError.from(error));
      else {
        again.set(operation, way);
        reason ??= GridError.from(error);
      }
    }
  }
  if (again.size === 0) return { again: [], reason };
  for (const operation of again.keys()) {
    if (!batch.targets[operation]!.done) continue;
    again.delete(operation);
    batch.settle(operation);
  }
  const isAlive = (operation: number): boolean => again.has(operation);
  return { again: batch.takeApart(isAlive, (operation) => again.get(operation) === 'inDoubt'), reason };
}

function withoutError(): GridError {
  return new GridError('INTERNAL', 'an operation failed without an error');
}

function fail(batch: SealedBatch, operation: number, error: GridError): void {
  batch.targets[operation]!.fail(batch.positions[operation]!, error, batch.keyOf(operation));
  batch.settle(operation);
}

function errorsByOperation(answers: KvAnswers): ReadonlyMap<number, WireError> {
  const errors = new Map<number, WireError>();
  for (const { operations, error } of answers.errors) for (const index of operations) errors.set(index, error);
  return errors;
}
