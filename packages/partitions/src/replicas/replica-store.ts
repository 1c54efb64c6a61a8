/** What replication needs of a member's store: its logs as runs and frames, roles of partitions, copies that come and go. */
import type { PartitionId } from '@ashlar/core';
import type { CopyStart, InstallState, MemberStore, PartitionTransfer } from '@ashlar/storage';

export interface ReplicaStore
  extends Pick<
    MemberStore,
    | 'openPartition'
    | 'closePartition'
    | 'roleOf'
    | 'promotePartition'
    | 'demotePartition'
    | 'applyFrame'
    | 'prefetchFrame'
    | 'commitBackup'
    | 'commitNextBackup'
    | 'collectGarbage'
    | 'endOpenBatch'
    | 'holdLog'
    | 'beginRuns'
    | 'isRunsFull'
    | 'addRun'
    | 'finishRuns'
    | 'heldSequence'
    | 'logTerms'
    | 'holdForReplica'
    | 'replicaFreeBytes'
  > {
  openTransfer(partition: PartitionId): PartitionTransfer;
  /** Page 0 begins a copy. @throws OutOfMemoryError */
  installPage(partition: PartitionId, page: number, bytes: Uint8Array): void;
  /** @throws OutOfMemoryError */
  finishInstall(partition: PartitionId, start: CopyStart): InstallState;
}
