/**
 * What a member answers: one interface a service of `protos/ashlar/v1`, plain data in, plain data or async iterables out.
 *
 * services S1  A handler is called only after its operation was authorized (operations.ts).
 * services S2  A handler throws (or rejects with) GridError; anything else reaches the caller as INTERNAL without its text.
 * services S3  An async iterable is pulled: the next element is asked for only while the caller has granted credit, so a
 *              handler never holds more than one element ready. When the caller leaves, `return()` is called and the signal
 *              fires.
 */
import type { PartitionPhase, PartitionTable, TraceContext } from '@ashlar/core';
import type { StatementColumn, StatementOutput } from '@ashlar/serialization';
import type { EventBatch } from './event-batch.ts';
import type { KvAnswers, KvBatch } from './kv-batch.ts';
import type { Permission } from './operations.ts';

/** Who calls. `name` is for logs, records and permissions. */
export interface Principal {
  readonly name: string;
  /** Roles that the authenticator gave it; opaque to transport. */
  readonly roles: readonly string[];
}

/** Room for answers of one stream between its producer and the socket. */
export interface AnswerRoom {
  /** Whether the caller and the door have room for more. */
  readonly hasRoom: boolean;
  room(): Promise<void>;
  /** Counts what is about to be answered; from then on nobody else takes its room. */
  hold(bytes: number): void;
}

export interface CallContext {
  /** Fires when the caller cancels, its deadline passes, or the connection is lost. */
  readonly signal: AbortSignal;
  /** Milliseconds of the monotonic clock (performance.now()); undefined: the caller set none. */
  readonly deadlineMs: number | undefined;
  readonly principal: Principal;
  /** The trace it belongs to. */
  readonly trace: TraceContext | undefined;
  /** host:port of the caller. */
  readonly peer: string;
  /**
   * Asks for a permission that only the handler can name (the maps of a statement).
   *
   * @throws GridError PERMISSION_DENIED
   */
  require(permission: Permission, map: string | undefined): void;
  /** Room for the answers of a stream: whoever makes large answers all at once looks here first. */
  readonly answers?: AnswerRoom | undefined;
}

// --- kv

/** One caller's stream. Nothing is written after close. */
export interface KvAnswerSink {
  /**
   * Sends the answers of one batch. They are copied before it returns: their arrays may be reused, and may lie in shared
   * memory.
   */
  write(answers: KvAnswers): void;
  /**
   * A batch that is answered is read no more, nor are parts of it: its memory may be used again. At most once a batch; optional for
   * either side.
   */
  over?(batch: KvBatch): void;
}

/** The member's side of one stream. */
export interface KvBatchSink {
  /**
   * A batch, in the order sent. Its arrays are the batch's own and stay valid until it is said to be over. Must end in `write`s with its batch id that
   * together answer each operation once (at once or later); the transport stops reading while too many bytes are unanswered.
   */
  onBatch(batch: KvBatch): void;
  /** The stream is over; answers still owed are dropped. */
  onClose(): void;
}

export interface SessionLease {
  readonly session: number;
  readonly leaseMs: number;
  /** The member's clock: the session has seen it. */
  readonly version: number;
}

/** A key as people write it; exactly one field is set. */
export interface KeyText {
  readonly text?: string;
  readonly integer?: number;
  readonly number?: number;
  readonly raw?: Uint8Array;
  readonly encoded?: Uint8Array;
}

export interface SessionRequest {
  /** 0 asks for a new one. */
  readonly session: number;
  readonly clientName: string;
  /** Whether the session is that of a member's listeners: full logs take what it writes. Default false. */
  readonly forListeners?: boolean;
}

export interface KvService {
  /** A stream opens. Mutations, reads and processors are authorized batch by batch before `onBatch`. */
  /** @param generation  which of its caller's streams to this member it is, counting up; 0 (default): not given */
  openStream(answers: KvAnswerSink, context: CallContext, generation?: number): KvBatchSink;
  /** @param request.session  0 asks for a new id */
  openSession(request: SessionRequest, context: CallContext): Promise<SessionLease>;
  renewSession(
    request: { readonly session: number; readonly lowestUnanswered: number },
    context: CallContext,
  ): Promise<SessionLease>;
  closeSession(request: { readonly session: number }, context: CallContext): Promise<void>;
  get(request: { readonly map: string; readonly key: KeyText }, context: CallContext): Promise<GetResponse>;
  put(request: PutRequest, context: CallContext): Promise<{ readonly version: number }>;
  remove(
    request: { readonly map: string; readonly key: KeyText },
    context: CallContext,
  ): Promise<{ readonly removed: boolean }>;
}

