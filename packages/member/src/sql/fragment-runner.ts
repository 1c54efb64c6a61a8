/**
 * One member's part of a query: its partitions cut into tasks for the query workers, their batches as a stream.
 *
 *   partitions -> tasks sized by rows -> query pool, at most `threads` at a time -> batches, under a byte bound
 *
 * F1  No further task starts while more than QUEUED_BYTES_MAX of batches wait for the reader: a slow reader stops the scan.
 * F2  What workers make of columns is published while the statement's snapshot is open, then unused pages return.
 */
import type { MapId, PartitionId, Version } from '@ashlar/core';
import { columnsNeeded, type FragmentResult, type FragmentTask, tasksFor } from '@ashlar/sql-executor';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { MemberStore } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import type { ColumnKeeper } from './column-keeper.ts';

const QUEUED_BYTES_MAX = 8 << 20;

export interface FragmentRunnerDependencies {
  readonly store: MemberStore;
  readonly pool: WorkerPool;
  readonly columns: ColumnKeeper;
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
  const { store, pool } = deps;
  const sized = job.partitions.map((partitionId) => ({
    partitionId,
    rows: store.entryCount(job.mapId as never, partitionId),
  }));
  const todo = tasksFor(
    sized.filter(({ rows }) => rows > 0),
    pool.stats().threads,
  );
  const leaving = new AbortController();
  const signal = AbortSignal.any([job.signal, leaving.signal]);
  const flow = new BatchFlow();
  const running = new Set<Promise<void>>();
  const start = (partitions: readonly PartitionId[]): void => {
    stats.tasks++;
    const task = runTask(job, partitions, signal, deps, flow)
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
      while (todo.length > 0 && running.size < pool.stats().threads && flow.bytes < QUEUED_BYTES_MAX)
        start(todo.shift()!);
      const batch = flow.take();
      if (batch !== undefined) yield batch;
      else if (running.size === 0 && todo.length === 0) return;
      else await flow.changed();
    }
  } finally {
    leaving.abort();
    // Workers read under the statement's snapshot: it may only go when they have left.
    await Promise.allSettled(running);
  }
}

async function runTask(
  job: FragmentJob,
  partitions: readonly PartitionId[],
  signal: AbortSignal,
  { pool, columns }: FragmentRunnerDependencies,
  flow: BatchFlow,
): Promise<FragmentResult> {
  const { fragment, mapId, snapshotId, snapshotVersion, parameters, buildTables, memoryBytes, clockMs } = job;
  const lease = columns.lease(mapId as MapId, columnsNeeded(fragment), partitions);
  const task = {
    fragment,
    partitions,
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
