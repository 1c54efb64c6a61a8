/** observe: what a member reports of its work: histograms, counters, metrics, spans. */
export { LoopDelay } from './loop-delay.ts';
export { COUNT, CountersByMap, MapCounters } from './map-counters.ts';
export { MemberMetrics, type Reading } from './metrics.ts';
export { SharedPage } from './shared-page.ts';
export { NO_TRACING, type SpanAttributes, type TracedWork, type Tracing, tracedCall, tracedStream } from './tracing.ts';
