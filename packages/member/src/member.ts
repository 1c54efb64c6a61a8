/**
 * One member: wires the rooms and owns their lives.
 *
 *   config -> store, clock -> coordinator (here or elsewhere) -> pools -> services -> doors open -> join -> ready
 *   stop:    not ready -> doors drain -> pools end -> links close, within STOP_MS
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import { EmbeddedCoordinator, type JoinedMember } from '@ashlar/cluster';
import { ModuleRegistry, ProcessorRunner } from '@ashlar/compute';
import { GridError, HybridClock, type MemberId } from '@ashlar/core';
import { EventHub } from '@ashlar/events';
import { MemberStore } from '@ashlar/storage';
import { type GridServer, serve } from '@ashlar/transport';
import { IndexAllocator, LANE_COUNT, USER_HEAP_BACKSTOP, WorkerLanes, WorkerPool } from '@ashlar/workers';
import type { Logger } from 'pino';
import { followCatalog } from './catalog-follower.ts';
import type { MemberConfig } from './config/schema.ts';
import { controlKeeper } from './control/control-keeper.ts';
import { GridControl } from './control/grid-control.ts';
import { Peers } from './control/peers.ts';
import { RemoteCoordinator } from './control/remote-coordinator.ts';
import { HttpDoor } from './observe/http-door.ts';
import { memberMetrics } from './observe/member-metrics.ts';
import { MemberMetrics } from './observe/metrics.ts';
import { doorSecurity, peerSecurity } from './security.ts';
import { PROTOCOL } from './services/admin-service.ts';
import { logSource } from './services/events-service.ts';
import { memberServices } from './services/member-services.ts';
import { SliceLoop } from './slice-loop.ts';

const STOP_MS = 4000;
const HASH_SEED_BYTES = 4;
const SUBSCRIPTIONS_MAX = 1000;
/** Worker numbers beyond the threads: a killed worker keeps its own until it is gone. */
const SPARE_WORKERS = 8;
const THREADS_MAX = 4;
const WARM_UP_DELAY_MS = 200;
/** Query workers give way to the main thread where the system has a nice value a thread. */
const QUERY_NICENESS = 5;

/** What one running member is made of; handed to those who build on it. */
export interface MemberParts {
  readonly config: MemberConfig;
  readonly log: Logger;
  readonly clock: HybridClock;
  readonly store: MemberStore;
  readonly control: GridControl;
  readonly peers: Peers;
  readonly queryPool: WorkerPool;
  readonly userLanes: WorkerLanes;
  readonly modules: ModuleRegistry;
  readonly processorRunner: ProcessorRunner;
  readonly hub: EventHub;
  readonly metrics: MemberMetrics;
  readonly incarnation: string;
  /** A reader's number for the main thread itself. */
  readonly mainReaderIndex: number;
  readonly holdsCoordinator: boolean;
  /** host:port under which others reach this member; known once the door is open. */
  address: string;
}

export class Member {
  readonly name: string;
  readonly parts: MemberParts;
  readonly #server: GridServer;
  readonly #http: HttpDoor;
  readonly #httpPort: number;
  readonly #closers: readonly (() => Promise<void> | void)[];
  #isStopping = false;

  private constructor(
    parts: MemberParts,
    server: GridServer,
    http: HttpDoor,
    httpPort: number,
    closers: readonly (() => Promise<void> | void)[],
  ) {
    this.name = parts.control.self;
    this.parts = parts;
    this.#server = server;
    this.#http = http;
    this.#httpPort = httpPort;
    this.#closers = closers;
  }

  get address(): string {
    return this.parts.address;
  }

  get httpAddress(): string {
    return `${this.parts.config.http.host}:${this.#httpPort}`;
  }

  /**
   * Starts a member: when it resolves, both doors are open and the member is in its grid.
   *
   * @throws GridError INVALID_CONFIG, INSUFFICIENT_MEMORY, PORT_IN_USE, INSECURE_BIND, CONNECT_TIMEOUT ...
   */
  static async start(config: MemberConfig, log: Logger): Promise<Member> {
    const closers: (() => Promise<void> | void)[] = [];
    try {
      return await open(config, log, closers);
    } catch (error) {
      for (const close of closers.reverse()) await close();
      throw error;
    }
  }

