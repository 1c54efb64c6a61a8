/** All services of a member, built over its parts. */
import { randomBytes, randomInt } from 'node:crypto';
import { CALL_DEPTH } from '@ashlar/compute';
import { DeliveryDoor, ProcessorCalls } from '@ashlar/compute-runtime';
import { type CallScope, type MapId, type MemberId, seededRandom, type TraceContext, type Version } from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import { AnswerMemoryPool, kvService, Sessions } from '@ashlar/kv';
import { tracedCall } from '@ashlar/observe';
import {
  AnswerWindow,
  EntryLimits,
  KeyGate,
  LocalSnapshots,
  LogPressure,
  type NeedMap,
  needMapOf,
  RoomQueue,
} from '@ashlar/partitions';
import { decodeValue, encodeMessage } from '@ashlar/serialization';
import type { ConditionTask } from '@ashlar/sql-executor';
import type { CatalogView } from '@ashlar/sql-plan';
import type { PlannedCondition } from '@ashlar/sql-planner';
import {
  ChangeCoordinator,
  type ChangeOutcome,
  ChangePart,
  type ChangeRequest,
  ChangeRunner,
  ColumnKeeper,
  callFragment,
  type FragmentRunnerDependencies,
  GridSnapshots,
  HeldMemory,
  OwnPart,
  PathFinder,
  PeerPart,
  Planning,
  ProcessWhere,
  QueryCoordinator,
  type RowChange,
  ShortStatements,
  Statements,
} from '@ashlar/sql-runtime';
import { DEFAULT_SERVER_LIMITS, type GridCalls, type GridServices, gridCalls, turnsFor } from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';
import { serviceMetrics } from '../observe/service-metrics.ts';
import { adminService } from './admin-service.ts';
import { computeService } from './compute-service.ts';
import { eventsService, logSource } from './events-service.ts';
import { keyForwarder } from './key-forwarder.ts';
import { MemberGrid } from './member-grid.ts';
import { membersService } from './members-service.ts';
import { sqlService } from './sql-service.ts';

const WAITING_MAX = 100_000;
const SESSIONS_MAX = 10_000;
const SNAPSHOTS_MAX = 500;
/** How often, within their maximal age, unread results and untouched snapshots are looked for. */
const LOOKS_AN_AGE = 8;
/** A snapshot that was read since is not the first to give way where memory is short. */
const UNTOUCHED_LEAST_MS = 1000;
const RENEWALS_AN_AGE = 4;
const CONDITION_WALL_MS = 5000;
/** Longer than a member waits for a key before it answers that it did not take writes (delivery-target.ts). */
const DELIVERY_TIMEOUT_MS = 5000;
/** Processor tasks under way at once, a thread. */
const NO_PARAMETERS = { parameters: [], parameterBytes: new Uint8Array(0) } as const;
const TASKS_A_THREAD = 2;

