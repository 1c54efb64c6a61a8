/** storage: The arena; entries, slots, columns of one partition; snapshots; its log. */

export { type BatchHeader, NO_DEADLINE } from './batch/batch-header.ts';
export { resolveLane } from './batch/pending-words.ts';
export type { WriteBatch } from './batch/write-batch.ts';
export { type ChunkPlace, enterChunk } from './chunk-walk.ts';
export {
  type ColumnBound,
  type ColumnOffer,
  ColumnReader,
  type ColumnSource,
  type ColumnSpec,
  type ColumnTask,
  type ColumnVector,
  type ColumnYield,
  publishColumns,
  runsWanted,
  type SlotSelection,
} from './columns/index.ts';
export { PREFETCH_MAX } from './entry-prefetcher.ts';
export {
  CHUNK_SLOTS_MAX,
  COLUMNS_MAX,
  LIVE,
  PAGE_BYTES,
  PENDING_BASE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  SNAPSHOTS_MAX,
  WORKERS_MAX,
} from './layout.ts';
export type { AnswerQuery, AnswerSearch, AnswerState } from './log/answer-search.ts';
export type { LogState } from './log/log-budget.ts';
export type { LogConsumer, LogHolder } from './log/log-consumer.ts';
export { LogRecordView, RecordCause, RecordKind } from './log/log-record.ts';
export { logBytesOf } from './log/partition-log.ts';
export { FRAME_RECORDS_MAX, RecordFrame, readRecordFrame } from './log/record-frame.ts';
export type { LogRun } from './log/run-writer.ts';
export type { ConsumerOptions, EncodedRun, LogInfo, LogRoom, LogTerms, StoreLogs } from './log/store-logs.ts';
export { MemberStore } from './member-store.ts';
export { MEMORY_KINDS, type MemoryKindName } from './memory/accounts.ts';
export { ARENA_BYTES_MIN, Arena, type Ref, type Segment } from './memory/arena.ts';
export { pageRef } from './memory/page-leases.ts';
export type { PartitionRole } from './partition.ts';
export type { PartitionOptions } from './partition-roles.ts';
export type { FoundEntry } from './slots/found-entry.ts';
export { allVisible, isVisible, SlotChunkView, visibleSlots } from './slots/slot-chunk.ts';
export type { PinnedSnapshot } from './snapshot-opening.ts';
export type { CommitListener, StoreClock, StoreOptions } from './store-core.ts';
export { SlotTableView, type StoreHandle, StoreReader } from './store-reader.ts';
export type { StoreReplicas } from './store-replicas.ts';
export type { MapStats, StoreStats } from './store-stats.ts';
export type { MapOptions } from './stored-map.ts';
export type { CopyStart, InstallState, PartitionPage, PartitionTransfer } from './transfer/transfer-contract.ts';
