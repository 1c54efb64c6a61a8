/**
 * The compute service: deploying modules, jobs over the grid, processors over a condition.
 */
import { READY_MODULE } from '@ashlar/api';
import { type CatalogedModule, type CatalogState, DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { type JobActivity, JobRunner, LANE, ListenerRunner } from '@ashlar/compute';
import {
  type DeliveryDoor,
  LISTENER_MAP,
  ListenerDriver,
  type ProcessorCalls,
  stateOfListener,
} from '@ashlar/compute-runtime';
import { GridError, type MapId, type MemberId, type PartitionId, type TraceContext, type Version } from '@ashlar/core';
import { noticesOf, OddTally } from '@ashlar/expressions';
import { type TracedWork, tracedStream } from '@ashlar/observe';
import type { EntryLimits, KeyGate, LocalSnapshots, LogPressure, NeedMap } from '@ashlar/partitions';
import type { Router } from '@ashlar/routing';
import { decodeParameters } from '@ashlar/serialization';
import type { PlannedCondition } from '@ashlar/sql-planner';
import {
  type ChangeCoordinator,
  type GridSnapshots,
  type HeldMemory,
  type Holding,
  mergeStreams,
  wholeJobPart,
} from '@ashlar/sql-runtime';
import type {
  ComputeService,
  DeployRequest,
  GridCalls,
  JobOutput,
  JobPartOutput,
  ModuleInfo,
  RunJobPartRequest,
  RunJobRequest,
} from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';
import { PieceStream } from './piece-stream.ts';

/** How often a job that waits for a thread keeps its snapshot, in the time that the snapshot has. */
const LOOKS_AN_AGE = 4;
export interface ComputeDependencies {
  readonly parts: MemberParts;
  readonly calls: GridCalls;
  readonly needMap: NeedMap;
  readonly router: () => Promise<Router>;
  readonly snapshots: GridSnapshots;
  readonly localSnapshots: Pick<LocalSnapshots, 'touch' | 'checkHeld'>;
  readonly held: HeldMemory;
  readonly changes: ChangeCoordinator;
  readonly processors: ProcessorCalls;
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
  readonly pressure: LogPressure;
  readonly deliveries: DeliveryDoor;
  readonly planCondition: (map: string, condition: string, signal: AbortSignal) => Promise<PlannedCondition>;
}

/** What a part of a job has from the whole. */
type Caused = { readonly signal: AbortSignal; readonly trace: TraceContext | undefined };
type JobName = Pick<RunJobRequest, 'module' | 'exportName' | 'map'>;

export interface ComputeParts {
  readonly service: ComputeService;
  readonly jobPart: (request: RunJobPartRequest, call: Caused) => AsyncIterable<JobPartOutput>;
  readonly close: () => Promise<void>;
}

export function computeService(deps: ComputeDependencies): ComputeParts {
  const { parts } = deps;
  const { control, tracing } = parts;
  const begin = (name: string, { module, exportName, map }: JobName, trace: TraceContext | undefined): TracedWork =>
    tracing.begin(name, trace, { 'ashlar.job': `${module}.${exportName}`, 'ashlar.map': map });
  const jobs = new JobRunner(parts.userLanes, parts.modules);
  const listeners = new ListenerDriver({
    ...deps,
    courier: deps.deliveries.courier,
    runner: new ListenerRunner(parts.userLanes, parts.modules),
  });
  const jobPart = (request: RunJobPartRequest, { signal, trace }: Caused): AsyncGenerator<JobPartOutput> =>
    tracedStream(begin('ashlar.job.part', request, trace), (own) =>
      runJobPart(request, { signal, trace: own }, deps, jobs),
    );
  const service: ComputeService = {
    async deploy(request) {
      await deploy(request, parts);
      return { module: request.name, hash: request.hash };
    },
    async undeploy({ name }) {
      control.requireComplete();
      await control.confirm(`what has the name '${name}'`);
      const existed = control.moduleIfKnown(name) !== undefined;
      await control.submit({ kind: 'removeModule', name });
      return { existed };
    },
    async listModules() {
      const { catalog } = control;
      return { modules: catalog.modules.map((module) => listed(module, catalog)) };
    },
    runJob: (request, { signal, trace }) =>
      tracedStream(begin('ashlar.job', request, trace), (own) => runJob(request, { signal, trace: own }, deps, jobs)),
    async processWhere(request, { signal, trace, deadlineMs }) {
      control.requireComplete();
      if (request.module !== READY_MODULE) await control.moduleNamed(request.module);
      const parameters = decodeParameters(request.parameters);
      await control.mapNamed(request.map);
      const condition = await deps.planCondition(request.map, request.where, signal);
      if (condition.parameterCount > parameters.length) {
        throw new GridError(
          'INVALID_PARAMETER',
          `the condition asks for ${condition.parameterCount} parameters, ${parameters.length} are given`,
        );
      }
      const statement = {
        parameters,
        parameterBytes: new Uint8Array(request.parameters),
        clockMs: Date.now(),
        strict: request.strict,
        odd: new OddTally(),
        seen: request.sessionVersion as Version,
        signal,
        deadlineMs,
        trace,
      };
      const { module, exportName, arguments: args } = request;
      const { affected, version } = await deps.changes.process(condition, { module, exportName, args }, statement);
      return { affected, version, notices: [...condition.notices, ...noticesOf(statement.odd.counts())] };
    },
  };
  return { service, jobPart, close: () => listeners.close() };
}

function listed({ name, hash, exports }: CatalogedModule, catalog: CatalogState): ModuleInfo {
  const told = exports.map((one) => ({ ...one, state: one.kind === 'listener' ? stateOfListener(one, catalog) : '' }));
  return { name, hash, exports: told };
}

/** On every live member when it resolves; its listeners stand there on committed checkpoints. */
async function deploy(request: DeployRequest, { control }: MemberParts): Promise<void> {
  const { name, hash, bundle, limits, exports } = request;
  const module = { name, hash, bundle: Buffer.from(bundle).toString('utf8'), exports, ...limits };
  // Before the listeners are there: a member that would have to make it could not follow the deployment meanwhile.
  if (exports.some(({ kind }) => kind === 'listener')) await control.mapFor(LISTENER_MAP, DEFAULT_MAP_SETTINGS, false);
  await control.submit({ kind: 'putModule', module });
}

/* ---- Jobs ---------------------------------------------------------------------------------------------------------- */

/** Every member maps its partitions against one snapshot of the grid; this one reduces. */
async function* runJob(
  request: RunJobRequest,
  { signal, trace }: Caused,
  deps: ComputeDependencies,
  jobs: JobRunner,
): AsyncGenerator<JobOutput, void, undefined> {
  const { control } = deps.parts;
  control.requireComplete();
  await control.moduleNamed(request.module);
  const { id: mapId } = await control.mapNamed(request.map);
  if (!control.isComplete) {
    throw new GridError('SHUTTING_DOWN', 'the grid is not complete yet', {
      hint: 'wait until all members have joined',
    });
  }
  const holding = deps.held.open();
  try {
    const partials = yield* mapped({ ...request, mapId }, { signal, trace }, deps, holding);
    const { module, exportName, arguments: args } = request;
    const job = { module, exportName, args: nonEmpty(args), partials: partials.map(nonEmpty) };
    const result = (await jobs.reduce(job, { depth: LANE.job, signal, trace })) ?? new Uint8Array(0);
    holding.count(result.length - holding.bytes);
    yield { kind: 'result', bytes: result };
  } finally {
    holding.close();
  }
}

/** Partial results of all members. A member's snapshot lives by the progress of its own part, and goes when that ends. */
async function* mapped(
  request: RunJobRequest & { readonly mapId: MapId },
  { signal, trace }: Caused,
  { parts, calls, snapshots }: ComputeDependencies,
  holding: Holding,
): AsyncGenerator<JobOutput, Uint8Array[], undefined> {
  const { control } = parts;
  const members = membersWithPartitions(parts);
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
  } finally {
    snapshot.release();
  }
  if (partials.length !== control.partitionCount) {
    throw new GridError('INTERNAL', `${partials.length} of ${control.partitionCount} partial results arrived`);
  }
  return partials;
}

