/** Spans of a task of processor calls: one for each trace that its calls belong to, and none where no caller is traced. */
import type { ProcessorBatch } from '@ashlar/compute';
import type { TraceContext } from '@ashlar/core';
import type { TracedWork, Tracing } from './tracing.ts';

export interface ProcessorSpans {
  /** What the worker needs to run each call in its trace. */
  readonly columns: Required<Pick<ProcessorBatch, 'traces' | 'traceOf'>>;
  /** @param error  that ended the whole task */
  end(error: unknown): void;
}

/** @param entries  the entries of the task with their calls, in the order in which the calls run */
export function processorSpans(
  entries: readonly { readonly calls: readonly { readonly trace?: TraceContext | undefined }[] }[],
  processor: string,
  tracing: Tracing,
): ProcessorSpans | undefined {
  const calls = entries.flatMap((entry) => entry.calls);
  if (!calls.some(({ trace }) => trace !== undefined)) return undefined;
  const spans: TracedWork[] = [];
  const known = new Map<TraceContext | undefined, number>([[undefined, 0]]);
  const traceOf = Uint32Array.from(calls, ({ trace }) => {
    let index = known.get(trace);
    if (index === undefined) {
      const attributes = { 'ashlar.processor': processor, 'ashlar.calls': calls.length };
      known.set(trace, (index = spans.push(tracing.begin('ashlar.processors', trace, attributes))));
    }
    return index;
  });
  return {
    columns: { traces: spans.map(({ trace }) => trace!), traceOf },
    end: (error) => {
      for (const span of spans) span.end(error);
    },
  };
}