export interface GetResponse {
  readonly found: boolean;
  readonly json: string;
  readonly version: number;
  /** 0: does not expire. */
  readonly expiresAtMs: number;
}

export interface PutRequest {
  readonly map: string;
  readonly key: KeyText;
  /** Exactly one of the two. */
  readonly json?: string;
  readonly messagePack?: Uint8Array;
  /** 0: the map's. */
  readonly ttlMs: number;
}

// --- sql

export interface SqlRequest {
  readonly text: string;
  /** MessagePack of an array; empty: none. */
  readonly parameters: Uint8Array;
  readonly sessionVersion: number;
  /** 0: all. */
  readonly rowsMax: number;
  /** Values of odd kinds in undeclared paths are errors, not NULL. */
  readonly strict: boolean;
}

export interface QueryResponse {
  readonly columns: readonly StatementColumn[];
  /** One JSON array a row. */
  readonly rows: readonly string[];
  readonly affected: number;
  readonly notices: readonly string[];
  readonly version: number;
  readonly elapsedMs: number;
}

export interface SqlService {
  /** header, batches, end; fails by throwing. */
  execute(request: SqlRequest, context: CallContext): AsyncIterable<StatementOutput>;
  query(request: SqlRequest, context: CallContext): Promise<QueryResponse>;
}

// --- compute

export interface ModuleExport {
  readonly name: string;
  readonly kind: string;
  /** Name of the map whose changes a listener gets; empty for other kinds. */
  readonly map: string;
  /** State of a listener in a listing: running, waiting or ended; else empty. */
  readonly state?: string;
}

export interface DeployRequest {
  readonly name: string;
  /** SHA-256 of the bundle, hex. */
  readonly hash: string;
  readonly bundle: Uint8Array;
  /** 0: the default. */
  readonly limits: { readonly wallMs: number; readonly heapBytes: number };
  readonly exports: readonly ModuleExport[];
}

export interface RunJobRequest {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
  /** MessagePack. */
  readonly arguments: Uint8Array;
  readonly sessionVersion: number;
}

export type JobOutput =
  | { readonly kind: 'progress'; readonly share: number }
  | { readonly kind: 'result'; readonly bytes: Uint8Array };

export interface ProcessWhereRequest {
  readonly map: string;
  /** Empty: every entry. */
  readonly where: string;
  readonly parameters: Uint8Array;
  readonly module: string;
  readonly exportName: string;
  readonly arguments: Uint8Array;
  readonly sessionVersion: number;
  /** Values of odd kinds in the condition are errors. */
  readonly strict: boolean;
}

export interface ProcessWhereResponse {
  readonly affected: number;
  readonly version: number;
  readonly notices: readonly string[];
}

export interface ModuleInfo {
  readonly name: string;
  readonly hash: string;
  readonly exports: readonly ModuleExport[];
}

export interface ComputeService {
  deploy(request: DeployRequest, context: CallContext): Promise<{ readonly module: string; readonly hash: string }>;
  undeploy(request: { readonly name: string }, context: CallContext): Promise<{ readonly existed: boolean }>;
  listModules(context: CallContext): Promise<{ readonly modules: readonly ModuleInfo[] }>;
  /** Progress, then one result. */
  runJob(request: RunJobRequest, context: CallContext): AsyncIterable<JobOutput>;
  processWhere(request: ProcessWhereRequest, context: CallContext): Promise<ProcessWhereResponse>;
}

// --- events

export type WireOnSlow = 'lag' | 'conflate' | 'cut';

export interface SubscribeRequest {
  readonly map: string;
  /** Empty: every event. */
  readonly where: string;
  readonly parameters: Uint8Array;
  /** Numbers of EVENT_TYPES; empty: all. */
  readonly types: readonly number[];
  /** A token (token.ts); empty: from now. */
  readonly from: string;
  readonly onSlow: WireOnSlow;
  /** Empty: all that the member owns. */
  readonly partitions: readonly number[];
  /** The caller waits for versions that are resolved; otherwise it only hears of places that moved. */
  readonly tellsResolved?: boolean;
}

