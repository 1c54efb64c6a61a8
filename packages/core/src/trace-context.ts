/**
 * Who caused a piece of work, as it travels from process to process and into threads: W3C trace context. Plain text, so
 * that it crosses gRPC, kv batches and worker messages as it is; tracing libraries make spans from it at the edges.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export interface TraceContext {
  /** `00-<32 hex>-<16 hex>-<2 hex>` */
  readonly traceparent: string;
  /** Empty: none. */
  readonly tracestate: string;
}

/** A span's identity as tracing libraries hold it. */
export interface SpanIdentity {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly traceFlags: number;
  readonly traceState?: { serialize(): string } | undefined;
}

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** The context by which others continue a span; undefined for a span that has no identity. */
export function traceContextOf({ traceId, spanId, traceFlags, traceState }: SpanIdentity): TraceContext | undefined {
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0');
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: traceState?.serialize() ?? '' };
}

/** The span that a context names; undefined when it names none, as the standard wants it: then there is no trace. */
export function spanOf({ traceparent }: TraceContext): Omit<SpanIdentity, 'traceState'> | undefined {
  const match = TRACEPARENT.exec(traceparent);
  if (match === null || traceparent.startsWith('ff')) return undefined;
  const [, traceId, spanId, flags, rest] = match;
  if (traceId === NO_TRACE || spanId === NO_SPAN || (rest !== undefined && traceparent.startsWith('00'))) {
    return undefined;
  }
  return { traceId: traceId!, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16) };
}
