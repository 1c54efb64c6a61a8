/**
 * Puts a batch of processor calls together, in memory that is used again for the next one: no object stands for an entry
 * or a call.
 */
import type { TraceContext } from '@ashlar/core';
import { copyBytes } from '@ashlar/serialization';
import type { ProcessorBatch } from './processor-batch.ts';

const FIRST_BYTES = 16 << 10;
const FIRST_COUNT = 64;
const ENTRY_BOUNDS = 4;
const CALL_BOUNDS = 2;
const ABSENT = -1;

export class BatchPacker implements ProcessorBatch {
  module = '';
  exportName = '';
  entryCount = 0;
  callCount = 0;
  byteCount = 0;
  bytes = new Uint8Array(FIRST_BYTES);
  entryBounds = new Int32Array(FIRST_COUNT * ENTRY_BOUNDS);
  callBounds = new Int32Array(FIRST_COUNT * CALL_BOUNDS);
  ttlMs = new Float64Array(FIRST_COUNT);
  entryOf = new Int32Array(FIRST_COUNT);
  nowMs = new Float64Array(FIRST_COUNT);
  seeds = new Int32Array(FIRST_COUNT);
  traces: readonly TraceContext[] = [];
  traceOf: readonly number[] = [];

  /** Empties it. */
  begin(module: string, exportName: string): this {
    this.module = module;
    this.exportName = exportName;
    this.entryCount = 0;
    this.callCount = 0;
    this.byteCount = 0;
    this.traces = [];
    this.traceOf = [];
    return this;
  }

  /**
   * Adds an entry, which is absent unless setValue() gives it a value.
   *
   * @returns its index
   */
  addEntry(key: Uint8Array, start: number, end: number): number {
    const entry = this.entryCount;
    if (entry === this.ttlMs.length) this.#growEntries();
    this.entryCount = entry + 1;
    const at = entry * ENTRY_BOUNDS;
    this.entryBounds[at] = this.#copy(key, start, end);
    this.entryBounds[at + 1] = this.byteCount;
    this.entryBounds[at + 2] = ABSENT;
    this.entryBounds[at + 3] = ABSENT;
    this.ttlMs[entry] = Number.NaN;
    return entry;
  }

  /** @param ttlMs  NaN: it does not expire */
  setValue(entry: number, value: Uint8Array, start: number, end: number, ttlMs: number): void {
    const at = entry * ENTRY_BOUNDS + 2;
    this.entryBounds[at] = this.#copy(value, start, end);
    this.entryBounds[at + 1] = this.byteCount;
    this.ttlMs[entry] = ttlMs;
  }

  /** @param args  undefined: called without arguments */
  addCall(
    entry: number,
    args: Uint8Array | undefined,
    argsStart: number,
    argsEnd: number,
    nowMs: number,
    seed: number,
  ): void {
    const call = this.callCount;
    if (call === this.entryOf.length) this.#growCalls();
    this.callCount = call + 1;
    const at = call * CALL_BOUNDS;
    this.callBounds[at] = args === undefined ? ABSENT : this.#copy(args, argsStart, argsEnd);
    this.callBounds[at + 1] = args === undefined ? ABSENT : this.byteCount;
    this.entryOf[call] = entry;
    this.nowMs[call] = nowMs;
    this.seeds[call] = seed;
  }

  /** @see ProcessorBatch */
  setTraces(traces: readonly TraceContext[], traceOf: readonly number[]): void {
    this.traces = traces;
    this.traceOf = traceOf;
  }

  /** @returns where the bytes begin */
  #copy(source: Uint8Array, start: number, end: number): number {
    const at = this.byteCount;
    const wanted = at + end - start;
    if (wanted > this.bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
    }
    copyBytes(source, start, end, this.bytes, at);
    this.byteCount = wanted;
    return at;
  }

  #growEntries(): void {
    this.entryBounds = grown(this.entryBounds);
    this.ttlMs = grown(this.ttlMs);
  }

  #growCalls(): void {
    this.callBounds = grown(this.callBounds);
    this.entryOf = grown(this.entryOf);
    this.nowMs = grown(this.nowMs);
    this.seeds = grown(this.seeds);
  }
}

function grown<T extends Int32Array | Float64Array>(column: T): T {
  const larger = new (column.constructor as new (length: number) => T)(column.length * 2);
  larger.set(column);
  return larger;
}
