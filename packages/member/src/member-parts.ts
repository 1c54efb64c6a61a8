/** The parts of one member, and how they are made from its configuration. */
import { randomBytes, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type ControlPorts, type ControlState, EmbeddedCoordinator, GridView, type TableState } from '@ashlar/cluster';
import { ModuleRegistry, ProcessorRunner } from '@ashlar/compute';
import { type GridError, HybridClock, isSilent, type MemberId, seededRandom } from '@ashlar/core';
import { EventHub } from '@ashlar/events';
import { MemberMetrics, NO_TRACING, type Tracing } from '@ashlar/observe';
import { type Committer, LateCommits, Ownership, PROMPT_COMMITTER, WritePath } from '@ashlar/partitions';
import { DEFAULT_TIMINGS } from '@ashlar/replication';
import { MemberStore } from '@ashlar/storage';
import { Peers } from '@ashlar/transport';
import { CALL_DEPTH_COUNT, IndexAllocator, USER_HEAP_BACKSTOP, WorkerPool, WorkerPools } from '@ashlar/workers';
import type { Logger } from 'pino';
import { refuseUnreachable } from './advertise.ts';
import type { MemberConfig } from './config/schema.ts';
import { type BundleHolder, bundleFrom } from './control/bundle-search.ts';
import { controlKeeper } from './control/control-keeper.ts';
import { firstCoordinator } from './control/coordinator-search.ts';
import { backupsNotice, foundingSettings, type IsGiven, withGridSettings } from './control/grid-settings.ts';
import { KeeperWatch } from './control/keeper-watch.ts';
import { MemberCatalog } from './control/member-catalog.ts';
import { linesOf } from './control/membership-log.ts';
import { RemoteCoordinator, type RemoteOptions } from './control/remote-coordinator.ts';
import { SpreadingCoordinator } from './control/spreading-coordinator.ts';
import { type MemberSecret, memberSecret } from './member-secret.ts';
import { loadTracing } from './open-telemetry.ts';
import { MemberReplication } from './replication/member-replication.ts';
import { type MemberSecurity, memberSecurity } from './security.ts';
import { PROTOCOL } from './services/admin-service.ts';
import { logSource } from './services/events-service.ts';
import { withTokenFiles } from './token-files.ts';

const HASH_SEED_BYTES = 4;
const SUBSCRIPTIONS_MAX = 1000;
/** A table that is kept is synced to disk, on the main thread: transactions that come close together are kept together. */
const GATHER_MS = 50;
const URGENT_GATHER_MS = 5;
/** Worker numbers beyond the threads: a killed worker keeps its own until it is gone. */
const SPARE_WORKERS = 8;
const THREADS_MAX = 4;
/** Nice value of query workers, so that they give way to the main thread where the system has one for each thread. */
const QUERY_NICENESS = 5;
/** The smaller its limit, the less the heap of a query worker grows between two collections; each thread has one of its own. */
const QUERY_HEAP = { maxOldGenerationSizeMb: 1024 };

/** What is to be closed when a member stops or fails to start, the last one first. */
export type Closers = (() => Promise<void> | void)[];

/** What one running member is made of; handed to those who build on it. */
export interface MemberParts {
  readonly config: MemberConfig;
  readonly log: Logger;
  readonly clock: HybridClock;
  readonly store: MemberStore;
  /** The one way in which data changes. */
  readonly writes: WritePath;
  readonly control: GridView;
  /** The catalog in `control`, for calls to other members and for the door. */
  readonly catalog: MemberCatalog;
  /** Which partitions are owned here, and since when: for what acts on a partition in several steps. */
  readonly ownership: Ownership;
  readonly peers: Peers;
  readonly queryPool: WorkerPool;
  readonly userPools: WorkerPools;
  readonly modules: ModuleRegistry;
  readonly processorRunner: ProcessorRunner;
  readonly hub: EventHub;
  readonly metrics: MemberMetrics;
  readonly tracing: Tracing;
  readonly incarnation: string;
  /** Who may talk to it, and how it talks to others. */
  readonly security: MemberSecurity;
  /** Reader index of the main thread itself. */
  readonly mainReaderIndex: number;
  /** Undefined: the grid keeps no copies. */
  readonly replication: MemberReplication | undefined;
  /** Undefined: the coordinator is in this member. */
  readonly remoteCoordinator: RemoteCoordinator | undefined;
  /** Why the coordinator changes nothing any more, or does not take this member back. */
  readonly refusal: () => GridError | undefined;
  /** What an operator should know of the coordinator in this member. */
  readonly controlNotices: () => readonly string[];
  /** A coordinator in this member plans nothing any more; its table is told and changed on. Idempotent. */
  readonly endControl: () => void;
  /** host:port under which others reach this member; known once the door is open. */
  address: string;
}

