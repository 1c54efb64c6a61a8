/**
 * The worker's half of entry processors: runs the calls of a frame one after the other and publishes each outcome.
 *
 *   current value of the entry -> decode on demand -> run -> encode what was assigned -> publish -> next call
 *
 * run-processors P1  A call's changes are in the frame after it returned, or not at all; a call that throws changed nothing.
 * run-processors P2  A later call on an entry starts from the bytes an earlier one stored, never from its objects.
 * run-processors P3  Nothing of user code runs between the last outcome and the end of the task.
 * run-processors P4  What a call changes stands when it returns: getters of its value and its result, which run as they are
 *                    written, change nothing any more.
 */
import { types } from 'node:util';
import { type EntryProcessor, Refusal } from '@ashlar/api';
import { GridError, type TraceContext, type WireError } from '@ashlar/core';
import { copyBytes, encodeRefusal, encodeValue, refusedBy, ValueReader, ValueWriter } from '@ashlar/serialization';
import { type CodePlace, userErrorToWire, type WorkerContext } from '@ashlar/workers';
import type { ModuleSource } from './module-registry.ts';
import { type Change, ProcessorEntry } from './processor-entry.ts';
import { ABSENT, Action, Phase, ProcessorFrame } from './processor-frame.ts';
import { inTrace } from './user-trace.ts';
import { definition } from './worker-modules.ts';

export interface ProcessorTask {
  readonly frame: SharedArrayBuffer;
  readonly source: ModuleSource;
  readonly exportName: string;
  /** Distinct traces of the calls; undefined: no caller is traced. */
  readonly traces: readonly TraceContext[] | undefined;
  /** By call: 1 + an index into traces, 0: none. */
  readonly traceOf: ArrayLike<number> | undefined;
}

const writer = new ValueWriter();
const { max } = Math;

/** Handler of tasks of kind "processors". Outcomes are in the frame; a thrown error concerns every call. */
export function runProcessors(task: ProcessorTask, context: WorkerContext<unknown>): void | Promise<void> {
  const frame = new ProcessorFrame(task.frame).open();
  frame.phase = Phase.LOADING;
  const place = { module: task.source.name, exportName: task.exportName };
  const found = definition(task.source, task.exportName, 'processor');
  if ('then' in found) return found.then((processor) => new BatchRun(frame, processor, place, context, task).run());
  new BatchRun(frame, found, place, context, task).run();
}

