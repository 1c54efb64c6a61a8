/** core: the words every room speaks. Imports nothing, does no I/O. */
export { AssertionError, assert, unreachable } from './assert.ts';
export type { CallScope } from './call-scope.ts';
export { HybridClock, systemTime, type TimeSource } from './clock.ts';
export { isCodeGenerationAllowed } from './code-generation.ts';
export { distinctNames, numberedName } from './distinct-names.ts';
export { ERROR_CODES, type ErrorCode, isErrorCode, wasNeverSealed } from './error-codes.ts';
export {
  CancelledError,
  DeadlineExceededError,
  type ErrorExtras,
  type GridAttendance,
  GridError,
  GridIncompleteError,
  type KeyRefusal,
  MapDroppedError,
  type MemberOutcome,
  MemberUnreachableError,
  NoPrimaryError,
  OutcomeUnknownError,
  OutOfMemoryError,
  PartitionLostError,
  type RefusalFacts,
  StaleEpochError,
  type TextPosition,
  UnknownMapError,
  type WireError,
} from './errors.ts';
export { EVENT_TYPE, EVENT_TYPES, type EventType, type EventTypeNumber } from './event-types.ts';
export {
  DEFAULT_PARTITION_COUNT,
  type Epoch,
  type Kind,
  type MapId,
  type MemberId,
  type PartitionId,
  type Sequence,
  type Version,
} from './ids.ts';
export { isError } from './is-error.ts';
export {
  checkName,
  invalidName,
  isName,
  isSystemMap,
  NAME_BYTES_MAX,
  NAME_LENGTH_MAX,
  refuseSystemMap,
  systemMapRefusal,
} from './names.ts';
export {
  isSilent,
  type MemberAddress,
  type PartitionTable,
  primariesOf,
  primaryOf,
  requirePrimary,
} from './partition-table.ts';
export { type Random, seededRandom } from './random.ts';
export {
  memberOfReplica,
  type PartitionPhase,
  type PartitionReplicas,
  type PlacedCopies,
  type Renunciation,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaMember,
  type ReplicaTable,
  type ReplicaTransaction,
  type RowReference,
  replicaIdOf,
} from './replica-table.ts';
export { ERROR_TEXT_MAX, shortText, shortTextBytes } from './short-text.ts';
export { SmallSet } from './small-set.ts';
export type { SpinFigures } from './spin-figures.ts';
export {
  isTtlNumber,
  type TimeToLive,
  TTL_DEFAULT,
  TTL_KEEP,
  TTL_MAX_MS,
  TTL_NEVER,
  ttlNumber,
} from './time-to-live.ts';
export { timerMs } from './timer-ms.ts';
export { type SpanIdentity, spanOf, type TraceContext, traceContextOf } from './trace-context.ts';
export { HEAP_BYTES_MAX, HEAP_BYTES_MIN, WALL_MS_MAX } from './user-limits.ts';
