/**
 * One member's part of a query: its partitions cut into tasks for the query workers, their batches as a stream.
 *
 *   all columns there:  one task a thread, each claims partition after partition --+
 *   columns to make:    tasks sized by rows, each with pages for its partitions ---+--> batches, under a byte bound
 *
 * fragment-runner F1  What waits for the reader stays within a window (BatchFlow): tasks that have no room end, and what
 *                     they leave is done by later ones once the reader has taken something. A reader that does not read
 *                     stops the scan and holds no thread.
 * fragment-runner F2  What the snapshot may see is scanned, also in partitions that hold nothing any more.
 * fragment-runner F3  What is handed out was read in partitions that this member holds as it did when the snapshot was
 *                     pinned: one that is lost meanwhile ends the part with STALE_EPOCH, never with fewer rows.
 * fragment-runner F4  What workers make of columns is published while the statement's snapshot is open, then unused pages
 *                     return.
 */
import { CancelledError, MapDroppedError, type MapId, type PartitionId, type Version } from '@ashlar/core';
import { type OddCount, OddTally } from '@ashlar/expressions';
import type { LocalSnapshots, NeedMap } from '@ashlar/partitions';
import {
  columnsNeeded,
  type FragmentRest,
  type FragmentResult,
  type FragmentTask,
  PartitionClaims,
  scanOf,
  taskCountFor,
  tasksFor,
} from '@ashlar/sql-executor';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { MemberStore } from '@ashlar/storage';
import type { WorkerPool } from '@ashlar/workers';
import type { ColumnKeeper, ColumnLease } from './column-keeper.ts';
import { BatchFlow } from './held/batch-flow.ts';
import type { HeldMemory } from './held/held-memory.ts';

export interface FragmentRunnerDependencies {
  readonly store: MemberStore;
  readonly needMap: NeedMap;
  readonly pool: WorkerPool;
  readonly columns: ColumnKeeper;
  readonly held: HeldMemory;
  readonly snapshots: Pick<LocalSnapshots, 'touch' | 'checkHeld'>;
}

export interface FragmentJob {
  readonly fragment: FragmentNode;
  readonly mapId: number;
  readonly partitions: readonly PartitionId[];
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  readonly parameters: Uint8Array;
  readonly buildTables: FragmentTask['buildTables'];
  readonly memoryBytes: number;
  readonly clockMs: number;
  readonly strict: boolean;
  readonly signal: AbortSignal;
  /** Called when all is read from the snapshot; batches may still wait for their reader. */
  readonly onScanned?: (() => void) | undefined;
}

export interface FragmentStats {
  rowsScanned: number;
  rowsOut: number;
  tasks: number;
  /** Rows that its tasks read laxly. */
  odd: readonly OddCount[];
}

/** Runs a fragment here; yields encoded batches in any order. Leaving the loop cancels what still runs. */
export async function* runLocalFragment(
  job: FragmentJob,
  deps: FragmentRunnerDependencies,
  stats: FragmentStats,
): AsyncGenerator<Uint8Array, void, undefined> {
  const scan = scanOf(job.fragment);
  if (!deps.store.hasMap(job.mapId as MapId)) await deps.needMap(job.mapId as MapId, scan.map);
  const { threads } = deps.pool.stats();
  const work = workOf(job, threads, deps);
  const leaving = new AbortController();
  const signal = AbortSignal.any([job.signal, leaving.signal]);
  const holding = deps.held.open();
  const flow = new BatchFlow(holding, buildBytesOf(job));
  const running = new Set<Promise<void>>();
  const startNext = (): void => {
    // Tasks are made from the data that is there: for a map that is gone there would be none.
    if (!deps.store.hasMap(job.mapId as MapId)) throw new MapDroppedError(scan.map, scan);
    deps.snapshots.checkHeld(job.snapshotId, job.partitions);
    start(work.next());
  };
  const odd = new OddTally();
  const start = (share: TaskShare): void => {
    stats.tasks++;
    const task = runTask(job, share, signal, deps, flow)
      .then((result) => {
        stats.rowsScanned += result.rowsScanned;
        stats.rowsOut += result.rowsOut;
        if (result.rest !== undefined) work.putBack(result.rest);
        odd.add(result.odd);
        stats.odd = odd.counts();
      })
      .catch((error: unknown) => flow.fail(error))
      .finally(() => {
        running.delete(task);
        flow.wake();
      });
    running.add(task);
  };
  let isScanned = false;
  try {
    for (;;) {
      while (running.size < threads && !work.isHandedOut(running.size) && flow.hasRoom) startNext();
      if (!isScanned && running.size === 0 && work.isHandedOut(0)) {
        isScanned = true;
        deps.snapshots.checkHeld(job.snapshotId, job.partitions);
        job.onScanned?.();
      }
      const batch = flow.take();
      if (batch !== undefined) {
        yield batch;
        deps.snapshots.touch(job.snapshotId);
      } else if (isScanned) return;
      else if (running.size > 0) await flow.changed();
      else flow.isDrained();
    }
  } finally {
    leaving.abort(LEFT);
    holding.close();
    // Workers read under the statement's snapshot: it may only go when they have left.
    await Promise.allSettled(running);
  }
}

/** Bytes of the join tables: a task that goes on with a join makes them anew, so it should make at least as much output. */
function buildBytesOf({ buildTables }: FragmentJob): number {
  let bytes = 0;
  for (const { batches } of buildTables) for (const batch of batches) bytes += batch.length;
  return bytes;
}

/** A reason made once: an AbortError of its own for every query would cost a stack trace each. */
const LEFT = new CancelledError('the query');

/** What one task is to do. */
interface TaskShare {
  readonly partitions: readonly PartitionId[];
  readonly lease: ColumnLease;
  readonly claims?: SharedArrayBuffer;
  readonly rest?: FragmentRest | undefined;
}

/** How the partitions are handed out to tasks. */
interface Work {
  /** Whether no task needs to be started besides those that run. */
  isHandedOut(running: number): boolean;
  next(): TaskShare;
  /** A task ended before its share was done. */
  putBack(rest: FragmentRest): void;
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
  const left: FragmentRest[] = [];
  return {
    isHandedOut: () => todo.length === 0 && left.length === 0,
    next: () => {
      const rest = left.shift();
      if (rest !== undefined)
        return { partitions: [], rest, lease: columns.lease(mapId as MapId, needed, rest.partitions) };
      const share = todo.shift()!;
      return { partitions: share, lease: columns.lease(mapId as MapId, needed, share) };
    },
    putBack: (rest) => left.push(rest),
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
  const left: FragmentRest[] = [];
  return {
    isHandedOut: (running) => left.length === 0 && (claims.isExhausted || running >= wanted),
    next: () => ({ partitions, lease, claims: claims.shared, rest: left.shift() }),
    putBack: (rest) => left.push(rest),
  };
}

async function runTask(
  job: FragmentJob,
  { partitions, lease, claims, rest }: TaskShare,
  signal: AbortSignal,
  { pool }: FragmentRunnerDependencies,
  flow: BatchFlow,
): Promise<FragmentResult> {
  const { fragment, snapshotId, snapshotVersion, parameters, buildTables, memoryBytes, clockMs, strict } = job;
  const task = {
    fragment,
    partitions,
    claims,
    rest,
    credit: flow.credit.shared,
    snapshotId,
    snapshotVersion,
    parameters,
    buildTables,
    memoryBytes,
    clockMs,
    strict,
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
