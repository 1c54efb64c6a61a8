/**
 * Coordinates one statement, on whichever member it reached.
 *
 *   text -> plan -> snapshot over the members concerned -> broadcast stages -> gather stage -> merge -> batches
 *
 * query-coordinator Q1  A statement reads at one version on all members; the snapshot goes when the last row is read or the
 *                       caller leaves.
 * query-coordinator Q2  Rows that need no merging flow through as they come; others are gathered under the query's memory
 *                       bound, and the snapshot goes before they are merged.
 * query-coordinator Q3  While a batch is with the reader nothing is asked of the members beyond their windows; a reader that
 *                       stays away too long finds its result given up (HeldMemory).
 */

import type { GridView } from '@ashlar/cluster';
import { type CallScope, type MemberId, type PartitionId, requirePrimary, type Version } from '@ashlar/core';
import type { OddTally } from '@ashlar/expressions';
import { toldOfSnapshot } from '@ashlar/partitions';
import { encodeKey, partitionOf } from '@ashlar/serialization';
import {
  batchRowCount,
  type FragmentTask,
  isPassThrough,
  isShortMerge,
  limitOf,
  type MergeResult,
  type MergeTask,
  runMerge,
  sliceBatch,
} from '@ashlar/sql-executor';
import { type FragmentNode, type PartitionChoice, type QueryPlan, type Stage, scanUnder } from '@ashlar/sql-plan';
import { mergeStreams } from '@ashlar/transport';
import type { WorkerPool } from '@ashlar/workers';
import type { FragmentStats } from './fragment-runner.ts';
import type { GridSnapshot, GridSnapshots } from './grid-snapshots.ts';
import type { HeldMemory, Holding } from './held/held-memory.ts';
import { keysMeant } from './quoted-keys.ts';

export interface Statement extends CallScope {
  readonly parameters: readonly unknown[];
  /** The same, as threads and members hand them on. */
  readonly parameterBytes: Uint8Array;
  /** The statement's time, milliseconds since 1970. */
  readonly clockMs: number;
  /** Values of odd kinds in undeclared paths are errors, not NULL. */
  readonly strict: boolean;
  /** Rows that its parts read laxly. */
  readonly odd: OddTally;
  /** The highest version the caller's session has seen. */
  readonly seen: Version;
}

/** One member's part of a stage. */
export interface FragmentCall {
  readonly member: MemberId;
  readonly fragment: FragmentNode;
  readonly partitions: readonly PartitionId[];
  readonly snapshotId: number;
  readonly version: Version;
  readonly buildTables: FragmentTask['buildTables'];
  readonly statement: Statement;
  /** The statement reads nothing more from the member's snapshot; undefined: it does. */
  readonly onScanned: (() => void) | undefined;
}

export interface QueryDependencies {
  readonly control: GridView;
  readonly snapshots: GridSnapshots;
  readonly pool: WorkerPool;
  readonly memoryBytes: number;
  readonly held: HeldMemory;
  /** Runs a fragment on a member, this one or another. */
  readonly runFragment: (call: FragmentCall, stats: FragmentStats) => AsyncGenerator<Uint8Array, void, undefined>;
}

/** What EXPLAIN ANALYZE shows of a stage. */
export interface StageRun {
  readonly stage: number;
  readonly member: MemberId;
  readonly partitions: number;
  readonly stats: FragmentStats;
  ms: number;
}

export class QueryCoordinator {
  readonly #deps: QueryDependencies;

  constructor(deps: QueryDependencies) {
    this.#deps = deps;
  }

