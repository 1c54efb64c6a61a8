/**
 * A job over the grid, from the member that was asked: every member maps its partitions against one snapshot of the grid, this
 * one reduces.
 *
 *   snapshot over all members -> a part on each (job-part-runner.ts) -> partial results, held within bounds -> reduce -> result
 *
 * job-coordinator J1  A result comes from a partial result of every partition, or the job fails.
 * job-coordinator J2  A member's snapshot lives as long as its own part makes progress, and goes when that ends.
 * job-coordinator J3  Where a partition changes hands meanwhile the job ends with SNAPSHOT_EXPIRED: it only read, and may run again.
 */
import type { GridView } from '@ashlar/cluster';
import { CALL_DEPTH, type JobRunner } from '@ashlar/compute';
import {
  type CallScope,
  GridError,
  type MapId,
  type MemberId,
  type PartitionId,
  requirePrimary,
  type Version,
} from '@ashlar/core';
import { type TracedWork, type Tracing, tracedStream } from '@ashlar/observe';
import { toldOfSnapshot } from '@ashlar/partitions';
import { type GridCalls, type JobOutput, mergeStreams, type RunJobRequest } from '@ashlar/transport';
import { nonEmpty } from './job-bytes.ts';
import { wholeJobPart } from './whole-job-part.ts';

/** A snapshot over several members, as jobs use it. */
export interface JobSnapshot {
  readonly version: Version;
  /** Its name on each member. */
  readonly ids: ReadonlyMap<MemberId, number>;
  /** True: it is kept alive only by being read, not by renewals. */
  isIdle: boolean;
  releaseAt(member: MemberId): void;
  /** Idempotent; never rejects. */
  release(): void;
}

/** Bytes of partial results on this member's heap. */
export interface JobHolding {
  readonly bytes: number;
  /** As soon as there is room; undefined: there is. */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined;
  count(bytes: number): void;
  giveBack(bytes: number): void;
  close(): void;
}

export interface JobCoordinatorDependencies {
  readonly control: Pick<
    GridView,
    'requireComplete' | 'untilServed' | 'isComplete' | 'moduleNamed' | 'mapNamed' | 'table' | 'partitionCount'
  >;
  readonly calls: {
    to(member: MemberId): { readonly members: Pick<ReturnType<GridCalls['to']>['members'], 'runJobPart'> };
  };
  readonly snapshots: {
    open(
      parts: ReadonlyMap<MemberId, readonly PartitionId[]>,
      seen: Version,
      signal: AbortSignal,
    ): Promise<JobSnapshot>;
  };
  readonly held: { open(): JobHolding };
  readonly runner: Pick<JobRunner, 'reduce'>;
  readonly tracing: Tracing;
}

export class JobCoordinator {
  readonly #deps: JobCoordinatorDependencies;

  constructor(deps: JobCoordinatorDependencies) {
    this.#deps = deps;
  }

  /** Progress, then the result. @throws GridError UNKNOWN_MODULE, UNKNOWN_MAP, or what a part or the reduction fails with */
  run(request: RunJobRequest, { signal, trace }: CallScope): AsyncGenerator<JobOutput, void, undefined> {
    const { module, exportName, map } = request;
    const attributes = { 'ashlar.job': `${module}.${exportName}`, 'ashlar.map': map };
    const begin = (): TracedWork => this.#deps.tracing.begin('ashlar.job', trace, attributes);
    return tracedStream(begin, (own) => runJob(request, { signal, trace: own }, this.#deps));
  }
}

async function* runJob(
  request: RunJobRequest,
  { signal, trace }: CallScope,
  deps: JobCoordinatorDependencies,
): AsyncGenerator<JobOutput, void, undefined> {
  const { control } = deps;
  control.requireComplete();
  await control.moduleNamed(request.module);
  const { id: mapId } = await control.mapNamed(request.map);
  // Another grid's table may have come meanwhile.
  control.requireComplete();
  const holding = deps.held.open();
  try {
    const partials = yield* mapped({ ...request, mapId }, { signal, trace }, deps, holding);
    const { module, exportName, arguments: args } = request;
    const job = { module, exportName, args: nonEmpty(args), partials: partials.map(nonEmpty) };
    const result = (await deps.runner.reduce(job, { depth: CALL_DEPTH.job, signal, trace })) ?? new Uint8Array(0);
    holding.count(result.length - holding.bytes);
    yield { kind: 'result', bytes: result };
  } finally {
    holding.close();
  }
}

/** Partial results of all members (job-coordinator J2). */
async function* mapped(
  request: RunJobRequest & { readonly mapId: MapId },
  { signal, trace }: CallScope,
  { control, calls, snapshots }: JobCoordinatorDependencies,
  holding: JobHolding,
): AsyncGenerator<JobOutput, Uint8Array[], undefined> {
  const waits = control.untilServed('all', { signal });
  if (waits !== undefined) await waits;
  const members = membersWithPartitions(control);
  const snapshot = await snapshots.open(members, request.sessionVersion as Version, signal);
  snapshot.isIdle = true;
  const partials: Uint8Array[] = [];
  try {
    const { module, exportName, map, mapId, arguments: args } = request;
    const streams = [...members].map(([member, partitions]) => {
      const part = {
        module,
        exportName,
        map,
        mapId,
        arguments: args,
        partitions,
        snapshotId: snapshot.ids.get(member)!,
        version: snapshot.version,
      };
      const outputs = calls.to(member).members.runJobPart(part, { signal, trace });
      return wholeJobPart(member, outputs, () => snapshot.releaseAt(member));
    });
    const shares = new Map<MemberId, number>();
    for await (const { member, output } of mergeStreams(streams)) {
      if (output.kind === 'partial') {
        const room = holding.take(output.bytes.length, signal);
        if (room !== undefined) await room;
        partials.push(output.bytes);
      } else if (output.kind === 'progress') {
        shares.set(member, output.share * members.get(member)!.length);
        yield { kind: 'progress', share: sum(shares.values()) / control.partitionCount };
      }
    }
  } catch (error) {
    throw toldOfSnapshot(error, control);
  } finally {
    snapshot.release();
  }
  if (partials.length !== control.partitionCount) {
    throw new GridError('INTERNAL', `${partials.length} of ${control.partitionCount} partial results arrived`);
  }
  return partials;
}

function membersWithPartitions({ table }: Pick<GridView, 'table'>): Map<MemberId, PartitionId[]> {
  const members = new Map<MemberId, PartitionId[]>();
  table.owners.forEach((_, partition) => {
    const { id } = requirePrimary(table, partition as PartitionId);
    const partitions = members.get(id) ?? [];
    partitions.push(partition as PartitionId);
    members.set(id, partitions);
  });
  return members;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
