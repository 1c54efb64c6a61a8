/** A connection to one member: its services as typed calls. */
import './quiet-grpc.ts';
import type { GridError, PartitionTable, TraceContext } from '@ashlar/core';
import type { StatementOutput } from '@ashlar/serialization';
import { ChannelCredentials, type ChannelOptions, Client } from '@grpc/grpc-js';
import {
  type Caller,
  type CallOptions,
  callStream,
  callUnary,
  callWithCredit,
  closeCaller,
  dropUnsent,
  giveUpCalls,
} from './client-calls.ts';
import { type Conversation, openConversation } from './client-conversation.ts';
import { type ExchangeListener, type ExchangeStream, openExchange } from './client-exchange.ts';
import { type KvStream, type KvStreamListener, openKvStream } from './client-kv-stream.ts';
import { type ClientTls, TlsCredentials } from './client-tls.ts';
import { subscribeCreditBytes } from './event-codec.ts';
import type { CatalogKnowledge } from './known-catalog.ts';
import { linkFaultError } from './link-faults.ts';
import { findLinkFault } from './link-probe.ts';
import { type LinkDown, LinkWatch } from './link-watch.ts';
import { MessageBounds, type MessageBoundsOptions } from './message-bounds.ts';
import { type CreditInput, METHODS, type Method } from './methods.ts';
import type * as s from './services.ts';
import { callWatch, type SpinMode } from './spinning.ts';
import { untilUp } from './until-up.ts';

export interface ConnectionOptions extends MessageBoundsOptions {
  readonly tls?: ClientTls | undefined;
  /** Bearer token, asked for at every call. */
  readonly token?: string | (() => string | undefined) | undefined;
  /** Called for every call and stream that a broken or silent link ended, with its service and the error. */
  readonly onLinkFailure?: ((service: string, error: GridError) => void) | undefined;
  /** The trace of the present call, asked for at every call that names none. */
  readonly trace?: (() => TraceContext | undefined) | undefined;
  /** What the caller knows of the catalog: it travels with calls, and what members report is taken over. */
  readonly catalog?: CatalogKnowledge | undefined;
  /** A link without a sign of life is probed after this time and given up after as much again. Default 5000. */
  readonly keepaliveMs?: number;
  /** Longest pause between two attempts to connect. Default 1000. */
  readonly reconnectMaxMs?: number;
  /**
   * Id of the member at the other end. Given: calls that do not reach it fail with MEMBER_UNREACHABLE and its name,
   * else with CONNECTION_LOST.
   */
  readonly peer?: string | (() => string) | undefined;
  /** Whether the process spins for its key-value calls (spin-watch P1). Default 'off'. */
  readonly spin?: SpinMode | undefined;
  /** When the connection whose place it takes was lost: milliseconds since 1970. */
  readonly lostMs?: number | undefined;
  /** Called once when the link is known to be down, and once when it is up again. */
  readonly onLink?: ((down: LinkDown | undefined) => void) | undefined;
  /** Called each time that the link has come up, whether it was known to be down or not. */
  readonly onUp?: (() => void) | undefined;
}

/** One request, one answer. */
export type Ask<Request, Response> = (request: Request, options?: CallOptions) => Promise<Response>;
/** One request, many answers; leaving the loop cancels the call. */
export type Stream<Request, Response> = (
  request: Request,
  options?: CallOptions,
) => AsyncGenerator<Response, void, undefined>;
/** The same, read under credit. */
export type CreditStream<Request, Response> = (
  request: Request,
  options?: CallOptions & { readonly creditBytes?: number },
) => AsyncGenerator<Response, void, undefined>;

type Nothing = undefined;

