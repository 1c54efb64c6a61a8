/** Input and output of a batch of entry processor calls. */
import type { GridError, TraceContext } from '@ashlar/core';

/**
 * Calls of one processor on some entries. Calls on one entry chain: a later one sees what an earlier one left.
 * Columns are aligned, and valid up to `entryCount` or `callCount`; byte strings lie one after the other in `bytes`.
 */
export interface ProcessorBatch {
  /** The module's name or hash in the registry. */
  readonly module: string;
  readonly exportName: string;
  readonly entryCount: number;
  readonly callCount: number;
  /** Canonical keys, values and arguments (MessagePack). */
  readonly bytes: Uint8Array;
  readonly byteCount: number;
  /** Entry e begins at 4 * e: key start and end, value start and end; a value at -1: there is no entry. */
  readonly entryBounds: Int32Array;
  /** Call c begins at 2 * c: start and end of its arguments; -1: called without. */
  readonly callBounds: Int32Array;
  /** Milliseconds until the entry expires; NaN: it does not. */
  readonly ttlMs: Float64Array;
  /** entryOf[c] is the index of the entry that call c works on. */
  readonly entryOf: Int32Array;
  /** entry.now: milliseconds since 1970, the same when the call is repeated. */
  readonly nowMs: Float64Array;
  /** Seeds of entry.random(), the same when the call is repeated; 32-bit integers. */
  readonly seeds: Int32Array;
  /** Distinct traces of the calls; empty: no caller is traced. */
  readonly traces: readonly TraceContext[];
  /** traceOf[c] is 1 + an index into traces, 0 or absent: none. */
  readonly traceOf: readonly number[];
}

/** The state of an entry after all calls on it. */
export interface EntryOutcome {
  readonly action: 'keep' | 'set' | 'remove';
  /** MessagePack bytes of 'set': `bytes[valueStart, valueEnd)`, in memory that release() gives away. */
  readonly bytes: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** New time to live as a number (core's time-to-live.ts); undefined: the deadline stays as it is. */
  readonly ttlMs: number | undefined;
  /** Whether it was removed on the way: what is 'set' is a new entry then, and the old deadline does not count. */
  readonly isRenewed: boolean;
  /** The call of the batch that changed it last; -1: none did. */
  readonly lastChange: number;
}

/** The result of a call: MessagePack bytes `bytes[start, end)`, in memory that release() gives away. */
export interface CallResult {
  readonly bytes: Uint8Array;
  readonly start: number;
  /** As start: it returned undefined. */
  readonly end: number;
}

/** A batch that workers have. */
export interface RunningBatch {
  /** Of calls [0, look()); of all of them once it has finished. */
  readonly outcomes: ProcessorOutcomes;
  /** Every call has its outcome, and no worker has the batch any more. It never rejects. */
  readonly finished: Promise<void>;
  /** Looks how far the worker has come. @returns calls [0, n) have their outcomes, which are final */
  look(): number;
}

/** The outcomes of a batch: complete, whatever was killed on the way. */
export interface ProcessorOutcomes {
  readonly callCount: number;
  /** Why the call failed; then it changed nothing. */
  error(call: number): GridError | undefined;
  /** Whether user code refused the call; then it changed nothing, and its result is the refusal (`encodeRefusal`). */
  isRefused(call: number): boolean;
  /** Whether the call stored, removed or re-dated its entry. */
  hasChanged(call: number): boolean;
  /** The result of a call that did not fail. Good until the next call of result(). */
  result(call: number): CallResult;
  /** Good until the next call of entry(). */
  entry(entry: number): EntryOutcome;
  /** Called when values and results are copied or dropped: their memory may be used again. */
  release(): void;
}
