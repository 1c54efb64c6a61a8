/** The worker's half of jobs: map over partitions against one snapshot, and reduce. */
import { type JobContext, Refusal } from '@ashlar/api';
import { GridError, type MapId, type PartitionId, type TraceContext, type Version } from '@ashlar/core';
import { decodeValue, encodeValue, refusedBy, type ValueReader } from '@ashlar/serialization';
import type { StoreReader } from '@ashlar/storage';
import { type CodePlace, transferring, userErrorToWire, type WorkerContext } from '@ashlar/workers';
import { answeredOrRefused, type OrRefused } from './crossing-errors.ts';
import type { ModuleSource } from './module-registry.ts';
import { buffersOf, type PackedBytes, packBytes, unpackBytes } from './packed-bytes.ts';
import { SnapshotRows } from './partition-rows.ts';
import { inTrace } from './user-trace.ts';
import { definition } from './worker-modules.ts';

export interface JobMapTask {
  readonly source: ModuleSource;
  readonly exportName: string;
  /** MessagePack; undefined: no arguments. */
  readonly args: Uint8Array | undefined;
  readonly mapId: MapId;
  readonly map: string;
  readonly partitionIds: readonly PartitionId[];
  readonly snapshotId: number;
  readonly version: Version;
  readonly trace: TraceContext | undefined;
}

export interface JobReduceTask {
  readonly source: ModuleSource;
  readonly exportName: string;
  readonly args: Uint8Array | undefined;
  readonly partials: PackedBytes;
  readonly trace: TraceContext | undefined;
}

/** A task's message: 0 .. 1 of its work is done. */
export interface JobProgress {
  readonly share: number;
}

const PROGRESS_EVERY_MS = 25;
/** The values of segments are read again and again by the jobs of a worker. */
const valueReaders = new WeakMap<Uint8Array, ValueReader>();

/** Handler of tasks of kind "job-map": the partial results, aligned with partitionIds. */
export function runJobMap(task: JobMapTask, context: WorkerContext<StoreReader>): Promise<OrRefused<PackedBytes>> {
  return answeredOrRefused(mapPartitions(task, context));
}

async function mapPartitions(task: JobMapTask, context: WorkerContext<StoreReader>): Promise<PackedBytes> {
  const job = await definition(task.source, task.exportName, 'job');
  const place = { module: task.source.name, exportName: task.exportName };
  const args = decoded(task.args);
  const progress = new ProgressOf(context, task.partitionIds.length);
  progress.begin();
  const partials: (Uint8Array | undefined)[] = [];
  for (const partitionId of task.partitionIds) {
    context.throwIfCancelled();
    const rows = new SnapshotRows(context.reader, { ...task, partitionId }, valueReaders);
    const partial = await calledBy(place, () =>
      inTrace(task.trace, () => job.map(rows, args, progress.contextOfNext())),
    );
    context.throwIfCancelled();
    partials.push(encoded(partial));
    progress.partitionDone();
  }
  const packed = packBytes(partials);
  return transferring(packed, buffersOf(packed));
}

/** Handler of tasks of kind "job-reduce": the result; undefined when the job has none. */
export function runJobReduce(task: JobReduceTask): Promise<OrRefused<Uint8Array | undefined>> {
  return answeredOrRefused(reducePartials(task));
}

async function reducePartials(task: JobReduceTask): Promise<Uint8Array | undefined> {
  const job = await definition(task.source, task.exportName, 'job');
  const place = { module: task.source.name, exportName: task.exportName };
  const partials = unpackBytes(task.partials).map(decoded);
  return encoded(await calledBy(place, () => inTrace(task.trace, () => job.reduce(partials, decoded(task.args)))));
}

function decoded(bytes: Uint8Array | undefined): unknown {
  return bytes === undefined ? undefined : decodeValue(bytes);
}

function encoded(value: unknown): Uint8Array | undefined {
  return value === undefined ? undefined : encodeValue(value);
}

/** Ours (an expired snapshot, a cancel) passes through user code as it is. */
async function calledBy(place: CodePlace, call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (Refusal.is(error)) throw refusedBy(error, place);
    throw error instanceof GridError ? error : GridError.from(userErrorToWire(error, place));
  }
}

/** Progress of a task over its partitions, reported at most every PROGRESS_EVERY_MS. */
class ProgressOf {
  readonly #context: WorkerContext<StoreReader>;
  readonly #count: number;
  #done = 0;
  #toldAtMs = 0;

  constructor(context: WorkerContext<StoreReader>, count: number) {
    this.#context = context;
    this.#count = count;
  }

  begin(): void {
    this.#tell(0);
  }

  partitionDone(): void {
    this.#done += 1;
    this.#tell(0);
  }

  /** The context that the user's map function gets for the next partition. */
  contextOfNext(): JobContext {
    return { signal: flagSignal(this.#context), progress: (share) => this.#tell(share) };
  }

  #tell(share: number): void {
    this.#context.beat();
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < PROGRESS_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    const bounded = share >= 0 && share <= 1 ? share : 0;
    this.#context.post({ share: (this.#done + bounded) / this.#count } satisfies JobProgress);
  }
}

/** A signal that looks at the cancel flag when it is asked: a synchronous loop gets no events. */
function flagSignal(context: WorkerContext<StoreReader>): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const isAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')!.get!;
  const look = (): boolean => {
    if (context.cancelled()) controller.abort(new GridError('CANCELLED', 'the job was cancelled'));
    return isAborted.call(signal) as boolean;
  };
  Object.defineProperty(signal, 'aborted', { get: look });
  Object.defineProperty(signal, 'throwIfAborted', {
    value: () => {
      if (look()) throw signal.reason;
    },
  });
  return signal;
}
