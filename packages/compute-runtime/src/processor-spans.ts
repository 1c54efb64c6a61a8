/** Spans of a task of processor calls: one for each trace that its calls belong to, and none where no caller is traced. */
import type { TraceContext } from '@ashlar/core';
import type { TracedWork, Tracing } from '@ashlar/observe';

export interface ProcessorSpans {
  /** What the worker needs to run each call in its trace; see ProcessorBatch. */
  readonly traces: readonly TraceContext[];
  readonly traceOf: readonly number[];
  /** @param error  that ended the whole task */
  end(error: unknown): void;
}

/** A call, and the one that runs after it on the same entry. */
interface TracedCall {
  readonly trace: TraceContext | undefined;
  readonly next: TracedCall | undefined;
}

/** @param entries  the first call on each entry of the task, in the order in which they run */
export function processorSpans(
  entries: readonly TracedCall[],
  processor: string,
  tracing: Tracing,
): ProcessorSpans | undefined {
  if (!isTraced(entries)) return undefined;
  const calls = entries.flatMap(chainOf);
  const spans: TracedWork[] = [];
  const known = new Map<TraceContext | undefined, number>([[undefined, 0]]);
  const traceOf = calls.map(({ trace }) => {
    let index = known.get(trace);
    if (index === undefined) {
      const attributes = { 'ashlar.processor': processor, 'ashlar.calls': calls.length };
      known.set(trace, (index = spans.push(tracing.begin('ashlar.processors', trace, attributes))));
    }
    return index;
  });
  return {
    traces: spans.map(({ trace }) => trace!),
    traceOf,
    end: (error) => {
      for (const span of spans) span.end(error);
    },
  };
}

function isTraced(entries: readonly TracedCall[]): boolean {
  for (const first of entries) {
    for (let call: TracedCall | undefined = first; call !== undefined; call = call.next) {
      if (call.trace !== undefined) return true;
    }
  }
  return false;
}

function chainOf(first: TracedCall): TracedCall[] {
  const calls: TracedCall[] = [];
  for (let call: TracedCall | undefined = first; call !== undefined; call = call.next) calls.push(call);
  return calls;
}