async function* runJobPart(
  request: RunJobPartRequest,
  { signal, trace }: Caused,
  { parts, needMap, localSnapshots, held }: ComputeDependencies,
  jobs: JobRunner,
): AsyncGenerator<JobPartOutput, void, undefined> {
  const { control } = parts;
  await control.moduleNamed(request.module);
  const map = await needMap(request.mapId as MapId, request.map);
  const progress = new PieceStream<JobPartOutput>();
  const job = {
    module: request.module,
    exportName: request.exportName,
    args: nonEmpty(request.arguments),
    mapId: map.id,
    map: map.name,
    partitionIds: request.partitions as readonly PartitionId[],
    snapshotId: request.snapshotId,
    version: request.version as Version,
  };
  const checkHeld = (): void => localSnapshots.checkHeld(request.snapshotId, job.partitionIds);
  checkHeld();
  const activity: JobActivity = { tasksRunning: 0 };
  const touch = (): void => localSnapshots.touch(request.snapshotId);
  const options = {
    depth: LANE.job,
    signal,
    trace,
    activity,
    onProgress: (share: number) => {
      touch();
      progress.replace({ kind: 'progress', share });
    },
  };
  const waiting = setInterval(() => {
    if (activity.tasksRunning === 0) touch();
  }, parts.config.limits.snapshotMaxAgeMs / LOOKS_AN_AGE);
  const holding = held.open();
  let count = 0;
  try {
    const hold = (bytes: number): Promise<void> | undefined => holding.take(bytes, signal);
    const mapped = jobs.map(job, { ...options, hold }).finally(() => progress.end());
    mapped.catch(() => undefined);
    yield* progress;
    const partials = await mapped;
    // What was lost while it was read is not in them.
    checkHeld();
    for (const partial of partials) {
      yield { kind: 'partial', bytes: partial ?? new Uint8Array(0) };
      holding.giveBack(partial?.length ?? 0);
      count += 1;
    }
  } finally {
    clearInterval(waiting);
    holding.close();
  }
  yield { kind: 'end', partials: count };
}

function membersWithPartitions({ control }: MemberParts): Map<MemberId, PartitionId[]> {
  const members = new Map<MemberId, PartitionId[]>();
  control.table.owners.forEach(([owner], partition) => {
    if (owner === undefined) return;
    const { id } = control.table.members[owner]!;
    const partitions = members.get(id) ?? [];
    partitions.push(partition as PartitionId);
    members.set(id, partitions);
  });
  return members;
}

function nonEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
