/** Spans of a key-value batch: one for each trace that its operations belong to. */
import type { TraceContext } from '@ashlar/core';
import type { TracedWork, Tracing } from '@ashlar/observe';
import { type KvBatch, traceOf } from '@ashlar/transport';

export class BatchSpans {
  readonly #batch: KvBatch;
  readonly #spans = new Map<TraceContext, TracedWork>();

  constructor(batch: KvBatch, tracing: Tracing) {
    this.#batch = batch;
    const attributes = {
      'ashlar.operations': batch.count,
      'ashlar.maps': batch.maps.map(({ name }) => name).join(','),
    };
    for (const trace of batch.traces) this.#spans.set(trace, tracing.begin('ashlar.kv.batch', trace, attributes));
  }

  /** The trace of whatever an operation causes. */
  readonly traceOf = (operation: number): TraceContext | undefined => {
    const trace = traceOf(this.#batch, operation);
    return trace === undefined ? undefined : this.#spans.get(trace)!.trace;
  };

  /** @param error  that an operation of the batch failed with */
  end(error: unknown): void {
    for (const span of this.#spans.values()) span.end(error);
  }
}
