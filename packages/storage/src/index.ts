/** storage: The arena; entries, slots, columns of one partition; snapshots; its log. */
export { MEMORY_KINDS, type MemoryKindName } from './accounts.ts';
export { ARENA_BYTES_MIN, Arena, type Ref, type Segment } from './arena.ts';
export { type BatchHeader, NO_DEADLINE } from './batch-header.ts';
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
export type { FoundEntry } from './found-entry.ts';
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
export { LogRecordView, RecordCause, RecordKind } from './log-record.ts';
export { type LogRoom, MemberStore, type PinnedSnapshot } from './member-store.ts';
export { pageRef } from './page-leases.ts';
export type { PartitionRole } from './partition.ts';
export type { LogConsumer, LogHolder, LogState } from './partition-log.ts';
export type { PartitionOptions } from './partition-roles.ts';
export { resolveLane } from './pending-words.ts';
export { FRAME_RECORDS_MAX, RecordFrame, readRecordFrame } from './record-frame.ts';
export { allVisible, isVisible, SlotChunkView, visibleSlots } from './slot-chunk.ts';
export type { CommitListener, StoreClock, StoreOptions } from './store-core.ts';
export { SlotTableView, type StoreHandle, StoreReader } from './store-reader.ts';
export type { MapStats, StoreStats } from './store-stats.ts';
export type { MapOptions } from './stored-map.ts';
export type { WriteBatch } from './write-batch.ts';
