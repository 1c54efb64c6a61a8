/** The error of a call whose time is over: what is known of it by then. */
import { DeadlineExceededError, type GridError, MemberUnreachableError, OutcomeUnknownError } from '@ashlar/core';
import type { CallTarget } from './call-target.ts';
import type { MemberQueue } from './member-queue.ts';
import type { DetachedOperation } from './sealed-batch.ts';

/**
 * A call that waits in a queue, or for the answer of its member.
 *
 * @param mayBeDone      a mutation that was sent
 * @param whatIsMissing  why the grid is not complete
 */
export function overdueCall(
  target: CallTarget,
  mayBeDone: boolean,
  queue: MemberQueue,
  whatIsMissing: () => GridError | undefined,
): GridError {
  if (mayBeDone) {
    const why = queue.isUp ? `and not answered within ${target.timeoutMs} ms` : undefined;
    return new OutcomeUnknownError('the call', queue.lastError, why);
  }
  if (queue.isUp) return new DeadlineExceededError('the call', target.timeoutMs);
  const { id, address } = queue.member;
  return whatIsMissing() ?? new MemberUnreachableError(id, address, queue.lostAt);
}

/**
 * A call that waits to be sent again.
 *
 * @param reason         why it has to be
 * @param whatIsMissing  why the grid is not complete
 */
export function overdueRetry(
  { request, target }: DetachedOperation,
  reason: GridError,
  whatIsMissing: () => GridError | undefined,
): GridError {
  if (reason.code === 'GRID_INCOMPLETE' && request === undefined) return whatIsMissing() ?? reason;
  if (request !== undefined) return new OutcomeUnknownError('the call', reason, doubtOf(reason));
  // They say what has to come before a repetition helps.
  if (reason.code === 'LOG_FULL' || reason.code === 'NOT_ENOUGH_IN_SYNC') return reason;
  return new DeadlineExceededError(`the call (last trouble: ${reason.message})`, target.timeoutMs);
}

/** Why the outcome of a mutation that waits to be asked for again is unknown; undefined: its link broke. */
function doubtOf(reason: GridError): string | undefined {
  return reason.code === 'IN_DOUBT' ? 'then its partition was lost, and nobody could be asked in its time' : undefined;
}

/** All copies of its partition are gone: what may have been applied stays in doubt, though nobody can read it. */
export function failLost({ request, target, position, key }: DetachedOperation, lost: GridError): void {
  const why = 'then all copies of its partition were lost';
  target.fail(position, request === undefined ? lost : new OutcomeUnknownError('the call', lost, why), key);
  if (request !== undefined) request.range.left--;
}