  /**
   * Yields the result's batches; `runs` is filled as fragments end.
   *
   * @throws GridError SNAPSHOT_EXPIRED where partitions that it reads change hands
   */
  async *run(
    plan: QueryPlan,
    statement: Statement,
    runs: StageRun[] = [],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (plan.stages.length === 0) {
      yield* mergedHere(this.#mergeTask(plan, [], statement), statement);
      return;
    }
    for (const { partitions, fragment } of plan.stages) {
      const waits = this.untilServed(partitions, fragment, statement);
      if (waits !== undefined) await waits;
    }
    const byStage = plan.stages.map((stage) => this.membersOf(stage.partitions, stage.fragment, statement.parameters));
    const holding = this.#deps.held.open();
    try {
      const snapshot = await this.#deps.snapshots.open(readBy(byStage.flat()), statement.seen, statement.signal);
      try {
        const buildTables: { stage: number; batches: readonly Uint8Array[] }[] = [];
        for (const [index, stage] of plan.stages.entries()) {
          const isLast = index === plan.stages.length - 1;
          const calls = byStage[index]!.map((part) => callOf(stage, part, snapshot, buildTables, statement, isLast));
          const batches = this.#runStage(stage, calls, runs);
          if (stage.exchange === 'broadcast') {
            buildTables.push({ stage: stage.id, batches: await this.#gather(batches, statement, holding) });
          } else yield* this.#finish(plan, batches, statement, { holding, snapshot });
        }
      } catch (error) {
        throw toldOfSnapshot(error, this.#deps.control);
      } finally {
        snapshot.release();
      }
    } finally {
      holding.close();
    }
  }

  /**
   * Waits until the partitions of a stage have primaries, within the statement's time.
   *
   * @returns undefined: they have
   * @throws GridError GRID_INCOMPLETE; as GridView.untilServed()
   */
  untilServed(choice: PartitionChoice, fragment: FragmentNode, statement: Statement): Promise<void> | undefined {
    const { control } = this.#deps;
    control.requireComplete();
    const wanted = choice.kind === 'all' ? 'all' : partitionsOfKeys(choice, fragment, statement.parameters, control);
    return control.untilServed(wanted, statement);
  }

  /**
   * The members that own the partitions of a stage, with theirs.
   *
   * @throws GridError GRID_INCOMPLETE; PARTITION_LOST, MEMBER_UNREACHABLE: one of them has no primary, and no rows are left out
   */
  membersOf(
    choice: PartitionChoice,
    fragment: FragmentNode,
    parameters: readonly unknown[],
  ): { readonly member: MemberId; readonly partitions: readonly PartitionId[] }[] {
    const { control } = this.#deps;
    control.requireComplete();
    const wanted = choice.kind === 'all' ? undefined : partitionsOfKeys(choice, fragment, parameters, control);
    const parts = new Map<MemberId, PartitionId[]>();
    control.table.owners.forEach((_, partition) => {
      if (wanted !== undefined && !wanted.has(partition)) return;
      const { id } = requirePrimary(control.table, partition as PartitionId);
      const own = parts.get(id);
      if (own === undefined) parts.set(id, [partition as PartitionId]);
      else own.push(partition as PartitionId);
    });
    return [...parts].map(([member, partitions]) => ({ member, partitions }));
  }

  async *#runStage(
    stage: Stage,
    calls: readonly FragmentCall[],
    runs: StageRun[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const streams = calls.map((call) => {
      const run: StageRun = {
        stage: stage.id,
        member: call.member,
        partitions: call.partitions.length,
        stats: { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] },
        ms: 0,
      };
      runs.push(run);
      return timed(this.#deps.runFragment(call, run.stats), run, call.statement.odd);
    });
    yield* mergeStreams(streams);
  }

  async #gather(batches: AsyncIterable<Uint8Array>, { signal }: Statement, holding: Holding): Promise<Uint8Array[]> {
    const gathered: Uint8Array[] = [];
    for await (const batch of batches) {
      const room = holding.take(batch.length, signal);
      if (room !== undefined) await room;
      gathered.push(batch);
    }
    return gathered;
  }

  async *#finish(
    plan: QueryPlan,
    batches: AsyncGenerator<Uint8Array, void, undefined>,
    statement: Statement,
    { holding, snapshot }: { readonly holding: Holding; readonly snapshot: GridSnapshot },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (isPassThrough(plan.merge)) {
      const flowing = limited(batches, limitOf(plan.merge, statement.parameters));
      holding.onGivenUp(() => {
        snapshot.release();
        flowing.return().then(undefined, () => undefined);
      });
      yield* handedOut(flowing, holding, snapshot);
      return;
    }
    const inputs = await this.#gather(batches, statement, holding);
    // From here on only rows that are here are read.
    snapshot.release();
    const { signal } = statement;
    const task = this.#mergeTask(plan, inputs, statement);
    const bytes = inputs.reduce((sum, batch) => sum + batch.length, 0);
    if (isShortMerge(plan.merge, bytes)) {
      yield* mergedHere(task, statement);
      return;
    }
    const merged = await this.#deps.pool.run<MergeResult>('merge', task, { signal, cancelFlag: true }).result;
    statement.odd.add(merged.odd);
    inputs.length = 0;
    holding.count(merged.batches.reduce((sum, batch) => sum + batch.length, 0) - holding.bytes);
    yield* handedOut(emptied(merged.batches, holding), holding, snapshot);
  }

  #mergeTask({ merge }: QueryPlan, inputs: readonly Uint8Array[], statement: Statement): MergeTask {
    const { parameterBytes: parameters, clockMs, strict } = statement;
    return { merge, inputs, parameters, memoryBytes: this.#deps.memoryBytes, clockMs, strict };
  }
}

function callOf(
  stage: Stage,
  part: { readonly member: MemberId; readonly partitions: readonly PartitionId[] },
  snapshot: GridSnapshot,
  buildTables: FragmentTask['buildTables'],
  statement: Statement,
  isLast: boolean,
): FragmentCall {
  const { member, partitions } = part;
  const snapshotId = snapshot.ids.get(member)!;
  return {
    onScanned: isLast ? () => snapshot.releaseAt(member) : undefined,
    member,
    partitions,
    fragment: stage.fragment,
    snapshotId,
    version: snapshot.version,
    buildTables,
    statement,
  };
}

/** Where the keys of a pruned scan live. A key that is NULL or no key at all lives nowhere. */
function partitionsOfKeys(
  choice: Extract<PartitionChoice, { kind: 'keys' }>,
  fragment: FragmentNode,
  parameters: readonly unknown[],
  control: GridView,
): Set<number> {
  const map = control.maps.get(scanUnder(fragment)?.map ?? '');
  const partitions = new Set<number>();
  for (const expr of choice.keys) {
    for (const key of keysMeant(expr, parameters)) {
      const bytes = encodeKey(key);
      partitions.add(partitionOf(bytes, 0, bytes.length, map?.affinityParts ?? 0, control.partitionCount));
    }
  }
  return partitions;
}

/** Batches on their way to the reader: its statement is at work again when it asks for the next one (query-coordinator Q3). */
async function* handedOut(
  batches: AsyncGenerator<Uint8Array, void, undefined>,
  holding: Holding,
  snapshot: GridSnapshot,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const batch of batches) {
    snapshot.isIdle = true;
    holding.waitForReader();
    yield batch;
    holding.goOn();
    snapshot.isIdle = false;
  }
}

/** Batches that are all here, let go of one by one; leaving lets go of the rest. */
async function* emptied(batches: Uint8Array[], holding: Holding): AsyncGenerator<Uint8Array, void, undefined> {
  holding.onGivenUp(() => {
    batches.length = 0;
  });
  batches.reverse();
  for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
    yield batch;
    holding.count(-batch.length);
  }
}

