/**
 * What a member answers: one interface a service of `protos/ashlar/v1`, plain data in, plain data or async iterables out.
 *
 * services S1  A handler is called only after its operation was authorized (operations.ts).
 * services S2  A handler throws (or rejects with) GridError; anything else reaches the caller as INTERNAL without its text.
 * services S3  An async iterable is pulled: the next element is asked for only while the caller has granted credit, so a
 *              handler never holds more than one element ready. When the caller leaves, `return()` is called and the signal
 *              fires.
 */
import type { PartitionPhase, PartitionTable } from '@ashlar/core';
import type { StatementColumn, StatementOutput } from '@ashlar/serialization';
import type { EventBatch } from './event-batch.ts';
import type { CallContext } from './handler-context.ts';
import type { KvAnswers, KvBatch } from './kv-batch.ts';
import type { MembersService, RecoverRequest, ReplicationService } from './member-services.ts';

export * from './handler-context.ts';
export * from './member-services.ts';

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
