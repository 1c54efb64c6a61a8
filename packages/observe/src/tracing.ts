/**
 * Spans of a member's work: what the rooms that do the work know of them. Who makes them is the member's to say.
 *
 *   trace of the caller (gRPC metadata, kv batch) -> begin: span -> trace of the span -> other members, worker tasks
 *
 * tracing T1  Where nobody makes spans, the caller's trace goes on as it came.
 */
import type { TraceContext } from '@ashlar/core';

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Work under way that has a span, if anybody wants one. */
export interface TracedWork {
  /** For whatever this work causes. */
  readonly trace: TraceContext | undefined;
  /** Once. */
  end(error?: unknown): void;
}

export interface Tracing {
  /** @param parent  the trace of who asked; undefined: a trace of its own */
  begin(name: string, parent: TraceContext | undefined, attributes: SpanAttributes): TracedWork;
}

/** tracing T1: what comes goes on. */
export const NO_TRACING: Tracing = {
  begin: (_name, trace) => ({ trace, end: () => undefined }),
};

/** Runs `work` in a span that ends with it. */
export async function tracedCall<T>(
  { trace, end }: TracedWork,
  work: (trace: TraceContext | undefined) => Promise<T>,
): Promise<T> {
  try {
    const result = await work(trace);
    end();
    return result;
  } catch (error) {
    end(error);
    throw error;
  }
}

/**
 * A stream in a span that begins when it is first read, and ends with it, also when the reader leaves.
 *
 * @param begin  called once, or never where the reader leaves before it has read
 */
export async function* tracedStream<T>(
  begin: () => TracedWork,
  work: (trace: TraceContext | undefined) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { trace, end } = begin();
  let failure: unknown;
  try {
    yield* work(trace);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    end(failure);
  }
}
