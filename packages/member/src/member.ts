/**
 * One member: wires the rooms and owns their lives.
 *
 *   config -> store, clock -> coordinator (here or elsewhere) -> pools -> services -> doors open -> join -> ready
 *   stop:    not ready -> partitions handed over -> a coordinator here plans no more -> doors take nothing new, what is sealed is decided -> doors drain -> pools end -> links close, within STOP_MS
 */
import { hostname } from 'node:os';
import type { JoinedMember } from '@ashlar/cluster';
import { type GridServer, type GridServices, serve } from '@ashlar/transport';
import type { Logger } from 'pino';
import { grpcAddress, httpAddress } from './advertise.ts';
import { CatalogFollower } from './catalog-follower.ts';
import type { MemberConfig } from './config/schema.ts';
import { awaitMembers } from './control/awaited-members.ts';
import type { IsGiven } from './control/grid-settings.ts';
import { type Closers, type MemberParts, makeParts, threadsOf } from './member-parts.ts';
import { HttpDoor } from './observe/http-door.ts';
import { doorMetrics, memberMetrics } from './observe/member-metrics.ts';
import { noticesOf } from './observe/partition-states.ts';
import { Readiness } from './observe/readiness.ts';
import { memberServices } from './services/member-services.ts';
import { SliceLoop } from './slice-loop.ts';

const STOP_MS = 4000;
const WARM_UP_DELAY_MS = 200;

export class Member {
  readonly #parts: MemberParts;
  readonly #closers: Closers;
  readonly #readiness: Readiness;
  #server: GridServer | undefined;
  #endWaiting: () => void = () => undefined;
  #httpAddress = '';
  #isStopping = false;

  private constructor(parts: MemberParts, closers: Closers) {
    this.#parts = parts;
    this.#closers = closers;
    this.#readiness = new Readiness(parts.replication?.replica);
  }

  /**
   * Starts a member: when it resolves, both doors are open and the member is in its grid.
   *
   * @param isGiven  whether a setting was given, or has its default
   * @throws GridError INVALID_CONFIG, INSUFFICIENT_MEMORY, PORT_IN_USE, INSECURE_BIND, CONNECT_TIMEOUT ...
   */
  static async start(
    config: MemberConfig,
    isGiven: IsGiven,
    log: Logger,
    env: Readonly<Record<string, string | undefined>> = process.env,
  ): Promise<Member> {
    const closers: Closers = [];
    try {
      const member = new Member(await makeParts(config, isGiven, log, closers, env), closers);
      await member.#open();
      return member;
    } catch (error) {
      for (const close of closers.reverse()) await close();
      throw error;
    }
  }

  get name(): string {
    return this.#parts.control.self;
  }

  get address(): string {
    return this.#parts.address;
  }

  /** The scheme of the HTTP door. */
  get httpScheme(): 'http' | 'https' {
    return this.#parts.security.http === undefined ? 'http' : 'https';
  }

  get httpAddress(): string {
    return this.#httpAddress;
  }

  /** Stops in order: calls under way are answered, new ones refused. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { log } = this.#parts;
    log.info('stopping');
    this.#endWaiting();
    // Others serve what this member does before its callers are sent away.
    await this.#parts.replication?.leave();
    // Its door hears nobody from here on: a controller would take every other member for dead.
    this.#parts.endControl();
    // From here on nothing is sealed that was not taken before; what is sealed is decided while its callers can still be answered.
    const drained = this.#server?.drain(STOP_MS);
    this.#parts.writes.close();
    await drained;
    for (const close of this.#closers.reverse()) await close();
    log.info('stopped');
  }

  async #open(): Promise<void> {
    const parts = this.#parts;
    const { config, store, log } = parts;
    memberMetrics(parts, this.#closers);
    const follower = new CatalogFollower(parts);
    this.#closers.push(() => follower.close());
    // Behind the follower, which opens what has come.
    parts.control.onCatalog(() => parts.replication?.host.catalogChanged());
    parts.control.onCatalog(() => parts.hub.mapsChanged());
    parts.control.onTable(() => parts.hub.ownersChanged());
    parts.control.onTable((table) => this.#readiness.onTable(table));
    const { services, relieve, endWaiting, close } = memberServices(parts);
    this.#endWaiting = endWaiting;
    this.#closers.push(close);
    const background = new SliceLoop(() => {
      relieve();
      return !store.sweepExpired(2000) || store.reclaim(4000) >= 4000;
    });
    this.#closers.push(() => background.stop());
    const server = await openDoor(parts, services);
    this.#server = server;
    doorMetrics(parts, () => server.stats());
    this.#closers.push(() => server.close());
    parts.address = grpcAddress(config, server.port);
    this.#httpAddress = await this.#openHttp();
    parts.replication?.begin();
    await this.#join();
    warmUp(parts);
    log.info({ member: this.name, grpc: parts.address, http: this.#httpAddress }, 'listening');
  }

  /** @returns host:port */
  async #openHttp(): Promise<string> {
    const { config, control, controlNotices, metrics, security } = this.#parts;
    const { host, port, metricsEveryMs } = config.http;
    const { registry } = metrics;
    const door = new HttpDoor({
      host,
      port,
      metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
      metricsEveryMs,
      notReady: () => this.#notReady(),
      notices: () => [...controlNotices(), ...noticesOf(control.table)],
      security: security.http,
    });
    const opened = await door.listen();
    this.#closers.push(() => door.close());
    return httpAddress(config, opened);
  }

  async #join(): Promise<void> {
    const { config, control, incarnation, address, remoteCoordinator, log } = this.#parts;
    const zone = config.zone || hostname();
    const self: JoinedMember = { id: control.self, address, httpAddress: this.#httpAddress, zone, incarnation };
    if (remoteCoordinator === undefined) {
      this.#closers.push(awaitMembers(control, config.cluster.joinTimeoutMs, log));
      await control.submit({ kind: 'join', member: self });
      return;
    }
    await remoteCoordinator.join(self, config.cluster.joinTimeoutMs);
  }

  /** Why the member does not serve yet, or no longer does; empty: it serves. */
  #notReady(): string[] {
    if (this.#isStopping) return ['the member is stopping'];
    const { control, refusal } = this.#parts;
    const refused = refusal();
    if (refused !== undefined) return [refused.message];
    if (control.isComplete) return this.#readiness.reasons();
    return [`${control.table.members.length} of ${control.table.expectedMembers} members have joined`];
  }
}

function openDoor({ config, security, catalog }: MemberParts, services: GridServices): Promise<GridServer> {
  const { host, port } = config.grpc;
  const limits = { messageBytesMax: config.limits.messageBytes };
  return serve({ host, port, services, catalog, limits, spin: config.spin, ...security.door });
}

/** Starts the query threads behind the first answers: a thread loads the planner when it plans for the first time. */
function warmUp({ config, queryPool, control }: MemberParts): void {
  const catalog = { catalogVersion: control.catalog.catalogVersion, maps: [] };
  const task = { text: 'SELECT 1', catalog, freshPaths: [] };
  const { query } = threadsOf(config).threads;
  setTimeout(() => {
    for (let thread = 0; thread < query; thread++) queryPool.run('plan', task).result.catch(() => undefined);
  }, WARM_UP_DELAY_MS).unref();
}
