/**
 * The main thread's half of entry processors: batches go to workers, outcomes come back, and a death is blamed on the right call.
 *
 *   batch -> frame -> worker -> outcomes
 *              ^         | killed at call n: [0, n) keep their outcomes, n gets the error, the rest goes on
 *              '---------'                    in a new frame, from the values that [0, n) left
 *
 * processor-runner R1  Every call of a batch gets exactly one outcome, also when workers die: run() never rejects.
 * processor-runner R2  A batch ends: each round completes a call, blames a call, or doubles the room for an outcome up to a
 *                      bound.
 * processor-runner R3  No batch waits for a worker that its caller holds: it runs in the pool of its depth.
 */
import { GridError } from '@ashlar/core';
import type { WorkerPools } from '@ashlar/workers';
import { BatchPacker } from './batch-packer.ts';
import { FramePool } from './frame-pool.ts';
import { type ModuleRegistry, type RegisteredModule, sourceOf } from './module-registry.ts';
import type { ProcessorBatch, ProcessorOutcomes, RunningBatch } from './processor-batch.ts';
import { frameBytes, Phase, type ProcessorFrame } from './processor-frame.ts';
import { CollectedOutcomes } from './processor-outcomes.ts';
import type { ProcessorTask } from './run-processors.ts';

export interface ProcessorRunOptions {
  /** 0: called from outside; n + 1: called by user code of depth n. */
  readonly depth?: number;
  /** Gives up: calls that have not completed get CANCELLED. */
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of new value and result of one call, at most. */
const OUTCOME_BYTES_MAX = 64 << 20;
const OUTPUT_BYTES_PER_CALL = 256;
/** Errors of a death that the running code caused. */
const BLAMED: ReadonlySet<string> = new Set(['USER_CODE_TIMEOUT', 'USER_CODE_OUT_OF_MEMORY', 'USER_CODE_FAILED']);

export class ProcessorRunner {
  readonly #pools: WorkerPools;
  readonly #modules: ModuleRegistry;
  readonly #frames = new FramePool();

  constructor(pools: WorkerPools, modules: ModuleRegistry) {
    this.#pools = pools;
    this.#modules = modules;
  }

  /**
   * Runs the calls of a batch. Each call has its own error: UNKNOWN_MODULE, UNKNOWN_EXPORT, PROCESSOR_ASYNC,
   * USER_CODE_FAILED, USER_CODE_TIMEOUT, USER_CODE_OUT_OF_MEMORY, INVALID_VALUE, VALUE_TOO_LARGE, OVERLOADED,
   * CALL_DEPTH_EXCEEDED, CANCELLED, SHUTTING_DOWN.
   */
  async run(batch: ProcessorBatch, options: ProcessorRunOptions = {}): Promise<ProcessorOutcomes> {
    const { outcomes, finished } = this.start(batch, options);
    await finished;
    return outcomes;
  }

