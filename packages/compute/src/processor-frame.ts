/**
 * A batch of processor calls in one piece of shared memory: the main thread writes the calls, a worker writes
 * their outcomes. Nothing in it is the arena: a worker killed at any moment leaves a frame that nobody looks at twice.
 *
 *   [header: 16 words][f64 lanes][i32 lanes][input bytes: keys, values, args][output bytes: values, results, errors]
 *
 * processor-frame F1  COMPLETED = n says: the outcome lanes and bytes of calls [0, n) are there. It is stored (Atomics) after
 *                     them, and the worker that writes it is the only one.
 * processor-frame F2  Call n = COMPLETED is the one that runs while PHASE is RUNNING: it alone is to blame for a death.
 * processor-frame F3  A frame whose worker was killed is never used again: the thread may write until its exit.
 */
import { assert } from '@ashlar/core';
import { copyBytes } from '@ashlar/serialization';
import type { ProcessorBatch } from './processor-batch.ts';

const CALLS = 0;
const ENTRIES = 1;
const COMPLETED = 2;
const PHASE = 3;
const OUTPUT_START = 4;
const OUTPUT_NEEDED = 5;
const HEADER_WORDS = 16;

/** F64 lanes: nowMs, outcome ttl (a call each); ttl (an entry each). */
const F64_CALL_LANES = 2;
/** I32 lanes a call: entryOf, seed, args start and end, action, value start and end, result start and end. */
const I32_CALL_LANES = 9;
/** I32 lanes an entry: key start and end, value start and end. */
const I32_ENTRY_LANES = 4;