export interface MemberConnection {
  readonly address: string;
  readonly kv: {
    /** @param generation  which of the caller's streams to this member it is (KvService.openStream) */
    openStream(listener: KvStreamListener, generation?: number): KvStream;
    readonly openSession: Ask<s.SessionRequest, s.SessionLease>;
    readonly renewSession: Ask<{ session: number; lowestUnanswered: number }, s.SessionLease>;
    readonly closeSession: Ask<{ session: number }, Nothing>;
    readonly get: Ask<{ map: string; key: s.KeyText }, s.GetResponse>;
    readonly put: Ask<s.PutRequest, { version: number }>;
    readonly remove: Ask<{ map: string; key: s.KeyText }, { removed: boolean }>;
  };
  readonly sql: {
    readonly execute: CreditStream<s.SqlRequest, StatementOutput>;
    readonly query: Ask<s.SqlRequest, s.QueryResponse>;
  };
  readonly compute: {
    readonly deploy: Ask<s.DeployRequest, { module: string; hash: string }>;
    readonly undeploy: Ask<{ name: string }, { existed: boolean }>;
    readonly listModules: Ask<Nothing, { modules: readonly s.ModuleInfo[] }>;
    readonly runJob: Stream<s.RunJobRequest, s.JobOutput>;
    readonly processWhere: Ask<s.ProcessWhereRequest, s.ProcessWhereResponse>;
  };
  readonly events: { readonly subscribe: CreditStream<s.SubscribeRequest, s.SubscribeOutput> };
  readonly admin: {
    readonly hello: Ask<s.HelloRequest, s.HelloResponse>;
    readonly getTable: Ask<Nothing, PartitionTable>;
    readonly watchTable: Stream<Nothing, PartitionTable>;
    readonly ping: Ask<Nothing, { memberId: string; address: string; version: number }>;
    readonly listMaps: Ask<Nothing, { maps: readonly s.MapInfo[] }>;
    readonly mapSize: Ask<s.MapSizeRequest, { entries: number; bytes: number }>;
    readonly clear: Ask<{ map: string }, { removed: number; version: number }>;
    readonly dropMap: Ask<{ map: string }, { existed: boolean; mapId: number }>;
    readonly dropColumns: Ask<{ map: string }, Nothing>;
    readonly stats: Ask<Nothing, s.StatsResponse>;
    readonly getReplicas: Ask<Nothing, s.GetReplicasResponse>;
    readonly recover: Ask<s.RecoverRequest, { recovered: readonly number[] }>;
  };
  readonly members: {
    readonly join: Ask<s.JoinRequest, s.JoinResponse>;
    readonly leave: Ask<{ memberId: string; incarnation: string }, Nothing>;
    readonly heartbeat: Ask<s.HeartbeatRequest, { leaseMs: number; version: number }>;
    readonly watchControl: Stream<{ memberId: string }, s.ControlUpdate>;
    readonly changeCatalog: Ask<{ body: Uint8Array }, { catalogVersion: number; body: Uint8Array }>;
    readonly pinSnapshot: Ask<{ version: number; memberId: string }, { pinId: number; version: number }>;
    readonly openSnapshot: Ask<s.OpenSnapshotRequest, { snapshotId: number }>;
    readonly releaseSnapshot: Ask<{ snapshotId: number }, Nothing>;
    readonly readControl: Ask<s.ReadControlRequest, s.ControlUpdate>;
    readonly followCatalog: Ask<s.FollowCatalogRequest, { catalogVersion: number }>;
    readonly transact: Ask<{ body: Uint8Array }, { table: Uint8Array }>;
    readonly renew: Ask<s.RenewRequest, s.RenewResponse>;
    readonly recover: Ask<s.RecoverRequest, s.RecoverResponse>;
    readonly fetchBundle: Ask<{ hash: string }, { text: Uint8Array }>;
    readonly findPaths: Ask<{ mapId: number }, { body: Uint8Array }>;
    readonly runFragment: CreditStream<s.FragmentRequest, s.FragmentOutput>;
    readonly runJobPart: Stream<s.RunJobPartRequest, s.JobPartOutput>;
    readonly modifyRows: Ask<{ body: Uint8Array; tableVersion: number }, s.ModifyRowsResponse>;
    /** Ended by close(), unless the member ends it. */
    changePart(options?: CallOptions): Conversation<s.PartInput, s.PartOutput>;
    readonly deliverWrites: Ask<{ body: Uint8Array }, { body: Uint8Array }>;
  };
  readonly replication: {
    /** All that is sent to the replica of the member; see ReplicaLinks. */
    openStream(listener: ExchangeListener): ExchangeStream;
  };
  /**
   * Resolves once there is a connection (it is kept up and re-made by itself from then on).
   *
   * @throws (rejects with) GridError CONNECT_TIMEOUT
   */
  ready(timeoutMs: number): Promise<void>;
  /** The same, but rejects as soon as an attempt has failed, for whoever wants to say why. */
  reach(timeoutMs: number): Promise<void>;
  /**
   * Finds out what stands between us and the member, by connections of its own.
   *
   * @returns CONNECTION_REFUSED, UNKNOWN_HOST, NOT_A_MEMBER, TLS_MISMATCH, UNTRUSTED_CERTIFICATE or
   *   CLIENT_CERTIFICATE_REFUSED; undefined: nothing any more, or nothing that can be found out
   */
  findFault(): Promise<GridError | undefined>;
  /** Whether there is a connection now. */
  readonly isUp: boolean;
  /** performance.now() since which the connection has been up without a break; undefined: it is not up. */
  readonly upSinceMs: number | undefined;
  /** While the link is known to be down: calls fail at once, it is tried again in the background. */
  readonly down: LinkDown | undefined;
  /** Begins to connect, and keeps the link up, before a first call asks for it. */
  keepUp(): void;
  /**
   * The member is taken for dead: calls and streams of answers that are under way end as if the link had broken. Streams of kv and of
   * replication stay, and so does the link: who goes on after a standstill is heard of by it.
   */
  giveUp(): void;
  /** Ends everything under way with CLIENT_CLOSED. */
  close(): void;
  /**
   * Closes it because its member left, moved or is another process by now: everything under way ends as if the link had
   * broken; nobody sees that it was the caller who left.
   */
  abandon(): void;
}

