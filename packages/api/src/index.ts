/** api: what applications and user code see. Types, definitions, Decimal; no I/O. */
export {
  type ErrorCode,
  GridError,
  type KeyRefusal,
  type MemberOutcome,
  type RefusalFacts,
  type SpinFigures,
  type TimeToLive,
} from '@ashlar/core';
export type { Call, JsonPath } from './calls.ts';
export {
  type AfterListener,
  defineJob,
  defineListener,
  defineProcessor,
  type EntryProcessor,
  type Job,
  type JobContext,
  type ListenerGrid,
  type ListenerMap,
  type MutableEntry,
  type Named,
  type PartitionRows,
  type RunOptions,
  type WriteSetItem,
  writePut,
} from './compute.ts';
export { Decimal } from './decimal.ts';
export type {
  ClusterMember,
  ClusterState,
  ColumnBatch,
  DeployedModule,
  DeployOptions,
  Figure,
  Grid,
  JobArguments,
  MapSummary,
  MemberStats,
  ModuleLimits,
  PartitionCopies,
  PingResult,
  ResultColumn,
  SqlOptions,
  SqlResult,
  SqlTag,
  SqlTypeName,
} from './grid.ts';
export {
  type Condition,
  type ConditionOptions,
  defineMap,
  type Entry,
  type EntryEvent,
  type EntryStream,
  type EventFeed,
  type EventType,
  type GridKey,
  type GridMap,
  type LoadFailure,
  type LoadOptions,
  type LoadProgress,
  type LoadResult,
  type MapDefinition,
  type MapOptions,
  type ProcessedWhere,
  type PutOptions,
  type SubscribeOptions,
  type SubscriptionStats,
  type UntypedDefinition,
} from './maps.ts';
export type { Mistake, Numeric, Synchronous } from './mistakes.ts';
export type { ArrayPath, ElementAt, NumberPath, PathOf, ValueAt } from './paths.ts';
export type { ArgumentsOf, ProcessorOn, ResultOf } from './processors.ts';
export {
  type PatchOf,
  READY_MODULE,
  type ReadyArguments,
  type ReadyName,
  type ReadyOptions,
  type ReadyProcessor,
  type ReadyResult,
  ready,
} from './ready.ts';
export { REFUSAL_CODE_LENGTH_MAX, REFUSAL_DETAILS_BYTES_MAX, Refusal } from './refusal.ts';