  /** As run(); what calls left may be taken while later ones run. */
  start(batch: ProcessorBatch, options: ProcessorRunOptions = {}): RunningBatch {
    const outcomes = new CollectedOutcomes(batch, (frame) => this.#frames.give(frame));
    let module: RegisteredModule;
    try {
      module = this.#modules.resolve(batch.module, batch.exportName, 'processor');
    } catch (error) {
      outcomes.addErrors(0, batch.callCount, GridError.wrap(error));
      return { outcomes, finished: Promise.resolve(), look: () => batch.callCount };
    }
    return new Round(this.#pools, this.#frames, module, batch, options, outcomes);
  }
}

/** How a task ended that did not end in order. */
interface Death {
  readonly error: GridError;
  /** Killed by us: then the call that ran is known, and it is not to blame if it ended before its thread did. */
  readonly isKill: boolean;
  readonly completedAtKill: number;
}

/** A batch on its way, over as many frames as it takes. */
class Round implements RunningBatch {
  readonly #pools: WorkerPools;
  readonly #frames: FramePool;
  readonly #module: RegisteredModule;
  readonly #batch: ProcessorBatch;
  readonly #options: ProcessorRunOptions;
  readonly outcomes: CollectedOutcomes;
  readonly finished: Promise<void>;
  #done = 0;

  constructor(
    pools: WorkerPools,
    frames: FramePool,
    module: RegisteredModule,
    batch: ProcessorBatch,
    options: ProcessorRunOptions,
    outcomes: CollectedOutcomes,
  ) {
    this.#pools = pools;
    this.#frames = frames;
    this.#module = module;
    this.#batch = batch;
    this.#options = options;
    this.outcomes = outcomes;
    this.finished = this.#finish().catch((error: unknown) => {
      this.outcomes.addErrors(this.#done, batch.callCount, GridError.wrap(error));
      this.#done = batch.callCount;
    });
  }

  look(): number {
    return Math.max(this.#done, this.outcomes.grow());
  }

  async #finish(): Promise<void> {
    const { callCount } = this.#batch;
    let outputBytes = this.#batch.byteCount + callCount * OUTPUT_BYTES_PER_CALL;
    while (this.#done < callCount) {
      const rest = restOf(this.#batch, this.#done, this.outcomes);
      const frame = this.#frames.take(frameBytes(rest, outputBytes));
      frame.fill(rest);
      this.outcomes.begin(frame, this.#done);
      const death = await this.#attempt(frame, rest);
      // Read once: a dying worker may still publish outcomes. What it publishes later counts for nothing.
      const completed = this.outcomes.grow() - this.#done;
      this.outcomes.end(death === undefined);
      this.#done += completed;
      if (death === undefined) outputBytes = this.#grown(frame, outputBytes);
      else if (!death.isKill || completed === death.completedAtKill) this.#blame(frame, death.error);
    }
  }

  /** @returns why the task did not end by itself */
  async #attempt(frame: ProcessorFrame, rest: ProcessorBatch): Promise<Death | undefined> {
    const { wallMs, memoryMax } = this.#module.limits;
    const task: ProcessorTask = {
      frame: frame.shared,
      source: sourceOf(this.#module),
      exportName: this.#batch.exportName,
      traces: rest.traces.length === 0 ? undefined : rest.traces,
      // The frame begins with the first call that is not done.
      traceOf: rest.traces.length === 0 ? undefined : rest.traceOf,
    };
    const { depth = 0, signal } = this.#options;
    let isKill = false;
    let completedAtKill = 0;
    const onKill = (): void => {
      isKill = true;
      completedAtKill = frame.completed;
    };
    try {
      await this.#pools.run(depth, 'processors', task, { wallMs, memoryMax, signal, onKill }).result;
      return undefined;
    } catch (error) {
      return { error: GridError.wrap(error), isKill, completedAtKill };
    }
  }

  /** The running call is to blame for a death it caused; anything else ends the rest of the batch. */
  #blame(frame: ProcessorFrame, error: GridError): void {
    const { exportName, module, callCount } = this.#batch;
    const told = new GridError(error.code, `${module}.${exportName}: ${error.message}`, {
      hint: error.hint,
      details: { ...error.details, module, exportName },
      cause: error,
    });
    const isOneCall = frame.phase === Phase.RUNNING && BLAMED.has(error.code);
    const end = isOneCall ? this.#done + 1 : callCount;
    this.outcomes.addErrors(this.#done, end, told);
    this.#done = end;
  }

  /** The frame was full: room for what the call wanted. A call that wants too much fails. */
  #grown(frame: ProcessorFrame, outputBytes: number): number {
    if (frame.outputNeeded === 0) return outputBytes;
    if (frame.outputNeeded <= OUTCOME_BYTES_MAX) return Math.max(outputBytes, frame.outputNeeded * 2);
    const error = new GridError('VALUE_TOO_LARGE', `value and result of one call have ${frame.outputNeeded} bytes`, {
      hint: `at most ${OUTCOME_BYTES_MAX} bytes`,
    });
    this.outcomes.addErrors(this.#done, this.#done + 1, error);
    this.#done += 1;
    return outputBytes;
  }
}

/** The calls from `done` on, over the entries as the calls before left them. */
function restOf(batch: ProcessorBatch, done: number, outcomes: CollectedOutcomes): ProcessorBatch {
  if (done === 0) return batch;
  const { bytes, entryBounds, callBounds } = batch;
  const rest = new BatchPacker().begin(batch.module, batch.exportName);
  for (let entry = 0; entry < batch.entryCount; entry++) {
    const at = entry * 4;
    rest.addEntry(bytes, entryBounds[at]!, entryBounds[at + 1]!);
    const left = outcomes.entry(entry);
    const ttlMs = left.ttlMs === undefined && !left.isRenewed ? batch.ttlMs[entry]! : leftOf(left.ttlMs);
    const start = entryBounds[at + 2]!;
    if (left.action === 'set') rest.setValue(entry, left.bytes, left.valueStart, left.valueEnd, ttlMs);
    else if (left.action === 'keep' && start >= 0) rest.setValue(entry, bytes, start, entryBounds[at + 3]!, ttlMs);
  }
  for (let call = done; call < batch.callCount; call++) {
    const start = callBounds[call * 2]!;
    const args = start < 0 ? undefined : bytes;
    rest.addCall(batch.entryOf[call]!, args, start, callBounds[call * 2 + 1]!, batch.nowMs[call]!, batch.seeds[call]!);
  }
  rest.setTraces(batch.traces, batch.traceOf.slice(done));
  return rest;
}

/** Milliseconds that a later call finds; NaN: no deadline, or one that the map gives. */
function leftOf(ttl: number | undefined): number {
  return ttl !== undefined && ttl > 0 ? ttl : Number.NaN;
}