const DEFAULT_KEEPALIVE_MS = 5_000;
const FLOW_CONTROL_WINDOW_BYTES = 4 << 20;
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 1_000;

/** Starts connecting; calls wait or fail as their options say. */
export function connectMember(address: string, options: ConnectionOptions = {}): MemberConnection {
  const bounds = new MessageBounds(options);
  const client = new Client(address, credentialsOf(address, options.tls), channelOptions(options, bounds));
  const { token, peer } = options;
  const onLink = (down: LinkDown | undefined): void => {
    if (down !== undefined) dropUnsent(caller, down.sinceMs);
    options.onLink?.(down);
  };
  const link = new LinkWatch(client.getChannel(), onLink, options.lostMs, options.onUp);
  const caller: Caller = {
    client,
    address,
    link,
    peer: typeof peer === 'string' ? () => peer : peer,
    bounds,
    active: new Set(),
    isClosed: false,
    isAbandoned: false,
    token: typeof token === 'function' ? token : () => token,
    onLinkFailure: options.onLinkFailure,
    trace: options.trace,
    catalog: options.catalog,
    calls: callWatch(options.spin ?? 'off'),
  };
  return connectionOf(address, caller, options.tls);
}

function credentialsOf(address: string, tls: ClientTls | undefined): ChannelCredentials {
  return tls === undefined ? ChannelCredentials.createInsecure() : new TlsCredentials(address, tls);
}