export function memberServices(parts: MemberParts): {
  readonly services: GridServices;
  /** Called in slices: snapshots that are not read go before memory is full. */
  readonly relieve: () => void;
  /** The member is about to stop: what waits for room in a log is refused. */
  readonly endWaiting: () => void;
  readonly close: () => Promise<void>;
} {
  const { config, clock, store, writes, control, ownership, peers, queryPool, metrics, hub } = parts;
  const gate = new KeyGate(WAITING_MAX);
  const rooms = new RoomQueue({
    isLogFull: (partition) => store.isPartitionOpen(partition) && store.isLogFull(partition),
    waitingMax: WAITING_MAX,
  });
  const pressure = new LogPressure(store);
  const sessions = new Sessions({
    leaseMs: config.limits.sessionTtlMs,
    sessionsMax: SESSIONS_MAX,
    nowMs: () => performance.now(),
    newId: () => randomInt(1, 2 ** 47),
    versionNow: () => clock.now(),
    answerBytesMax: config.memory.answersMaxBytes,
  });
  const limits = new EntryLimits(limitsOf(parts));
  const processors = new ProcessorCalls({
    ...{ store, writes, gate, clock, limits, tracing: parts.tracing },
    random: seededRandom(randomBytes(4).readInt32LE()),
    partitionCount: config.cluster.partitionCount,
    run: (batch) => parts.processorRunner.start(batch, { depth: CALL_DEPTH.processor }),
    turnsFor: (look) => turnsFor(config.spin, look),
    tasksMax: TASKS_A_THREAD * parts.userPools.stats()[CALL_DEPTH.processor]!.threads,
  });
  const { snapshotMaxAgeMs } = config.limits;
  const nowMs = (): number => performance.now();
  const localSnapshots = new LocalSnapshots({
    ...{ store, clock, nowMs, ownership },
    maxAgeMs: snapshotMaxAgeMs,
    openMax: SNAPSHOTS_MAX,
    memberCount: () => Math.max(1, control.table.members.length),
  });
  control.onTable((table, before) => {
    for (const { id, incarnation } of before?.members ?? []) {
      if (!table.members.some((now) => now.id === id && now.incarnation === incarnation)) localSnapshots.releaseOf(id);
    }
  });
  store.onSnapshotPressure(() => localSnapshots.giveWay(0));
  const renewEveryMs = snapshotMaxAgeMs / RENEWALS_AN_AGE;
  const calls = gridCalls({ self: control.self, peers, table: () => control.table, services: () => services });
  const snapshots = new GridSnapshots({
    ...{ control, calls, clock, renewEveryMs },
    touchOwn: (pinId) => localSnapshots.touch(pinId),
  });
  const held = new HeldMemory({
    bytesMax: config.memory.statementsMaxBytes,
    statementBytesMax: config.memory.queryMaxBytes,
    unreadMaxMs: snapshotMaxAgeMs,
    nowMs,
  });
  const unreadSweep = setInterval(() => {
    held.sweep();
    localSnapshots.sweep();
  }, snapshotMaxAgeMs / LOOKS_AN_AGE);
  unreadSweep.unref();
  const needMap = needMapOf(parts);
  const fragments: FragmentRunnerDependencies = {
    store,
    needMap,
    pool: queryPool,
    columns: new ColumnKeeper(store, parts.mainReaderIndex),
    held,
    snapshots: localSnapshots,
  };
  const queries = new QueryCoordinator({
    ...{ control, snapshots, pool: queryPool },
    ...{ memoryBytes: config.memory.queryMaxBytes, held },
    runFragment: (call, stats) =>
      callFragment(call, stats, { calls, control, memoryBytes: config.memory.queryMaxBytes }),
  });
  const staging = { store, writes, ownership: parts.ownership, gate, processors };
  const changeRunner = new ChangeRunner({
    ...staging,
    needMap,
    pool: queryPool,
    clock,
    limits,
    snapshots: localSnapshots,
  });
  const scan: ChangeRunner['scan'] = (task, signal) => changeRunner.scan(task, signal);
  const processWhere = new ProcessWhere({ store, processors, clock, ownership, scan });
  const change = (request: ChangeRequest, call: CallScope): Promise<ChangeOutcome> =>
    runChange(request, call, parts, changeRunner, processWhere, needMap);
  const changePart = (rows: RowChange, leaseMs: number): ChangePart =>
    new ChangePart((signal) => changeRunner.find(rows, signal), staging, leaseMs);
  const changes = new ChangeCoordinator({
    ...{ control, snapshots, queries, limits },
    run: (member, request, call) => callChange(member, request, call, { calls, control }),
    open: (member, rows, call) =>
      member === control.self
        ? new OwnPart(member, changePart(rows, Number.POSITIVE_INFINITY))
        : peerPart(member, rows, call, { calls, control }),
  });
  const paths = new PathFinder({ ...parts, calls }, localSnapshots);
  const planning = new Planning({
    ...{ control, pool: queryPool },
    entryCount: (mapId) => store.entryCount(mapId),
    findPaths: (map, signal) => paths.inGrid(map, signal),
    knownPaths: (map) => paths.inGridNow(map),
  });
  const planCondition = (map: string, condition: string, signal: AbortSignal): Promise<PlannedCondition> => {
    const task: ConditionTask = { map, condition, catalog: withMap(planning.view(), map) };
    return queryPool.run<PlannedCondition>('condition', task, { signal, wallMs: CONDITION_WALL_MS }).result;
  };
  const grid: MemberGrid = new MemberGrid(parts, () => kv, false);
  const listenerGrid: MemberGrid = new MemberGrid(parts, () => kv, true);
  const forward = keyForwarder(parts, grid.within);
  const statementsByKey = new ShortStatements({ control, planning, keys: forward, metrics, tracing: parts.tracing });
  const kv = kvService({
    statements: statementsByKey,
    ...{ store, writes, control, gate, rooms, processors, clock, sessions, metrics, forward, pressure },
    tracing: parts.tracing,
    limits,
    valueBytesMax: config.limits.valueBytes,
    answerMemory: new AnswerMemoryPool(),
    answerWindow: new AnswerWindow(store),
  });
  const deliveries = new DeliveryDoor({
    ...{ store, writes, control, clock, gate, limits, needMap },
    send: async (member, body) => {
      const { members } = calls.to(member);
      return (await members.deliverWrites({ body }, { timeoutMs: DELIVERY_TIMEOUT_MS })).body;
    },
  });
  const compute = computeService({
    parts,
    calls,
    deliveries,
    needMap,
    grid: listenerGrid.within,
    snapshots,
    localSnapshots,
    held,
    changes,
    processors,
    gate,
    limits,
    pressure,
    planCondition,
  });
  serviceMetrics(metrics, {
    gate,
    rooms,
    sessions,
    processors,
    hub,
    held,
    snapshots: localSnapshots,
    writes,
    replication: parts.replication,
  });
  const sessionSweep = setInterval(() => sessions.sweep(), config.limits.sessionTtlMs);
  sessionSweep.unref();
  const statements = new Statements({
    ...{ control, planning, queries, changes, metrics, clock },
    ...{ pool: queryPool, keys: forward, tracing: parts.tracing },
  });
  const services: GridServices = {
    kv,
    replication: parts.replication?.service,
    sql: sqlService(statements),
    compute: compute.service,
    events: eventsService({ control, ownership, hub, logs: logSource(store, control.serving), metrics, planCondition }),
    admin: adminService({
      ...{ control, ownership, calls, store, clock, incarnation: parts.incarnation },
      address: () => parts.address,
      limits: limitsOf(parts),
      figures: () => metrics.figures(),
      clearMap: (map, { signal, deadlineMs }) =>
        changes.clear(map, {
          ...{ ...NO_PARAMETERS, clockMs: Date.now(), strict: false, odd: new OddTally() },
          ...{ seen: 0 as Version, signal, deadlineMs, trace: undefined },
        }),
    }),
    members: membersService({
      ...{ control, ownership, clock, fragments, change, changePart, tracing: parts.tracing },
      findPaths: (mapId, signal) => paths.here(mapId, signal),
      holdsCoordinator: parts.remoteCoordinator === undefined,
      snapshots: localSnapshots,
      hello: ({ id }, request, timeoutMs) => calls.to(id).admin.hello(request, { timeoutMs }),
      jobPart: compute.jobPart,
      deliver: (body) => deliveries.take(body),
    }),
  };
  const close = async (): Promise<void> => {
    clearInterval(sessionSweep);
    clearInterval(unreadSweep);
    snapshots.close();
    await compute.close();
    await grid.close();
    await listenerGrid.close();
    localSnapshots.close();
  };
  const relieve = (): void => {
    if (store.isShortForSnapshots) localSnapshots.giveWay(UNTOUCHED_LEAST_MS);
  };
  return { services, relieve, endWaiting: () => rooms.close(), close };
}

