import type { TraceContext } from './trace-context.ts';

/**
 * The call for which work is done, whichever room or member does it: the work ends when its signal fires, takes no longer
 * than its deadline, and belongs to its trace.
 */
export interface CallScope {
  /** Fires when the call is given up, or its caller has left. */
  readonly signal: AbortSignal;
  /** performance.now() of this process at which its time is over; undefined: it has no limit. */
  readonly deadlineMs?: number | undefined;
  /** Undefined: its caller is not traced. */
  readonly trace: TraceContext | undefined;
}
