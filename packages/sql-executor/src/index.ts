/** sql-executor: runs fragments over snapshots, merges rows. */

export { batchRowCount, sliceBatch } from '@ashlar/serialization';
export type { TaskControl } from './context.ts';
export {
  columnsNeeded,
  type FragmentControl,
  type FragmentRest,
  type FragmentResult,
  type FragmentTask,
  runFragment,
  scanOf,
} from './fragment.ts';
export {
  type EntryPlace,
  GetReader,
  type GetRow,
  type GetRows,
  type GetTask,
  getRows,
  type ReadEntry,
  rowsBatch,
} from './get-rows.ts';
export {
  type CombineTask,
  combinePartials,
  isPassThrough,
  isShortMerge,
  limitOf,
  type MergeControl,
  type MergeResult,
  type MergeTask,
  runMerge,
} from './merge.ts';
export { rowCountOf } from './operators/limit.ts';
export { OutputCredit } from './output-credit.ts';
export { PartitionClaims } from './partition-claims.ts';
export type { ChangedRows, ChangeTask, ConditionTask, DocumentPaths, PathsTask, PlanTask } from './query-tasks.ts';
export type { RowSource, ScanNode, ScannedRows, ScanRequest, SourceYield } from './row-source.ts';
export type { Rows } from './rows.ts';
export { scanForChanges } from './scans/change-scan.ts';
export { assign, atPath, ChangeRule } from './scans/changes.ts';
export { findPaths } from './scans/path-scan.ts';
export { storeSource } from './store-source.ts';
export { taskCountFor, tasksFor } from './tasks.ts';
export { decodeBatch, encodeBatch } from './vectors.ts';