export const Phase = { WAITING: 0, LOADING: 1, RUNNING: 2, ENDED: 3 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** What a call did to its entry. KEEP may still have a new time to live; the result of FAILED and REFUSED says why. */
export const Action = { KEEP: 0, SET: 1, REMOVE: 2, FAILED: 3, REFUSED: 4 } as const;
export type Action = (typeof Action)[keyof typeof Action];

/** Offset that stands for "no bytes". */
export const ABSENT = -1;

const { load, store } = Atomics;

/** Bytes of header and lanes. */
function lanesBytes(calls: number, entries: number): number {
  const f64 = (calls * F64_CALL_LANES + entries) * 8;
  const i32 = (calls * I32_CALL_LANES + entries * I32_ENTRY_LANES) * 4;
  return HEADER_WORDS * 4 + f64 + i32;
}

/** Bytes of a frame that holds the batch and `outputBytes` of outcomes. */
export function frameBytes(batch: ProcessorBatch, outputBytes: number): number {
  return lanesBytes(batch.callCount, batch.entryCount) + batch.byteCount + outputBytes;
}

export class ProcessorFrame {
  readonly shared: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  callCount = 0;
  entryCount = 0;
  /** Where lanes begin, as indexes into #f64 and #i32. */
  #nowMs = 0;
  #ttlOut = 0;
  #ttlIn = 0;
  #calls = 0;
  #entries = 0;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.bytes = new Uint8Array(shared);
    this.#i32 = new Int32Array(shared);
    this.#f64 = new Float64Array(shared, 0, shared.byteLength >>> 3);
  }

  /** Takes the lanes' places from the counts in the header. For a frame that is filled. */
  open(): this {
    this.callCount = this.#i32[CALLS]!;
    this.entryCount = this.#i32[ENTRIES]!;
    this.#nowMs = HEADER_WORDS / 2;
    this.#ttlOut = this.#nowMs + this.callCount;
    this.#ttlIn = this.#ttlOut + this.callCount;
    this.#calls = (this.#ttlIn + this.entryCount) * 2;
    this.#entries = this.#calls + this.callCount * I32_CALL_LANES;
    return this;
  }

  /** Writes a batch: call and entry lanes, then the bytes. */
  fill(batch: ProcessorBatch): void {
    const { entryBounds, callBounds, entryOf, seeds, nowMs, ttlMs } = batch;
    const i32 = this.#i32;
    const f64 = this.#f64;
    i32[CALLS] = batch.callCount;
    i32[ENTRIES] = batch.entryCount;
    this.open();
    const base = lanesBytes(this.callCount, this.entryCount);
    const end = base + batch.byteCount;
    assert(end <= this.bytes.length, 'a frame holds its batch');
    copyBytes(batch.bytes, 0, batch.byteCount, this.bytes, base);
    for (let at = 0; at < batch.entryCount * I32_ENTRY_LANES; at++)
      i32[this.#entries + at] = moved(entryBounds[at]!, base);
    for (let entry = 0; entry < batch.entryCount; entry++) f64[this.#ttlIn + entry] = ttlMs[entry]!;
    for (let call = 0; call < batch.callCount; call++) {
      const first = this.#calls + call * I32_CALL_LANES;
      i32[first] = entryOf[call]!;
      i32[first + 1] = seeds[call]!;
      i32[first + 2] = moved(callBounds[call * 2]!, base);
      i32[first + 3] = moved(callBounds[call * 2 + 1]!, base);
      f64[this.#nowMs + call] = nowMs[call]!;
    }
    i32[OUTPUT_START] = end;
    i32[OUTPUT_NEEDED] = 0;
    store(i32, COMPLETED, 0);
    store(i32, PHASE, Phase.WAITING);
  }

  get completed(): number {
    return load(this.#i32, COMPLETED);
  }

  get phase(): Phase {
    return load(this.#i32, PHASE) as Phase;
  }

  set phase(phase: Phase) {
    store(this.#i32, PHASE, phase);
  }

  /** Bytes that the outcome of call COMPLETED wanted when the frame was full; 0: it was not. */
  get outputNeeded(): number {
    return this.#i32[OUTPUT_NEEDED]!;
  }

  set outputNeeded(bytes: number) {
    this.#i32[OUTPUT_NEEDED] = bytes;
  }

  /** Where output bytes begin. */
  get outputStart(): number {
    return this.#i32[OUTPUT_START]!;
  }

  entryOf(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES]!;
  }

  seedOf(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 1]!;
  }

  argsStart(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 2]!;
  }

  argsEnd(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 3]!;
  }

  nowMs(call: number): number {
    return this.#f64[this.#nowMs + call]!;
  }

  keyStart(entry: number): number {
    return this.#i32[this.#entries + entry * I32_ENTRY_LANES]!;
  }

  keyEnd(entry: number): number {
    return this.#i32[this.#entries + entry * I32_ENTRY_LANES + 1]!;
  }

  valueStart(entry: number): number {
    return this.#i32[this.#entries + entry * I32_ENTRY_LANES + 2]!;
  }

  valueEnd(entry: number): number {
    return this.#i32[this.#entries + entry * I32_ENTRY_LANES + 3]!;
  }

  ttlMs(entry: number): number {
    return this.#f64[this.#ttlIn + entry]!;
  }

  /** Publishes the outcome of call COMPLETED (processor-frame F1). `value*` are of SET, `result*` of a result or an error. */
  complete(
    call: number,
    action: Action,
    ttlMs: number,
    valueStart: number,
    valueEnd: number,
    resultStart: number,
    resultEnd: number,
  ): void {
    const first = this.#calls + call * I32_CALL_LANES + 4;
    const i32 = this.#i32;
    i32[first] = action;
    i32[first + 1] = valueStart;
    i32[first + 2] = valueEnd;
    i32[first + 3] = resultStart;
    i32[first + 4] = resultEnd;
    this.#f64[this.#ttlOut + call] = ttlMs;
    store(i32, COMPLETED, call + 1);
  }

  action(call: number): Action {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 4]! as Action;
  }

  newValueStart(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 5]!;
  }

  newValueEnd(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 6]!;
  }

  resultStart(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 7]!;
  }

  resultEnd(call: number): number {
    return this.#i32[this.#calls + call * I32_CALL_LANES + 8]!;
  }

  /** NaN: unchanged. */
  newTtlMs(call: number): number {
    return this.#f64[this.#ttlOut + call]!;
  }
}

function moved(bound: number, base: number): number {
  return bound === ABSENT ? ABSENT : bound + base;
}
