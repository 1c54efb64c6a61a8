/** The calls of one batch whose time is over. */
import type { GridError } from '@ashlar/core';
import type { CallTarget } from './call-target.ts';
import type { SealedBatch } from './sealed-batch.ts';

/**
 * Fails what is overdue, and notes when to look again.
 *
 * @param overdue  the error of a call
 */
export function sweepBatch(
  batch: SealedBatch,
  nowMs: number,
  overdue: (target: CallTarget, wasSent: boolean, isMutation: boolean) => GridError,
): void {
  if (batch.minDeadlineMs > nowMs) return;
  let next = Number.POSITIVE_INFINITY;
  batch.targets.forEach((target, operation) => {
    if (target.done || !batch.isAwaited(operation)) return;
    if (target.deadlineMs <= nowMs) {
      const inDoubt = batch.wasSent || batch.wasResent;
      target.fail(
        batch.positions[operation]!,
        overdue(target, inDoubt, batch.isMutation(operation)),
        batch.keyOf(operation),
      );
    } else if (target.deadlineMs < next) next = target.deadlineMs;
  });
  batch.minDeadlineMs = next;
}