/** The coordinator of this member: here, or where `cluster.join` says. */
type Coordination =
  | { readonly embedded: EmbeddedCoordinator; readonly keeper: KeeperWatch }
  | { readonly remote: RemoteCoordinator };

/** What a coordinator needs of the member in which it runs, or by which it is followed. */
interface CoordinatorParts {
  readonly config: MemberConfig;
  readonly self: MemberId;
  readonly peers: Peers;
  readonly clock: HybridClock;
  readonly log: Logger;
}

async function coordinate({ config, self, peers, clock, log }: CoordinatorParts): Promise<Coordination> {
  const { join, dataDirectory, joinTimeoutMs } = config.cluster;
  const others = (table: TableState): Iterable<BundleHolder> =>
    table.members.filter(({ id }) => id !== self && !isSilent(table, id)).map(({ id }) => peers.to(id, table));
  if (join.length === 0) {
    const keeper = new KeeperWatch(controlKeeper(dataDirectory), log);
    const embedded: EmbeddedCoordinator = new EmbeddedCoordinator({
      ...{ ...foundingSettings(config.cluster), newGridId: randomUUID, keeper },
      findBundle: (hash) => bundleFrom(others(embedded.state.table), hash),
      control: controlPorts(clock, log, keeper),
    });
    return { embedded, keeper };
  }
  const { min: protocolMin, max: protocolMax } = PROTOCOL;
  const options: RemoteOptions = { log, protocolMin, protocolMax, version: () => clock.now(), others };
  const remote = await firstCoordinator(join, joinTimeoutMs, async (address, timeoutMs) => {
    let known: RemoteCoordinator | undefined;
    const connection = peers.at(address, () => known?.nameAt(address) ?? 'coordinator');
    try {
      known = await RemoteCoordinator.connect(connection, self, timeoutMs, options);
      return known;
    } catch (error) {
      connection.close();
      throw error;
    }
  });
  return { remote };
}