export type SubscribeOutput =
  /** First: where it begins, in parallel columns. */
  | {
      readonly kind: 'standing';
      readonly partitions: readonly number[];
      readonly incarnations: readonly number[];
      readonly sequences: readonly number[];
      readonly partitionCount: number;
      /** The map it belongs to; 0: none has the name yet. */
      readonly mapId?: number;
    }
  /** `number` counts the batches of the call, from 1. */
  | { readonly kind: 'events'; readonly events: EventBatch; readonly number: number; readonly mapId?: number }
  /** `sequences` is parallel to `partitions`: places that moved. `batches`: sent before it. */
  | {
      readonly kind: 'resolved';
      readonly version: number;
      readonly partitions: readonly number[];
      readonly sequences: readonly number[];
      readonly batches: number;
      /** Changes that the condition had no clear answer for, since the call began. */
      readonly dividedByZero: number;
      readonly oddValues: number;
      readonly mapId?: number;
    };

export interface EventsService {
  subscribe(request: SubscribeRequest, context: CallContext): AsyncIterable<SubscribeOutput>;
}

// --- admin

export interface Limits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly messageBytesMax: number;
  readonly batchesMax: number;
  readonly batchBytesMax: number;
}

export interface HelloRequest {
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly caller: string;
}

export interface HelloResponse {
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly features: number;
  readonly gridId: string;
  /** Incarnation of the member's process: another one means that its memory is another. */
  readonly incarnation: string;
  readonly memberId: string;
  readonly partitionCount: number;
  readonly table: PartitionTable;
  readonly limits: Limits;
}

export interface MapInfo {
  readonly name: string;
  readonly id: number;
  readonly affinityParts: number;
  /** 0: none. */
  readonly ttlMs: number;
  /** 0: none. */
  readonly maxIdleMs: number;
  readonly entries: number;
  readonly bytes: number;
}

/** One line of /metrics. */
export interface Figure {
  readonly name: string;
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  readonly value: number;
}

export interface StatsResponse {
  readonly memberId: string;
  readonly figures: readonly Figure[];
}

/** In the order of the wire. */
export const PARTITION_PHASES = ['unassigned', 'promoting', 'serving', 'lost'] as const satisfies PartitionPhase[];

export interface ReplicaMemberInfo {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  readonly incarnation: string;
  readonly alive: boolean;
}

/** Who holds a partition, by the names of members. */
export interface PartitionInfo {
  readonly phase: PartitionPhase;
  readonly epoch: number;
  /** Empty: nobody. */
  readonly primary: string;
  readonly inSync: readonly string[];
  /** Of those in sync whose process is gone. */
  readonly gone: readonly string[];
  readonly wanted: readonly string[];
}

export interface GetReplicasResponse {
  readonly memberId: string;
  readonly tableVersion: number;
  readonly backups: number;
  readonly minInSync: number;
  readonly members: readonly ReplicaMemberInfo[];
  readonly partitions: readonly PartitionInfo[];
}

/** Of the whole grid, or of what a member serves. */
export interface MapSizeRequest {
  readonly map: string;
  readonly grid: boolean;
  readonly mapId?: number;
  /** Once what is sealed in the map is decided. */
  readonly decided?: boolean;
  /** Those that the member is to count; none: all that it serves. */
  readonly partitions?: readonly number[];
  /** By which they are the member's. */
  readonly tableVersion?: number;
}

export interface AdminService {
  hello(request: HelloRequest, context: CallContext): Promise<HelloResponse>;
  getTable(context: CallContext): Promise<PartitionTable>;
  watchTable(context: CallContext): AsyncIterable<PartitionTable>;
  ping(
    context: CallContext,
  ): Promise<{ readonly memberId: string; readonly address: string; readonly version: number }>;
  listMaps(context: CallContext): Promise<{ readonly maps: readonly MapInfo[] }>;
  mapSize(request: MapSizeRequest, context: CallContext): Promise<{ readonly entries: number; readonly bytes: number }>;
  clear(
    request: { readonly map: string },
    context: CallContext,
  ): Promise<{ readonly removed: number; readonly version: number }>;
  dropMap(
    request: { readonly map: string },
    context: CallContext,
  ): Promise<{ readonly existed: boolean; readonly mapId: number }>;
  /** Drops the columns that the asked member has of a map. A map that does not exist has none. */
  dropColumns(request: { readonly map: string }, context: CallContext): Promise<void>;
  /** The same names, labels and numbers as /metrics. */
  stats(context: CallContext): Promise<StatsResponse>;
  getReplicas(context: CallContext): Promise<GetReplicasResponse>;
  /** @throws GridError LEASE_HELD, INVALID_ARGUMENT: nothing was changed */
  recover(request: RecoverRequest, context: CallContext): Promise<{ readonly recovered: readonly number[] }>;
}

