/**
 * The outcomes of a batch, put together from the frames it took: one, and one more for every kill on the way.
 *
 *   begin(frame) -> grow(completed) ... grow(completed) -> end: the worker is through with the frame
 *
 * processor-outcomes O1  What a call left is final once its frame counts it as completed: it may be read while later calls run.
 * processor-outcomes O2  A frame is given back when its worker has ended the task by itself and release() was called, whichever
 *                        comes last.
 */
import { assert, GridError, type WireError } from '@ashlar/core';
import { decodeValue } from '@ashlar/serialization';
import { ownBytes } from './own-bytes.ts';
import type { CallResult, EntryOutcome, ProcessorBatch, ProcessorOutcomes } from './processor-batch.ts';
import { ABSENT, Action, type ProcessorFrame } from './processor-frame.ts';

/** Calls [firstCall, firstCall + count) of the batch are calls [0, count) of the frame. */
interface Segment {
  readonly frame: ProcessorFrame;
  readonly firstCall: number;
  count: number;
  /** Whether its worker ended the task by itself. */
  isReusable: boolean;
}

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

const NO_BYTES = new Uint8Array(0);

export class CollectedOutcomes implements ProcessorOutcomes {
  readonly callCount: number;
  readonly #entryOf: Int32Array;
  readonly #segments: Segment[] = [];
  /** Outcomes of calls that are in no frame: killed, or never run. */
  readonly #errors = new Map<number, GridError>();
  /** What entry() and result() answer, moved from one to the next. */
  readonly #entry: Changeable<EntryOutcome> = {
    action: 'keep',
    bytes: NO_BYTES,
    valueStart: 0,
    valueEnd: 0,
    ttlMs: undefined,
    isRenewed: false,
    lastChange: -1,
  };
  readonly #result: Changeable<CallResult> = { bytes: NO_BYTES, start: 0, end: 0 };
  /** By entry: the call that stored or removed it last, and the one that set its time to live last; -1: none. */
  readonly #lastChange: Int32Array;
  readonly #lastTtl: Int32Array;
  /** By entry: 1 when a call removed it. */
  readonly #wasRemoved: Uint8Array;
  readonly #onRelease: (frame: ProcessorFrame) => void;
  /** The one that a worker has. */
  #open: Segment | undefined;
  #isReleased = false;

  constructor(batch: ProcessorBatch, onRelease: (frame: ProcessorFrame) => void) {
    this.callCount = batch.callCount;
    this.#entryOf = batch.entryOf;
    this.#lastChange = new Int32Array(batch.entryCount).fill(-1);
    this.#lastTtl = new Int32Array(batch.entryCount).fill(-1);
    this.#wasRemoved = new Uint8Array(batch.entryCount);
    this.#onRelease = onRelease;
  }

  /** A worker gets the frame: its calls are calls firstCall and on of the batch. */
  begin(frame: ProcessorFrame, firstCall: number): void {
    this.#open = { frame, firstCall, count: 0, isReusable: false };
    this.#segments.push(this.#open);
  }

  /**
   * Takes over what the worker has completed by now (processor-outcomes O1).
   *
   * @returns calls [0, n) of the batch are in frames, or failed; 0: no worker has one
   */
  grow(): number {
    const segment = this.#open;
    if (segment === undefined) return 0;
    const { frame, firstCall, count } = segment;
    const completed = frame.completed;
    segment.count = completed;
    for (let local = count; local < completed; local++) {
      const call = firstCall + local;
      const entry = this.#entryOf[call]!;
      const action = frame.action(local);
      if (action === Action.FAILED || action === Action.REFUSED) continue;
      if (action !== Action.KEEP) {
        this.#lastChange[entry] = call;
        if (action === Action.REMOVE) {
          this.#lastTtl[entry] = -1;
          this.#wasRemoved[entry] = 1;
        }
      }
      if (!Number.isNaN(frame.newTtlMs(local))) this.#lastTtl[entry] = call;
    }
    return firstCall + completed;
  }

  /** The worker is through with its frame, or gone: what it does there from now on counts for nothing. @param isReusable  it ended the task by itself */
  end(isReusable: boolean): void {
    this.#open!.isReusable = isReusable;
    this.#open = undefined;
    if (this.#isReleased) this.#giveBack();
  }

  /** Calls [firstCall, end) failed with `error`. */
  addErrors(firstCall: number, end: number, error: GridError): void {
    for (let call = firstCall; call < end; call++) this.#errors.set(call, error);
  }

  error(call: number): GridError | undefined {
    const error = this.#errors.size === 0 ? undefined : this.#errors.get(call);
    if (error !== undefined) return error;
    const { frame, firstCall } = this.#segmentOf(call);
    const local = call - firstCall;
    if (frame.action(local) !== Action.FAILED) return undefined;
    const wire = decodeValue(ownBytes(frame.bytes, frame.resultStart(local), frame.resultEnd(local)));
    return GridError.from(wire as WireError);
  }

  isRefused(call: number): boolean {
    if (this.#errors.size > 0 && this.#errors.has(call)) return false;
    const { frame, firstCall } = this.#segmentOf(call);
    return frame.action(call - firstCall) === Action.REFUSED;
  }

  hasChanged(call: number): boolean {
    if (this.#errors.size > 0 && this.#errors.has(call)) return false;
    const { frame, firstCall } = this.#segmentOf(call);
    const local = call - firstCall;
    const action = frame.action(local);
    if (action === Action.KEEP) return !Number.isNaN(frame.newTtlMs(local));
    return action === Action.SET || action === Action.REMOVE;
  }

  result(call: number): CallResult {
    const { frame, firstCall } = this.#segmentOf(call);
    const start = frame.resultStart(call - firstCall);
    const result = this.#result;
    result.bytes = frame.bytes;
    result.start = start === ABSENT ? 0 : start;
    result.end = start === ABSENT ? 0 : frame.resultEnd(call - firstCall);
    return result;
  }

  entry(entry: number): EntryOutcome {
    const change = this.#lastChange[entry]!;
    const ttl = this.#lastTtl[entry]!;
    const outcome = this.#entry;
    outcome.action = 'keep';
    outcome.ttlMs = ttl < 0 ? undefined : this.#ttlOf(ttl);
    outcome.isRenewed = this.#wasRemoved[entry] === 1;
    outcome.lastChange = Math.max(change, ttl);
    if (change < 0) return outcome;
    const { frame, firstCall } = this.#segmentOf(change);
    const start = frame.newValueStart(change - firstCall);
    outcome.action = start === ABSENT ? 'remove' : 'set';
    outcome.bytes = frame.bytes;
    outcome.valueStart = start;
    outcome.valueEnd = frame.newValueEnd(change - firstCall);
    return outcome;
  }

  release(): void {
    this.#isReleased = true;
    this.#giveBack();
  }

  /** processor-outcomes O2 */
  #giveBack(): void {
    for (const segment of this.#segments) {
      if (segment.isReusable) this.#onRelease(segment.frame);
      segment.isReusable = false;
    }
  }

  #ttlOf(call: number): number {
    const { frame, firstCall } = this.#segmentOf(call);
    return frame.newTtlMs(call - firstCall);
  }

  #segmentOf(call: number): Segment {
    const first = this.#segments[0];
    if (first !== undefined && call < first.count) return first;
    const found = this.#segments.find(({ firstCall, count }) => call >= firstCall && call < firstCall + count);
    assert(found !== undefined, () => `call ${call} has an outcome until release()`);
    return found;
  }
}
