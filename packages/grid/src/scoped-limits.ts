/**
 * The call in which others are made: what user code, or a service of a member, asks of the grid belongs to whoever asked it.
 *
 *   outer call { signal, deadline, trace } -> each call made in it: ends with it, within its time, in its trace
 *
 * scoped-limits S1  No call outlives the one that it is made in, whatever time it names itself.
 * scoped-limits S2  Where the outer call is over nothing is sent: CANCELLED, or DEADLINE_EXCEEDED, which may be repeated.
 */
import type { Call } from '@ashlar/api';
import { type CallScope, CancelledError, GridError } from '@ashlar/core';
import type { CallLimits } from '@ashlar/routing';

/**
 * The limits of a call that is made in a scope.
 *
 * @param call       what it names itself
 * @param defaultMs  its time where it names none; Infinity: none of its own
 * @returns timeoutMs: undefined where neither it nor the scope has a time
 * @throws GridError CANCELLED, DEADLINE_EXCEEDED (scoped-limits S2)
 */
export function limitsIn(scope: CallScope, call: Call | undefined, defaultMs: number): CallLimits {
  if (scope.signal.aborted) throw new CancelledError('the call');
  const ownMs = call?.timeoutMs ?? defaultMs;
  const leftMs = scope.deadlineMs === undefined ? Number.POSITIVE_INFINITY : scope.deadlineMs - performance.now();
  if (leftMs <= 0) {
    throw new GridError('DEADLINE_EXCEEDED', 'the time of the call that it is made in is over; nothing was sent');
  }
  const timeoutMs = Math.min(ownMs, leftMs);
  return {
    signal: eitherOf(scope.signal, call?.signal),
    timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : undefined,
    trace: scope.trace,
  };
}

/** Limits with a time. */
export type TimedLimits = CallLimits & { readonly timeoutMs: number };

/** As limitsIn(), for calls that always have a time. @throws GridError CANCELLED, DEADLINE_EXCEEDED (scoped-limits S2) */
export function timed(scope: CallScope | undefined, call: Call | undefined, defaultMs: number): TimedLimits {
  const timeoutMs = call?.timeoutMs ?? defaultMs;
  if (scope === undefined) return { signal: call?.signal, timeoutMs };
  const limits = limitsIn(scope, call, defaultMs);
  return { ...limits, timeoutMs: limits.timeoutMs ?? timeoutMs };
}

/** A signal that fires with the scope, and when its time is over: for work that goes on until it is ended. */
export function endOf(scope: CallScope, given: AbortSignal | undefined): AbortSignal | undefined {
  const { signal, deadlineMs } = scope;
  const own = eitherOf(signal, given);
  if (deadlineMs === undefined) return own;
  return eitherOf(own, AbortSignal.timeout(Math.max(0, Math.ceil(deadlineMs - performance.now()))));
}

function eitherOf(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return AbortSignal.any([first, second]);
}
