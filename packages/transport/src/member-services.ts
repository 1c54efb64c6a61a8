/** What members answer each other: membership, parts of statements and jobs, copies. The rules are those of services.ts. */
import type { CallContext } from './handler-context.ts';

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
