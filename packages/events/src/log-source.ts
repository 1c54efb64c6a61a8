import type { LogRecordView } from '@ashlar/storage';

/** The logs of a member, as subscriptions read them. */
export interface LogSource {
  /**
   * Calls back for up to `recordsMax` committed records from `from`, until one is answered with false; answers the sequence
   * behind the last that it called back for. @throws SEQUENCE_GONE
   */
  readLog(partition: number, from: number, recordsMax: number, visit: (record: LogRecordView) => boolean): number;
  /** The sequence of the newest committed record. */
  committedSequence(partition: number): number;
  incarnation(partition: number): number;
  /** Everything at or below it that will ever be committed here is committed. */
  resolvedVersion(): number;
}
