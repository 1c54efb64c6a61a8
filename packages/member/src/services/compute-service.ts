/** The compute service: from gRPC to modules of the catalog, jobs and processors over a condition. */
import { type Grid, READY_MODULE } from '@ashlar/api';
import type { CatalogedModule, CatalogState } from '@ashlar/cluster';
import { JobRunner, ListenerRunner } from '@ashlar/compute';
import {
  type DeliveryDoor,
  JobCoordinator,
  JobPartRunner,
  LISTENER_MAP,
  ListenerDriver,
  type ProcessorCalls,
  stateOfListener,
} from '@ashlar/compute-runtime';
import { type CallScope, refuseSystemMap, type Version } from '@ashlar/core';
import { noticesOf, OddTally } from '@ashlar/expressions';
import type { EntryLimits, KeyGate, LocalSnapshots, LogPressure, NeedMap } from '@ashlar/partitions';
import { decodeParameters } from '@ashlar/serialization';
import type { PlannedCondition } from '@ashlar/sql-planner';
import { type ChangeCoordinator, checkParameterCount, type GridSnapshots, type HeldMemory } from '@ashlar/sql-runtime';
import type {
  ComputeService,
  DeployRequest,
  GridCalls,
  JobPartOutput,
  ModuleInfo,
  RunJobPartRequest,
} from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';

export interface ComputeDependencies {
  readonly parts: MemberParts;
  readonly calls: GridCalls;
  readonly needMap: NeedMap;
  /** For calls that listeners make. */
  readonly grid: (scope: CallScope) => Promise<Grid>;
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

export interface ComputeParts {
  readonly service: ComputeService;
  readonly jobPart: (request: RunJobPartRequest, call: CallScope) => AsyncIterable<JobPartOutput>;
  readonly close: () => Promise<void>;
}

export function computeService(deps: ComputeDependencies): ComputeParts {
  const { parts } = deps;
  const { control, tracing } = parts;
  const runner = new JobRunner(parts.userPools, parts.modules);
  const jobs = new JobCoordinator({ ...deps, control, tracing, runner });
  const jobParts = new JobPartRunner({
    ...{ control, tracing, runner, needMap: deps.needMap, held: deps.held, snapshots: deps.localSnapshots },
    snapshotMaxAgeMs: parts.config.limits.snapshotMaxAgeMs,
  });
  const listeners = new ListenerDriver({
    ...deps,
    relay: deps.deliveries.relay,
    runner: new ListenerRunner(parts.userPools, parts.modules),
  });
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
    runJob: (request, call) => jobs.run(request, call),
    async processWhere(request, { signal, trace, deadlineMs }) {
      control.requireComplete();
      if (request.module !== READY_MODULE) await control.moduleNamed(request.module);
      const parameters = decodeParameters(request.parameters);
      await control.mapNamed(request.map);
      const condition = await deps.planCondition(request.map, request.where, signal);
      checkParameterCount('the condition', condition.parameterCount, parameters.length);
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
  return { service, jobPart: (request, call) => jobParts.run(request, call), close: () => listeners.close() };
}

function listed({ name, hash, exports }: CatalogedModule, catalog: CatalogState): ModuleInfo {
  const told = exports.map((one) => ({ ...one, state: one.kind === 'listener' ? stateOfListener(one, catalog) : '' }));
  return { name, hash, exports: told };
}

/** On every live member when it resolves; its listeners stand there on committed checkpoints. */
async function deploy(request: DeployRequest, { control }: MemberParts): Promise<void> {
  const { name, hash, bundle, limits, exports } = request;
  const module = { name, hash, bundle: Buffer.from(bundle).toString('utf8'), exports, ...limits };
  for (const { kind, map } of exports) if (kind === 'listener') refuseSystemMap(map);
  // Before the listeners are there: a member that would have to make it could not follow the deployment meanwhile.
  if (exports.some(({ kind }) => kind === 'listener')) await control.systemMap(LISTENER_MAP);
  await control.submit({ kind: 'putModule', module });
}