// --- members

export interface WireMember {
  readonly id: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly zone: string;
}

export interface JoinRequest {
  readonly member: WireMember;
  readonly incarnation: string;
  readonly version: number;
  /** Empty: any. */
  readonly gridId: string;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** MessagePack of the table and the catalog that it holds, as { table, catalog }; none or empty: nothing. */
  readonly held?: Uint8Array | undefined;
}

export interface JoinResponse extends ControlUpdate {
  readonly version: number;
  readonly leaseMs: number;
}

export interface HeartbeatRequest {
  readonly memberId: string;
  readonly incarnation: string;
  readonly version: number;
  readonly tableVersion: number;
  readonly catalogVersion: number;
}

/** The two values of a grid, each where it is newer than what the reader has. */
export interface ControlUpdate {
  /** MessagePack; empty: unchanged. */
  readonly table: Uint8Array;
  /** MessagePack, without bundles; empty: unchanged. */
  readonly catalog: Uint8Array;
}

/** What the caller has. */
export interface ReadControlRequest {
  /** Empty: nothing. */
  readonly gridId: string;
  readonly tableVersion: number;
  readonly catalogVersion: number;
}

/** A member asks the coordinator for its lease. */
export interface RenewRequest {
  readonly replica: string;
  readonly number: number;
  readonly ceiling: number;
}

export interface RenewResponse {
  readonly granted: boolean;
  readonly number: number;
  readonly tableVersion: number;
}

export interface RecoverRequest {
  /** Empty: all that are lost. */
  readonly partitions: readonly number[];
}

export interface RecoverResponse {
  readonly recovered: readonly number[];
  readonly table: Uint8Array;
}

export interface FollowCatalogRequest {
  readonly catalogVersion: number;
  /** Hash of the bundle that has to be there too, for a deployment. None or empty: any. */
  readonly bundleHash?: string | undefined;
}

export interface OpenSnapshotRequest {
  /** 0: none was pinned here. */
  readonly pinId: number;
  readonly version: number;
  /** Empty: all that the member owns. */
  readonly partitions: readonly number[];
  readonly tableVersion: number;
}

export interface FragmentRequest {
  /** MessagePack. */
  readonly plan: Uint8Array;
  readonly partitions: readonly number[];
  readonly snapshotId: number;
  readonly version: number;
  /** MessagePack of an array. */
  readonly parameters: Uint8Array;
  readonly buildTables: readonly Uint8Array[];
  readonly memoryBytes: number;
  readonly tableVersion: number;
}

export type FragmentOutput =
  | { readonly kind: 'batch'; readonly bytes: Uint8Array }
  /** Nothing more is read from the snapshot, so it may go, even while batches wait for their reader. At most once. */
  | { readonly kind: 'scanned' }
  /** `body`: MessagePack of statistics, may be empty. `batches`: sent before it. */
  | { readonly kind: 'end'; readonly rows: number; readonly body: Uint8Array; readonly batches: number };

export interface RunJobPartRequest {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
  readonly mapId: number;
  readonly arguments: Uint8Array;
  readonly partitions: readonly number[];
  readonly snapshotId: number;
  readonly version: number;
}

export type JobPartOutput =
  | { readonly kind: 'progress'; readonly share: number }
  | { readonly kind: 'partial'; readonly bytes: Uint8Array }
  /** The last; `partials`: sent before it. */
  | { readonly kind: 'end'; readonly partials: number };

export interface ModifyRowsResponse {
  readonly affected: number;
  readonly version: number;
  readonly body: Uint8Array;
}

