/** transport: typed messages between processes: batches, deadlines, backpressure. Imports core, serialization. */
export { type DoorBind, isLoopback, isWildcard, refuseInsecureBind } from './bind-rule.ts';
export type { CallOptions } from './client-calls.ts';
export type { Conversation } from './client-conversation.ts';
export type { ExchangeListener, ExchangeStream } from './client-exchange.ts';
export type { KvStream, KvStreamListener } from './client-kv-stream.ts';
export { type ClientTls, hostAndPort } from './client-tls.ts';
export {
  type Ask,
  type ConnectionOptions,
  type CreditStream,
  connectMember,
  type MemberConnection,
  type Stream,
} from './connection.ts';
export { EVENT_TYPES, type EventBatch } from './event-batch.ts';
export { EncodedEvents } from './event-codec.ts';
export type { CatalogDoor, CatalogKnowledge, KnownCatalog } from './known-catalog.ts';
export {
  BATCH_OPERATIONS_LIMIT,
  isMutation,
  type KvAnswers,
  type KvBatch,
  type MapReference,
  OPCODE,
  type Opcode,
  type OperationErrors,
  type ProcessorReference,
  STATUS,
  traceOf,
} from './kv-batch.ts';
export { decodeAnswers, decodeBatch, encodeAnswers, encodeBatch, withDeadline } from './kv-codec.ts';
export type { LinkDown } from './link-watch.ts';
export { LOCAL_PEER, localCalls } from './local-calls.ts';
export { type GridCalls, type GridCallsParts, gridCalls, type MemberCalls } from './member-calls.ts';
export { mergeStreams } from './merge-streams.ts';
export { MESSAGE_BYTES_CEILING } from './message-bounds.ts';
export { giveBackMessage, takeMessage } from './message-buffers.ts';
export { OPERATIONS, type Operation, type Permission } from './operations.ts';
export { PartCount } from './part-count.ts';
export { Peers } from './peers.ts';
export { checkPems, type NamedPem, type TlsPems } from './pem-check.ts';
export { type ReplicaAddress, type ReplicaLinkStats, ReplicaLinks, type ReplicaLinksOptions } from './replica-links.ts';
export { DEFAULT_SERVER_LIMITS, serve } from './server.ts';
export type { ClientAuth, DoorStats, GridServer, ServeOptions, ServerLimits, TlsFiles } from './server-types.ts';
export type {
  AdminService,
  AnswerRoom,
  CallContext,
  ComputeService,
  ControlUpdate,
  DeployRequest,
  EventsService,
  Figure,
  FollowCatalogRequest,
  FragmentOutput,
  FragmentRequest,
  GetReplicasResponse,
  GetResponse,
  GridServices,
  HeartbeatRequest,
  HelloRequest,
  HelloResponse,
  JobOutput,
  JobPartOutput,
  JoinRequest,
  JoinResponse,
  KeyText,
  KvAnswerSink,
  KvBatchSink,
  KvService,
  Limits,
  MapInfo,
  MapSizeRequest,
  MembersService,
  ModifyRowsResponse,
  ModuleExport,
  ModuleInfo,
  OpenSnapshotRequest,
  PartInput,
  PartitionInfo,
  PartOutput,
  PartState,
  PartStep,
  Principal,
  ProcessWhereRequest,
  PutRequest,
  QueryResponse,
  ReadControlRequest,
  RecoverRequest,
  RecoverResponse,
  RenewRequest,
  RenewResponse,
  ReplicaMemberInfo,
  ReplicaMessage,
  ReplicationService,
  RunJobPartRequest,
  RunJobRequest,
  SessionLease,
  SessionRequest,
  SqlRequest,
  SqlService,
  StatsResponse,
  SubscribeOutput,
  SubscribeRequest,
  WireMember,
  WireOnSlow,
} from './services.ts';
export { SPIN_MODES, type SpinMode, spinFigures, turnsFor } from './spinning.ts';