/** A condition may be stated before its map is there. */
function withMap(catalog: CatalogView, name: string): CatalogView {
  if (catalog.maps.some((map) => map.name === name)) return catalog;
  const map = { name, mapId: 0, affinityParts: 0, paths: undefined, entries: 0 };
  return { ...catalog, maps: [...catalog.maps, map] };
}

function limitsOf({ config }: MemberParts) {
  const { keyBytes, valueBytes, messageBytes } = config.limits;
  return { keyBytesMax: keyBytes, valueBytesMax: valueBytes, messageBytesMax: messageBytes, ...KV_WINDOW };
}

const KV_WINDOW = { batchesMax: DEFAULT_SERVER_LIMITS.batchesMax, batchBytesMax: DEFAULT_SERVER_LIMITS.batchBytesMax };

async function runChange(
  request: ChangeRequest,
  { signal, trace: parent }: CallScope,
  { tracing }: MemberParts,
  runner: ChangeRunner,
  processWhere: ProcessWhere,
  needMap: NeedMap,
): Promise<ChangeOutcome> {
  return tracedCall(tracing.begin('ashlar.sql.change', parent, {}), (trace) => run(trace));

  async function run(trace: TraceContext | undefined): Promise<ChangeOutcome> {
    if (request.kind === 'change' || request.kind === 'insert') return runner.run(request, signal);
    if (request.kind === 'check') return runner.check(request.task, signal);
    const { mapId, map } = request.task.scan;
    return processWhere.run(request.task, await needMap(mapId as MapId, map), request.processor, { signal, trace });
  }
}

/** How a coordinator reaches members. */
type Reach = Pick<MemberParts, 'control'> & { readonly calls: GridCalls };

async function callChange(
  member: MemberId,
  change: ChangeRequest,
  { signal, trace }: CallScope,
  { calls, control }: Reach,
): Promise<ChangeOutcome> {
  const request = { body: encodeMessage(change), tableVersion: control.table.tableVersion };
  const options = { signal, trace, onlyReads: change.kind === 'check' };
  const { affected, version, body } = await calls.to(member).members.modifyRows(request, options);
  const { odd, keysFound } = decodeValue(body) as Pick<ChangeOutcome, 'odd' | 'keysFound'>;
  return { affected, version: version as Version, odd, keysFound };
}

function peerPart(member: MemberId, change: RowChange, { trace }: CallScope, { calls, control }: Reach): PeerPart {
  const conversation = calls.to(member).members.changePart({ trace });
  return new PeerPart(member, change, conversation, control.table.tableVersion);
}
