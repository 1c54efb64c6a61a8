/**
 * The trace that the application is in, for the calls it makes: by `@opentelemetry/api`, where the application has it.
 * Without it, or while no span is active, calls carry nothing and cost nothing more.
 */
import { type TraceContext, traceContextOf } from '@ashlar/core';

/** The way to the present trace; undefined: the application has no OpenTelemetry. */
export async function presentTrace(): Promise<(() => TraceContext | undefined) | undefined> {
  const api = await import('@opentelemetry/api').catch(noneInstalled);
  if (api === undefined) return undefined;
  const { context, trace } = api;
  // Contexts never change: calls made in one share one object, so that a batch names their trace once.
  let lastContext: object | undefined;
  let lastTrace: TraceContext | undefined;
  return () => {
    const active = context.active();
    if (active === lastContext) return lastTrace;
    const span = trace.getSpanContext(active);
    lastContext = active;
    lastTrace = span === undefined ? undefined : traceContextOf(span);
    return lastTrace;
  };
}

/** That it is not installed is no failure; everything else is. */
function noneInstalled(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
}