/** Steps of one member's part of a statement, and their outcomes; member.proto says what they mean. */
export const PART_STEPS = ['find', 'stage', 'stageInTurn', 'release', 'awaitRoom', 'keep', 'commit'] as const;
export const PART_STATES = [
  ...(['found', 'staged', 'busy', 'noRoom', 'released', 'ready', 'kept', 'committed'] as const),
];
export type PartStep = (typeof PART_STEPS)[number];
export type PartState = (typeof PART_STATES)[number];

export interface PartInput {
  /** MessagePack of what to change; in the first input only. */
  readonly body: Uint8Array;
  readonly step: PartStep;
  readonly tableVersion: number;
}

export interface PartOutput {
  readonly state: PartState;
  readonly rows: number;
  readonly version: number;
  readonly body: Uint8Array;
  readonly leaseMs: number;
}

/** Needs the permission `member`. */
export interface MembersService {
  join(request: JoinRequest, context: CallContext): Promise<JoinResponse>;
  leave(request: { readonly memberId: string; readonly incarnation: string }, context: CallContext): Promise<void>;
  heartbeat(
    request: HeartbeatRequest,
    context: CallContext,
  ): Promise<{ readonly leaseMs: number; readonly version: number }>;
  watchControl(request: { readonly memberId: string }, context: CallContext): AsyncIterable<ControlUpdate>;
  changeCatalog(
    request: { readonly body: Uint8Array },
    context: CallContext,
  ): Promise<{ readonly catalogVersion: number; readonly body: Uint8Array }>;
  readControl(request: ReadControlRequest, context: CallContext): Promise<ControlUpdate>;
  transact(request: { readonly body: Uint8Array }, context: CallContext): Promise<{ readonly table: Uint8Array }>;
  renew(request: RenewRequest, context: CallContext): Promise<RenewResponse>;
  recover(request: RecoverRequest, context: CallContext): Promise<RecoverResponse>;
  followCatalog(request: FollowCatalogRequest, context: CallContext): Promise<{ readonly catalogVersion: number }>;
  fetchBundle(request: { readonly hash: string }, context: CallContext): Promise<{ readonly text: Uint8Array }>;
  pinSnapshot(
    request: { readonly version: number; readonly memberId: string },
    context: CallContext,
  ): Promise<{ readonly pinId: number; readonly version: number }>;
  openSnapshot(request: OpenSnapshotRequest, context: CallContext): Promise<{ readonly snapshotId: number }>;
  releaseSnapshot(request: { readonly snapshotId: number }, context: CallContext): Promise<void>;
  findPaths(request: { readonly mapId: number }, context: CallContext): Promise<{ readonly body: Uint8Array }>;
  runFragment(request: FragmentRequest, context: CallContext): AsyncIterable<FragmentOutput>;
  runJobPart(request: RunJobPartRequest, context: CallContext): AsyncIterable<JobPartOutput>;
  modifyRows(
    request: { readonly body: Uint8Array; readonly tableVersion: number },
    context: CallContext,
  ): Promise<ModifyRowsResponse>;
  /** One output an input. The caller may leave at any time: then `context.signal` fires. */
  changePart(inputs: AsyncIterable<PartInput>, context: CallContext): AsyncIterable<PartOutput>;
  deliverWrites(request: { readonly body: Uint8Array }, context: CallContext): Promise<{ readonly body: Uint8Array }>;
}

/** What replicas tell each other. The head and each payload are views of one message's memory. */
export interface ReplicaMessage {
  /** `member#incarnation` */
  readonly from: string;
  /** `member#incarnation` */
  readonly to: string;
  readonly head: Uint8Array;
  readonly payloads: readonly Uint8Array[];
}

/** Needs the permission `member`. */
export interface ReplicationService {
  /**
   * In the order in which one caller sent them, as they come: what they ask for is done later, or at once if it is short. The
   * message is the handler's; `giveBackMessage(message.head)` lets its memory be used again.
   */
  onMessage(message: ReplicaMessage): void;
}

export interface GridServices {
  readonly kv: KvService;
  readonly sql: SqlService;
  readonly compute: ComputeService;
  readonly events: EventsService;
  readonly admin: AdminService;
  readonly members: MembersService;
  /** Undefined: the member keeps no copies, and refuses what is sent to them. */
  readonly replication?: ReplicationService | undefined;
}
