/**
 * Spans of a member's work, by `@opentelemetry/api` where it is installed beside the member, else none.
 *
 *   trace of the caller (gRPC metadata, kv batch) -> begin: span -> trace of the span -> other members, worker tasks
 *
 * T1  Without OpenTelemetry, or without an SDK in this process, the caller's trace goes on as it came.
 * T2  Spans of key-value batches and processor tasks are made only for callers that are traced; statements, jobs and
 *     listener runs begin a trace of their own where nobody else did, if the SDK samples it.
 */
import { GridError, spanOf, type TraceContext, traceContextOf } from '@ashlar/core';

type Api = typeof import('@opentelemetry/api');

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

/** T1: what comes goes on. */
export const NO_TRACING: Tracing = {
  begin: (_name, trace) => ({ trace, end: () => undefined }),
};

const TRACER = 'ashlar';

export async function loadTracing(): Promise<Tracing> {
  const api = await loadApi();
  return api === undefined ? NO_TRACING : spansOf(api);
}

/** Runs user code of a worker thread in the trace of its caller, so that spans it makes are children of ours. */
export async function loadTraceRunner(): Promise<(<T>(trace: TraceContext, run: () => T) => T) | undefined> {
  const api = await loadApi();
  if (api === undefined) return undefined;
  return (trace, run) => api.context.with(contextOf(trace, api), run);
}

async function loadApi(): Promise<Api | undefined> {
  try {
    return await import('@opentelemetry/api');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

function spansOf(api: Api): Tracing {
  const tracer = api.trace.getTracer(TRACER);
  return {
    begin(name, parent, attributes) {
      const span = tracer.startSpan(name, { kind: api.SpanKind.SERVER, attributes }, contextOf(parent, api));
      return {
        trace: traceContextOf(span.spanContext()) ?? parent,
        end: (error) => {
          if (error !== undefined) fail(span, error, api);
          span.end();
        },
      };
    },
  };
}

function contextOf(trace: TraceContext | undefined, api: Api): ReturnType<Api['context']['active']> {
  const span = trace === undefined ? undefined : spanOf(trace);
  if (span === undefined) return api.ROOT_CONTEXT;
  const traceState = trace!.tracestate === '' ? undefined : api.createTraceState(trace!.tracestate);
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { ...span, traceState, isRemote: true });
}

function fail(span: ReturnType<ReturnType<Api['trace']['getTracer']>['startSpan']>, error: unknown, api: Api): void {
  const { code, message } = GridError.wrap(error);
  span.setAttribute('error.type', code);
  span.setStatus({ code: api.SpanStatusCode.ERROR, message });
}

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

/** A stream in a span that ends with it, also when the reader leaves. */
export async function* tracedStream<T>(
  { trace, end }: TracedWork,
  work: (trace: TraceContext | undefined) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
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
