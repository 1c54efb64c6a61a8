/**
 * Spans by `@opentelemetry/api` where it is installed beside the member. Loaded by the main thread and by user workers, so it
 * imports nothing that runs but `core`.
 *
 * open-telemetry T1  Without OpenTelemetry, or without an SDK in this process, the caller's trace goes on as it came.
 * open-telemetry T2  Spans of key-value batches and processor tasks are made only for callers that are traced; statements,
 *                    jobs and listener runs begin a trace of their own where nobody else did, if the SDK samples it.
 */
import { GridError, spanOf, type TraceContext, traceContextOf } from '@ashlar/core';
import type { Tracing } from '@ashlar/observe';

type Api = typeof import('@opentelemetry/api');

const TRACER = 'ashlar';

/** Undefined: there is no OpenTelemetry. */
export async function loadTracing(): Promise<Tracing | undefined> {
  const api = await loadApi();
  return api === undefined ? undefined : spansOf(api);
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