function channelOptions(options: ConnectionOptions, { receiveMax }: MessageBounds): ChannelOptions {
  const keepaliveMs = options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS;
  return {
    'grpc.max_receive_message_length': receiveMax,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_FIRST_MS,
    'grpc.max_reconnect_backoff_ms': options.reconnectMaxMs ?? RECONNECT_MAX_MS,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.client_idle_timeout_ms': 1 << 30,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  };
}

function batchBytes(output: { readonly kind: string; readonly bytes?: Uint8Array }): number {
  return output.kind === 'batch' ? (output.bytes?.length ?? 0) : 0;
}

/** The ways of calling, for one caller. */
function bindingsOf(caller: Caller) {
  const ask =
    <Request, Response>(method: Method<Request, Response>): Ask<Request, Response> =>
    (request, options) =>
      callUnary(caller, method, request, options);
  const stream =
    <Request, Response>(method: Method<Request, Response>): Stream<Request, Response> =>
    (request, options) =>
      callStream(caller, method, request, options);
  const credit =
    <Request, Response>(
      method: Method<CreditInput<Request>, Response>,
      weigh: (response: Response) => number,
    ): CreditStream<Request, Response> =>
    (request, options) =>
      callWithCredit(caller, method, weigh, request, options);
  return { ask, stream, credit };
}

type Bindings = ReturnType<typeof bindingsOf>;

function connectionOf(address: string, caller: Caller, tls: ClientTls | undefined): MemberConnection {
  const bind = bindingsOf(caller);
  const { ask, stream, credit } = bind;
  const m = METHODS;
  return {
    address,
    kv: {
      openStream: (listener, generation = 0) => openKvStream(caller, listener, generation),
      openSession: ask(m.openSession),
      renewSession: ask(m.renewSession),
      closeSession: ask(m.closeSession),
      get: ask(m.get),
      put: ask(m.put),
      remove: ask(m.remove),
    },
    sql: { execute: credit(m.execute, batchBytes), query: ask(m.query) },
    compute: {
      deploy: ask(m.deploy),
      undeploy: ask(m.undeploy),
      listModules: ask(m.listModules),
      runJob: stream(m.runJob),
      processWhere: ask(m.processWhere),
    },
    events: { subscribe: credit(m.subscribe, subscribeCreditBytes) },
    admin: adminOf(caller, bind),
    members: membersOf(caller, bind),
    replication: { openStream: (listener) => openExchange(caller, listener) },
    ready: (timeoutMs) => untilUp(caller, timeoutMs, false),
    reach: (timeoutMs) => untilUp(caller, timeoutMs, true),
    findFault: async () => {
      const fault = await findLinkFault(address, tls);
      return fault === undefined ? undefined : linkFaultError(fault, address, tls);
    },
    get isUp() {
      return caller.link.isUp;
    },
    get upSinceMs() {
      return caller.link.upSinceMs;
    },
    get down() {
      return caller.link.down;
    },
    keepUp: () => caller.link.want(),
    giveUp: () => giveUpCalls(caller),
    close: () => closeCaller(caller),
    abandon: () => {
      caller.isAbandoned = true;
      closeCaller(caller);
    },
  };
}

function adminOf(caller: Caller, { ask, stream }: Bindings): MemberConnection['admin'] {
  const m = METHODS;
  return {
    hello: (request, options) => greet(caller, request, options),
    getTable: ask(m.getTable),
    watchTable: stream(m.watchTable),
    ping: ask(m.ping),
    listMaps: ask(m.listMaps),
    mapSize: ask(m.mapSize),
    clear: ask(m.clear),
    dropMap: ask(m.dropMap),
    dropColumns: ask(m.dropColumns),
    stats: ask(m.stats),
    getReplicas: ask(m.getReplicas),
    recover: ask(m.recoverPartitions),
  };
}

function membersOf(caller: Caller, { ask, stream, credit }: Bindings): MemberConnection['members'] {
  const m = METHODS;
  return {
    join: ask(m.join),
    leave: ask(m.leave),
    heartbeat: ask(m.heartbeat),
    watchControl: stream(m.watchControl),
    changeCatalog: ask(m.changeCatalog),
    pinSnapshot: ask(m.pinSnapshot),
    openSnapshot: ask(m.openSnapshot),
    releaseSnapshot: ask(m.releaseSnapshot),
    readControl: ask(m.readControl),
    followCatalog: ask(m.followCatalog),
    transact: ask(m.transact),
    renew: ask(m.renew),
    recover: ask(m.recover),
    fetchBundle: ask(m.fetchBundle),
    findPaths: ask(m.findPaths),
    runFragment: credit(m.runFragment, batchBytes),
    runJobPart: stream(m.runJobPart),
    modifyRows: ask(m.modifyRows),
    changePart: (options) => openConversation(caller, m.changePart, options),
    deliverWrites: ask(m.deliverWrites),
  };
}

/** What a member tells of itself bounds what is sent to it from here on. */
async function greet(caller: Caller, request: s.HelloRequest, options?: CallOptions): Promise<s.HelloResponse> {
  const hello = await callUnary(caller, METHODS.hello, request, options);
  caller.bounds.memberTells(hello.limits.messageBytesMax);
  return hello;
}