async function* timed(
  stream: AsyncGenerator<Uint8Array, void, undefined>,
  run: StageRun,
  odd: OddTally,
): AsyncGenerator<Uint8Array, void, undefined> {
  const startedMs = performance.now();
  try {
    yield* stream;
  } finally {
    run.ms = performance.now() - startedMs;
    odd.add(run.stats.odd);
  }
}

/** What several stages read on each member. */
function readBy(
  parts: readonly { readonly member: MemberId; readonly partitions: readonly PartitionId[] }[],
): Map<MemberId, readonly PartitionId[]> {
  const read = new Map<MemberId, readonly PartitionId[]>();
  for (const { member, partitions } of parts) {
    const known = read.get(member);
    read.set(member, known === undefined ? partitions : [...new Set([...known, ...partitions])]);
  }
  return read;
}

/** A merge that this thread takes. */
function mergedHere(task: MergeTask, { signal, odd }: Statement): readonly Uint8Array[] {
  const merged = runMerge(task, { cancelled: () => signal.aborted });
  odd.add(merged.odd);
  return merged.batches;
}

/** The rows [offset, offset + limit) of encoded batches. */
async function* limited(
  batches: AsyncGenerator<Uint8Array, void, undefined>,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  let skip = offset;
  let left = limit;
  if (left <= 0) {
    await batches.return();
    return;
  }
  for await (const batch of batches) {
    // Each member sends at most `limit` rows: reading out what is left is cheaper than resetting its stream.
    if (left <= 0) continue;
    const rows = batchRowCount(batch);
    const from = Math.min(skip, rows);
    skip -= from;
    const to = Math.min(rows, from + left);
    if (to === from) continue;
    left -= to - from;
    yield from === 0 && to === rows ? batch : sliceBatch(batch, from, to);
  }
}