/** One pass over the calls of a frame. */
class BatchRun {
  readonly #frame: ProcessorFrame;
  readonly #run: EntryProcessor['run'];
  readonly #place: CodePlace;
  readonly #context: WorkerContext<unknown>;
  readonly #traced: Pick<ProcessorTask, 'traces' | 'traceOf'>;
  readonly #reader: ValueReader;
  /** Where the value of each entry lies now, and what its time to live is. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #ttls: Float64Array;
  #outputAt: number;

  constructor(
    frame: ProcessorFrame,
    processor: EntryProcessor,
    place: CodePlace,
    context: WorkerContext<unknown>,
    traced: Pick<ProcessorTask, 'traces' | 'traceOf'>,
  ) {
    this.#frame = frame;
    this.#run = processor.run;
    this.#place = place;
    this.#context = context;
    this.#traced = traced;
    this.#reader = new ValueReader(frame.bytes);
    this.#outputAt = frame.outputStart;
    this.#starts = new Int32Array(frame.entryCount);
    this.#ends = new Int32Array(frame.entryCount);
    this.#ttls = new Float64Array(frame.entryCount);
    for (let entry = 0; entry < frame.entryCount; entry++) {
      this.#starts[entry] = frame.valueStart(entry);
      this.#ends[entry] = frame.valueEnd(entry);
      this.#ttls[entry] = frame.ttlMs(entry);
    }
  }

  run(): void {
    const { callCount } = this.#frame;
    this.#frame.phase = Phase.RUNNING;
    for (let call = 0; call < callCount; call++) {
      if (!this.#runCall(call)) break;
      this.#context.beat();
    }
    this.#frame.phase = Phase.ENDED;
  }

  /** @returns false when the outcome does not fit into the frame */
  #runCall(call: number): boolean {
    const entryIndex = this.#frame.entryOf(call);
    const entry = new ProcessorEntry(
      this.#frame,
      this.#reader,
      call,
      this.#starts[entryIndex]!,
      this.#ends[entryIndex]!,
      this.#ttls[entryIndex]!,
    );
    writer.reset();
    let valueEnd = 0;
    let resultEnd = ABSENT;
    let change: Change;
    let ttlMs: number;
    try {
      const result = this.#called(entry, call);
      change = ProcessorEntry.changeOf(entry);
      ttlMs = ProcessorEntry.newTtlOf(entry);
      if (change === 'set') valueEnd = writer.write(ProcessorEntry.valueOf(entry));
      if (result !== undefined) resultEnd = writer.write(result);
    } catch (error) {
      return this.#ended(call, error);
    }
    return this.#succeed(call, change, ttlMs, valueEnd, resultEnd);
  }

  #called(entry: ProcessorEntry, call: number): unknown {
    const start = this.#frame.argsStart(call);
    let args: unknown;
    if (start !== ABSENT) {
      this.#reader.readAt(start, this.#frame.argsEnd(call));
      args = this.#reader.decode();
    }
    const run = this.#run;
    const { traces, traceOf } = this.#traced;
    const result =
      traces === undefined ? run(entry, args) : inTrace(traces[traceOf![call]! - 1], () => run(entry, args));
    if (typeof result === 'object' && result !== null) this.#refusePromise(result);
    return result;
  }

  #refusePromise(result: object): void {
    if (types.isPromise(result)) result.catch(() => undefined);
    else if (typeof (result as { then?: unknown }).then !== 'function') return;
    const { module, exportName } = this.#place;
    throw new GridError(
      'PROCESSOR_ASYNC',
      `${module}.${exportName} returned a promise: entry processors are synchronous`,
      {
        hint: 'await before the call and pass the result as an argument, or use a listener or a job',
        details: { module, exportName },
      },
    );
  }

  /** Our own errors (a value that cannot be stored, an async processor) as they are, those of user code wrapped. */
  #errorOf(error: unknown): WireError {
    if (!(error instanceof GridError)) return userErrorToWire(error, this.#place);
    return { ...error.toWire(), details: { ...error.details, ...this.#place } };
  }

  /** @param valueEnd  end of the value within the writer, which it begins; @param resultEnd  or ABSENT */
  #succeed(call: number, change: Change, ttlMs: number, valueEnd: number, resultEnd: number): boolean {
    const frame = this.#frame;
    const entryIndex = frame.entryOf(call);
    const at = this.#copyOutput(writer.bytes, max(valueEnd, resultEnd));
    if (at < 0) return false;
    const resultAt = resultEnd === ABSENT ? ABSENT : at + valueEnd;
    const resultStop = resultEnd === ABSENT ? ABSENT : at + resultEnd;
    if (change === 'set') {
      frame.complete(call, Action.SET, ttlMs, at, at + valueEnd, resultAt, resultStop);
      this.#starts[entryIndex] = at;
      this.#ends[entryIndex] = at + valueEnd;
    } else if (change === 'remove') {
      frame.complete(call, Action.REMOVE, Number.NaN, ABSENT, ABSENT, resultAt, resultStop);
      this.#starts[entryIndex] = ABSENT;
      this.#ttls[entryIndex] = Number.NaN;
      return true;
    } else {
      frame.complete(call, Action.KEEP, ttlMs, ABSENT, ABSENT, resultAt, resultStop);
    }
    if (!Number.isNaN(ttlMs)) this.#ttls[entryIndex] = leftOf(ttlMs);
    return true;
  }

  /** The call threw: a refusal goes to its caller as it is. */
  #ended(call: number, thrown: unknown): boolean {
    if (!Refusal.is(thrown)) return this.#unchanged(call, Action.FAILED, encodeValue(this.#errorOf(thrown)));
    let refused: Uint8Array;
    try {
      refused = encodeRefusal(refusedBy(thrown, this.#place));
    } catch (error) {
      return this.#unchanged(call, Action.FAILED, encodeValue(this.#errorOf(error)));
    }
    return this.#unchanged(call, Action.REFUSED, refused);
  }

  /** @param why  the error that its caller gets */
  #unchanged(call: number, action: Action, why: Uint8Array): boolean {
    const at = this.#copyOutput(why, why.length);
    if (at < 0) return false;
    this.#frame.complete(call, action, Number.NaN, ABSENT, ABSENT, at, at + why.length);
    return true;
  }

  /** Copies bytes[0, length) to the output. @returns where, or -1 when the frame is full */
  #copyOutput(bytes: Uint8Array, length: number): number {
    const at = this.#outputAt;
    if (at + length > this.#frame.bytes.length) {
      this.#frame.outputNeeded = length;
      return -1;
    }
    copyBytes(bytes, 0, length, this.#frame.bytes, at);
    this.#outputAt = at + length;
    return at;
  }
}

/** What a later call finds of a time to live that was set; NaN: no deadline, or one that the map gives. */
function leftOf(ttl: number): number {
  return ttl > 0 ? ttl : Number.NaN;
}
