/**
 * One member's part of a query: its partitions cut into tasks for the query workers, their batches as a stream.
 *
 *   all columns there:  one task a thread, each claims partition after partition --+
 *   columns to make:    tasks sized by rows, each with pages for its partitions ---+--> batches, under a byte bound
 *
 * F1  While more than QUEUED_BYTES_MAX of batches wait for the reader no further task starts, and tasks that claim end: a
 *     slow reader stops the scan.
 * F2  What the snapshot may see is scanned, also in partitions that hold nothing any more.
 * F3  What workers make of columns is published while the statement's snapshot is open, then unused pages return.
 */
import { CancelledError, type MapId, type PartitionId, type Version } from '@ashlar/core';
import {
  columnsNeeded,
  type FragmentResult,
  type FragmentTask,
  PartitionClaims,
  taskCountFor,
  tasksFor,
} from '@ashlar/sql-executor';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { MemberStore } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import type { ColumnKeeper, ColumnLease } from './column-keeper.ts';

export const QUEUED_BYTES_MAX = 8 << 20;

export interface FragmentRunnerDependencies {
  readonly store: MemberStore;
  readonly pool: WorkerPool;
  readonly columns: ColumnKeeper;
  /** Of the fragments under way: what waits for their readers. */
  readonly flows: Set<{ readonly bytes: number }>;
}

export interface FragmentJob {
  readonly fragment: FragmentNode;
  readonly mapId: number;
  readonly partitions: readonly PartitionId[];
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  readonly parameters: readonly unknown[];
  readonly buildTables: FragmentTask['buildTables'];
  readonly memoryBytes: number;
  readonly clockMs: number;
  readonly signal: AbortSignal;
}

export interface FragmentStats {
  rowsScanned: number;
  rowsOut: number;
  tasks: number;
}

/** Runs a fragment here; yields encoded batches in any order. Leaving the loop cancels what still runs. */
export async function* runLocalFragment(
  job: FragmentJob,
  deps: FragmentRunnerDependencies,
  stats: FragmentStats,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { threads } = deps.pool.stats();
  const work = workOf(job, threads, deps);
  const leaving = new AbortController();
  const signal = AbortSignal.any([job.signal, leaving.signal]);
  const flow = new BatchFlow();
  deps.flows.add(flow);
  const running = new Set<Promise<void>>();
  const start = (share: TaskShare): void => {
    stats.tasks++;
    const task = runTask(job, share, signal, deps, flow)
      .then((result) => {
        stats.rowsScanned += result.rowsScanned;
        stats.rowsOut += result.rowsOut;
      })
      .catch((error: unknown) => flow.fail(error))
      .finally(() => {
        running.delete(task);
        flow.wake();
      });
    running.add(task);
  };
  try {
    for (;;) {
      const hasRoom = flow.bytes < QUEUED_BYTES_MAX;
      work.letGoOn(hasRoom);
      while (hasRoom && running.size < threads && !work.isHandedOut(running.size)) start(work.next());
      const batch = flow.take();
      if (batch !== undefined) yield batch;
      else if (running.size === 0 && work.isHandedOut(0)) return;
      else await flow.changed();
    }
  } finally {
    leaving.abort(LEFT);
    deps.flows.delete(flow);
    // Workers read under the statement's snapshot: it may only go when they have left.
    await Promise.allSettled(running);
  }
}

/** A reason made once: an AbortError of its own for every query would cost a stack trace each. */
const LEFT = new CancelledError('the query');

/** What one task is to do. */
interface TaskShare {
  readonly partitions: readonly PartitionId[];
  readonly lease: ColumnLease;
  readonly claims?: SharedArrayBuffer;
}

/** How the partitions are handed out to tasks. */
interface Work {
  /** Whether no task needs to be started besides those that run. */
  isHandedOut(running: number): boolean;
  next(): TaskShare;
  /** Whether the reader has room for more (F1). */
  letGoOn(hasRoom: boolean): void;
}

function workOf({ fragment, mapId, partitions }: FragmentJob, threads: number, deps: FragmentRunnerDependencies): Work {
  const { store, columns } = deps;
  const sized = partitions
    .filter((partitionId) => store.hasVersions(mapId as MapId, partitionId))
    .map((partitionId) => ({ partitionId, rows: Math.max(1, store.entryCount(mapId as MapId, partitionId)) }));
  const needed = columnsNeeded(fragment);
  const warm = columns.warmLease(mapId as MapId, needed, partitions);
  if (warm !== undefined) return claimedWork(sized, threads, warm);
  const todo = tasksFor(sized, threads);
  return {
    isHandedOut: () => todo.length === 0,
    next: () => {
      const share = todo.shift()!;
      return { partitions: share, lease: columns.lease(mapId as MapId, needed, share) };
    },
    letGoOn: () => undefined,
  };
}

function claimedWork(
  sized: readonly { readonly partitionId: PartitionId; readonly rows: number }[],
  threads: number,
  lease: ColumnLease,
): Work {
  const partitions = sized.map(({ partitionId }) => partitionId);
  const rows = sized.reduce((sum, partition) => sum + partition.rows, 0);
  const wanted = taskCountFor(rows, partitions.length, threads);
  const claims = new PartitionClaims(partitions.length);
  return {
    isHandedOut: (running) => claims.isExhausted || running >= wanted,
    next: () => ({ partitions, lease, claims: claims.shared }),
    letGoOn: (hasRoom) => (hasRoom ? claims.goOn() : claims.stop()),
  };
}

async function runTask(
  job: FragmentJob,
  { partitions, lease, claims }: TaskShare,
  signal: AbortSignal,
  { pool }: FragmentRunnerDependencies,
  flow: BatchFlow,
): Promise<FragmentResult> {
  const { fragment, snapshotId, snapshotVersion, parameters, buildTables, memoryBytes, clockMs } = job;
  const task = {
    fragment,
    partitions,
    claims,
    snapshotId,
    snapshotVersion,
    parameters,
    buildTables,
    memoryBytes,
    clockMs,
    leasedPages: lease.leasedPages,
    columnNumbers: lease.columnNumbers,
  };
  try {
    const { result } = pool.run<FragmentResult>('fragment', task, {
      signal,
      cancelFlag: true,
      onMessage: (message) => flow.put(message as Uint8Array),
    });
    const outcome = await result;
    lease.settle(outcome);
    for (const batch of outcome.batches) flow.put(batch);
    return outcome;
  } catch (error) {
    lease.giveBack();
    throw error;
  }
}

/** Batches between the workers and the reader. */
class BatchFlow {
  readonly #batches: Uint8Array[] = [];
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  put(batch: Uint8Array): void {
    this.#batches.push(batch);
    this.#bytes += batch.length;
    this.wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.wake();
  }

  /** @throws what a task failed with */
  take(): Uint8Array | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    const batch = this.#batches.shift();
    this.#bytes -= batch?.length ?? 0;
    return batch;
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