  /** Why the member does not serve yet; undefined: it does. */
  notReady(): string | undefined {
    if (this.#isStopping) return 'stopping';
    const { control } = this.parts;
    if (control.isComplete) return undefined;
    return `${control.table.members.length} of ${control.state.expectedMembers} members have joined`;
  }

  /** Stops in order: calls under way are answered, new ones refused. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.parts.log.info('stopping');
    await this.#server.drain(STOP_MS);
    for (const close of [...this.#closers].reverse()) await close();
    await this.#http.close();
    this.parts.log.info('stopped');
  }

  static make(
    parts: MemberParts,
    server: GridServer,
    http: HttpDoor,
    httpPort: number,
    closers: readonly (() => Promise<void> | void)[],
  ): Member {
    return new Member(parts, server, http, httpPort, closers);
  }
}

async function open(config: MemberConfig, log: Logger, closers: (() => Promise<void> | void)[]): Promise<Member> {
  const parts = await makeParts(config, log, closers);
  const { control, store } = parts;
  followCatalog(parts);
  const background = new SliceLoop(() => !store.sweepExpired(2000) || store.reclaim(4000) >= 4000);
  closers.push(() => background.stop());
  const { services, close } = memberServices(parts);
  closers.push(close);
  const server = await openDoor(config, services, closers);
  parts.address = config.grpc.advertise || `${config.grpc.host}:${server.port}`;
  let member: Member | undefined;
  const http = new HttpDoor({
    host: config.http.host,
    port: config.http.port,
    metrics: async () => ({
      contentType: parts.metrics.registry.contentType,
      text: await parts.metrics.registry.metrics(),
    }),
    notReady: () => (member === undefined ? 'starting' : member.notReady()),
  });
  const httpPort = await http.listen();
  closers.push(() => http.close());
  const self: JoinedMember = {
    id: control.self,
    address: parts.address,
    httpAddress: `${config.http.host}:${httpPort}`,
    zone: config.zone || hostname(),
    incarnation: parts.incarnation,
  };
  await joinGrid(parts, self);
  member = Member.make(parts, server, http, httpPort, closers);
  warmUp(parts, threadsOf(config).threads.query);
  log.info({ name: member.name, grpc: parts.address, http: self.httpAddress }, 'listening');
  return member;
}

/** Starts the query threads behind the first answers: a thread loads the planner when it plans for the first time. */
function warmUp({ queryPool, control }: MemberParts, threads: number): void {
  const catalog = { catalogVersion: control.state.catalogVersion, maps: [] };
  const task = { text: 'SELECT 1', catalog, freshPaths: [] };
  setTimeout(() => {
    for (let thread = 0; thread < threads; thread++) queryPool.run('plan', task).result.catch(() => undefined);
  }, WARM_UP_DELAY_MS).unref();
}

async function openDoor(
  config: MemberConfig,
  services: Parameters<typeof serve>[0]['services'],
  closers: (() => Promise<void> | void)[],
): Promise<GridServer> {
  const { host, port } = config.grpc;
  const server = await serve({
    host,
    port,
    services,
    ...doorSecurity(config.security),
    authorize: () => true,
    limits: { messageBytesMax: config.limits.messageBytes },
  });
  closers.push(() => server.close());
  return server;
}

/** The coordinator of this member: here, or where `cluster.join` says. */
type Coordination = { readonly embedded: EmbeddedCoordinator } | { readonly remote: RemoteCoordinator };

async function coordinate(config: MemberConfig, self: MemberId, peers: Peers): Promise<Coordination> {
  const { join, partitionCount, expectedMembers, dataDirectory, joinTimeoutMs } = config.cluster;
  if (join.length === 0) {
    const keeper = controlKeeper(dataDirectory);
    return { embedded: new EmbeddedCoordinator({ partitionCount, expectedMembers, newGridId: randomUUID, keeper }) };
  }
  const remote = await RemoteCoordinator.connect(peers.at(join[0]!), self, joinTimeoutMs);
  if (remote.state.partitionCount === partitionCount) return { remote };
  remote.close();
  throw new GridError(
    'INVALID_CONFIG',
    `the grid has ${remote.state.partitionCount} partitions, this member is configured for ${partitionCount}`,
    {
      hint: `set cluster.partitionCount to ${remote.state.partitionCount}`,
    },
  );
}

const coordinators = new WeakMap<GridControl, Coordination>();

async function joinGrid({ config, control, clock }: MemberParts, self: JoinedMember): Promise<void> {
  const coordination = coordinators.get(control)!;
  if ('embedded' in coordination) {
    await control.submit({ kind: 'join', member: self });
    return;
  }
  const timeoutMs = config.cluster.joinTimeoutMs;
  await coordination.remote.join(self, {
    timeoutMs,
    protocolMin: PROTOCOL.min,
    protocolMax: PROTOCOL.max,
    version: clock.now(),
  });
}

async function makeParts(
  config: MemberConfig,
  log: Logger,
  closers: (() => Promise<void> | void)[],
): Promise<MemberParts> {
  const { threads, indexes } = threadsOf(config);
  const clock = new HybridClock(undefined, { maxClockAheadMs: config.limits.maxClockAheadMs });
  const peers = new Peers({ messageBytesMax: config.limits.messageBytes, ...peerSecurity(config.security) });
  closers.push(() => peers.close());
  const self = (config.name || nameOf(config)) as MemberId;
  const coordination = await coordinate(config, self, peers);
  if ('remote' in coordination) closers.push(() => coordination.remote.close());
  const control = new GridControl(self, 'remote' in coordination ? coordination.remote : coordination.embedded);
  coordinators.set(control, coordination);
  const store = MemberStore.create({
    maxBytes: config.memory.maxBytes,
    partitionCount: config.cluster.partitionCount,
    maxWorkers: indexes.capacity + 1,
    hashSeed: randomBytes(HASH_SEED_BYTES).readUInt32LE(),
    clock,
    logBytesPerPartition: config.memory.logBytesPerPartition,
  });
  const pools = makePools(config, store, indexes, threads);
  closers.push(() => pools.queryPool.close());
  closers.push(() => pools.userLanes.close());
  const modules = new ModuleRegistry();
  const metrics = new MemberMetrics();
  const hub = new EventHub(logSource(store, clock), {
    partitionCount: config.cluster.partitionCount,
    subscriptionsMax: SUBSCRIPTIONS_MAX,
  });
  store.addCommitListener((partition) => hub.committed(partition));
  const parts: MemberParts = {
    ...{ config, log, clock, store, control, peers, modules, metrics, hub, ...pools },
    processorRunner: new ProcessorRunner(pools.userLanes, modules),
    incarnation: randomUUID(),
    mainReaderIndex: indexes.capacity,
    holdsCoordinator: 'embedded' in coordination,
    address: '',
  };
  memberMetrics(parts);
  return parts;
}

function threadsOf(config: MemberConfig): { threads: { query: number; user: number }; indexes: IndexAllocator } {
  const usual = Math.min(availableParallelism(), THREADS_MAX);
  const threads = {
    query: config.workers.queryThreads || usual,
    user: config.workers.userThreads || usual,
  };
  const indexes = new IndexAllocator(threads.query + threads.user * LANE_COUNT + SPARE_WORKERS);
  return { threads, indexes };
}

function makePools(
  config: MemberConfig,
  store: MemberStore,
  workerIndexes: IndexAllocator,
  threads: { readonly query: number; readonly user: number },
): { queryPool: WorkerPool; userLanes: WorkerLanes } {
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
    niceness: QUERY_NICENESS,
  });
  const userLanes = new WorkerLanes({
    ...common,
    name: 'user',
    entry: entryFile('user-worker'),
    threads: [threads.user, threads.user, 1],
    role: 'user',
    resourceLimits: USER_HEAP_BACKSTOP,
  });
  return { queryPool, userLanes };
}

/** Beside this file, in source and in what was built from it. */
function entryFile(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

function nameOf({ grpc }: MemberConfig): string {
  return grpc.port === 0 ? `${grpc.host}:${randomBytes(HASH_SEED_BYTES).toString('hex')}` : `${grpc.host}:${grpc.port}`;
}
