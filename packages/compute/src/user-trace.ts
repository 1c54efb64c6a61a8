/** Runs user code in the trace of who called it, where the member has tracing; a worker thread has one runner. */
import type { TraceContext } from '@ashlar/core';

export type TraceRunner = <T>(trace: TraceContext, run: () => T) => T;

let runner: TraceRunner | undefined;

/** Before the first task. */
export function setTraceRunner(given: TraceRunner | undefined): void {
  runner = given;
}

export function inTrace<T>(trace: TraceContext | undefined, run: () => T): T {
  return trace === undefined || runner === undefined ? run() : runner(trace, run);
}