/** What the controller of a grid with copies is run with. */
function controlPorts(clock: HybridClock, log: Logger, keeper: KeeperWatch): ControlPorts {
  return {
    times: { ...DEFAULT_TIMINGS, gatherMs: GATHER_MS, urgentGatherMs: URGENT_GATHER_MS },
    nowMs: () => performance.now(),
    version: () => clock.now(),
    every: (ms, run) => {
      const timer = setInterval(run, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
    onFailure: (error) => {
      if (!keeper.hasTold(error))
        log.error({ err: error }, 'the table could not be changed: it is as it was, and tried again');
    },
    onRefusal: (error) => log.error({ err: error }, 'an older state was restored: nothing of the grid can be changed'),
  };
}

/** The coordinator, with answers that hold everywhere. */
function spreading(
  embedded: EmbeddedCoordinator,
  {
    self,
    peers,
    log,
    standHere,
  }: {
    readonly self: MemberId;
    readonly peers: Peers;
    readonly log: Logger;
    readonly standHere: () => Promise<void>;
  },
): SpreadingCoordinator {
  return new SpreadingCoordinator(embedded, {
    ...{ self, log, standHere },
    askToFollow: ({ id }, request, timeoutMs) =>
      peers.to(id, embedded.state.table).members.followCatalog(request, { timeoutMs }),
  });
}

function tellSecret({ source, alone }: MemberSecret, { cluster }: MemberConfig, log: Logger): void {
  log.debug({ source }, 'the secret of members');
  if (alone === undefined || (cluster.join.length === 0 && cluster.expectedMembers === 1)) return;
  const hint = 'set ASHLAR_MEMBER_SECRET or security.memberToken, the same for all members';
  log.warn({ why: alone, hint }, 'no other process can have the secret of this member: members cannot join');
}

/** Everything a member is made of but its services and doors. What was opened is closed by `closers`, last first. */
export async function makeParts(
  told: MemberConfig,
  isGiven: IsGiven,
  log: Logger,
  closers: Closers,
  env: Readonly<Record<string, string | undefined>>,
): Promise<MemberParts> {
  const tokens = withTokenFiles(told.security);
  const secret = memberSecret({ given: tokens.memberToken, env });
  const security = memberSecurity({ ...told, security: tokens }, secret);
  refuseUnreachable(told);
  tellSecret(secret, told, log);
  for (const warning of security.warnings) log.warn(warning);
  const { threads, indexes } = threadsOf(told);
  const clock = new HybridClock(undefined, { maxClockAheadMs: told.limits.maxClockAheadMs });
  const metrics = new MemberMetrics();
  const catalog = new MemberCatalog();
  const links = {
    memberMessageBytesMax: told.limits.messageBytes,
    onLinkFailure: (service: string) => metrics.linkFailed(service),
    catalog,
    spin: told.spin,
    ...security.peers,
  };
  const peers = new Peers(links, log);
  closers.push(() => peers.close());
  const self = (told.name || nameOf(told)) as MemberId;
  const coordination = await coordinate({ config: told, self, peers, clock, log });
  closers.push(() => ('remote' in coordination ? coordination.remote : coordination.embedded).close());
  const { state }: { readonly state: ControlState } =
    'remote' in coordination ? coordination.remote : coordination.embedded;
  const config = withGridSettings(told, isGiven, state.table);
  const notice = backupsNotice(told.cluster.backups, state.table);
  if (notice !== undefined) log.warn({ backups: config.cluster.backups }, notice);
  const standHere = (): Promise<void> => control.stands();
  const control: GridView = new GridView(
    self,
    'remote' in coordination ? coordination.remote : spreading(coordination.embedded, { self, peers, log, standHere }),
    (error) => log.error({ err: error }, 'a change of the grid was followed in part'),
  );
  catalog.begin(control);
  const store = MemberStore.create({
    maxBytes: config.memory.maxBytes,
    partitionCount: config.cluster.partitionCount,
    maxWorkers: indexes.capacity + 1,
    hashSeed: randomBytes(HASH_SEED_BYTES).readUInt32LE(),
    clock,
    logBytesPerPartition: config.memory.logBytesPerPartition,
  });
  const incarnation = randomUUID();
  const replication = replicationOf(config, { control, store, clock, log, incarnation, connection: links });
  if (replication !== undefined) closers.push(() => replication.close());
  replication?.follow();
  // Before whoever acts on a change of the table: what was lost with it is lost for all of them.
  const ownership = new Ownership(control);
  control.onTable((now, before) => {
    for (const { level, facts, message } of linesOf(before, now)) log[level](facts, message);
    peers.follow(now.members, self, { silent: now.silent, hasCopies: now.replicas !== undefined });
  });
  store.checkEpochs((partition) => ownership.epochOf(partition));
  store.stampCatalog(() => control.catalog.catalogVersion);
  const writes = new WritePath(store, replication?.host.committer ?? committerOf(config, store));
  closers.push(() => writes.close());
  const pools = makePools(config, store, indexes, threads);
  closers.push(() => pools.queryPool.close());
  closers.push(() => pools.userPools.close());
  const { userWallMs: wallMs, userHeapBytes: heapBytes } = config.workers;
  const modules = new ModuleRegistry({ wallMs, heapBytes });
  const hub = new EventHub(logSource(store, control.serving), {
    partitionCount: config.cluster.partitionCount,
    subscriptionsMax: SUBSCRIPTIONS_MAX,
  });
  store.addCommitListener((partition) => hub.committed(partition));
  const parts: MemberParts = {
    ...{ config, log, clock, catalog, store, writes, control, ownership, peers, modules, metrics, hub, ...pools },
    tracing: (await loadTracing()) ?? NO_TRACING,
    processorRunner: new ProcessorRunner(pools.userPools, modules),
    incarnation,
    replication,
    security,
    mainReaderIndex: indexes.capacity,
    remoteCoordinator: 'remote' in coordination ? coordination.remote : undefined,
    refusal: () => ('remote' in coordination ? coordination.remote : coordination.embedded).refusal,
    controlNotices: () => ('remote' in coordination ? [] : coordination.keeper.notices()),
    endControl: () => ('embedded' in coordination ? coordination.embedded.close() : undefined),
    address: '',
  };
  return parts;
}

/** Undefined: the grid keeps no copies. */
function replicationOf(
  { cluster, testing }: MemberConfig,
  parts: Omit<ConstructorParameters<typeof MemberReplication>[0], 'minInSync' | 'delayCommit'>,
): MemberReplication | undefined {
  if (cluster.backups === 0) return undefined;
  return new MemberReplication({ ...parts, minInSync: cluster.minInSync, delayCommit: commitDelayOf(testing) });
}

/** Undefined: what every copy has is committed at once. */
function commitDelayOf({ commitDelayMs, seed }: MemberConfig['testing']): ((commit: () => void) => void) | undefined {
  if (commitDelayMs === 0) return undefined;
  const random = seededRandom(seed);
  return (commit) => void setTimeout(commit, random.next() * commitDelayMs);
}

/** Commits come at once, or late where a test wants it so. */
function committerOf({ testing }: MemberConfig, store: MemberStore): Committer {
  const { commitDelayMs, commitDropPerMille, seed } = testing;
  if (commitDelayMs === 0 && commitDropPerMille === 0) return PROMPT_COMMITTER;
  return new LateCommits(store, {
    random: seededRandom(seed),
    delayMaxMs: commitDelayMs,
    dropShare: commitDropPerMille / 1000,
    nowMs: () => performance.now(),
    later: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });
}

/** Threads of the query pool and of each user pool, and the readers' numbers for all of them. */
export function threadsOf(config: MemberConfig): { threads: { query: number; user: number }; indexes: IndexAllocator } {
  const usual = Math.min(availableParallelism(), THREADS_MAX);
  const threads = {
    query: config.workers.queryThreads || usual,
    user: config.workers.userThreads || usual,
  };
  const indexes = new IndexAllocator(threads.query + threads.user * CALL_DEPTH_COUNT + SPARE_WORKERS);
  return { threads, indexes };
}

function makePools(
  config: MemberConfig,
  store: MemberStore,
  workerIndexes: IndexAllocator,
  threads: { readonly query: number; readonly user: number },
): { queryPool: WorkerPool; userPools: WorkerPools } {
  const common = {
    store: store.handle,
    workerIndexes,
    queueMax: config.workers.queueMax,
    onWorkerGone: (index: number) => store.workerGone(index),
  };
  const queryPool = new WorkerPool({
    ...common,
    name: 'query',
    entry: entryFile('query-worker'),
    threads: threads.query,
    role: 'query',
    resourceLimits: QUERY_HEAP,
    niceness: QUERY_NICENESS,
  });
  const userPools = new WorkerPools({
    ...common,
    name: 'user',
    entry: entryFile('user-worker'),
    threads: [threads.user, threads.user, 1],
    role: 'user',
    resourceLimits: USER_HEAP_BACKSTOP,
  });
  return { queryPool, userPools };
}

/** Beside this file, in source and in what was built from it. */
function entryFile(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

function nameOf({ grpc }: MemberConfig): string {
  return grpc.port === 0 ? `${grpc.host}:${randomBytes(HASH_SEED_BYTES).toString('hex')}` : `${grpc.host}:${grpc.port}`;
}
