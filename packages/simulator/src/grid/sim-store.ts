/**
 * What a simulated member's host needs of a store: copies of partitions with their logs, transfers that go out and come in. Two
 * stand behind it: maps and arrays (member-store.ts), and the store of a real member (real-store.ts).
 *
 * sim-store I1  Records are looked at by identity: the same record is the same object in every copy of a grid.
 */
import type { Epoch, ReplicaId } from '@ashlar/core';
import type { LogReader, Payload, TransferRef, TransferStart } from '@ashlar/replication';
import type { KeyValue } from '../history/operation.ts';
import type { ToyRecord } from './toy-copy.ts';

/** A copy of a partition. */
export interface SimCopy {
  /** The first sequence that the log has, the last one, and up to which it is shown. */
  readonly first: number;
  readonly last: number;
  readonly committed: number;
  /** Whether a request that was sent then first, and is not found in the log, may have been forgotten by it. */
  mayHaveForgotten(sentVersion: number): boolean;
  /** Seals a record. @returns it, as the log has it */
  append(record: ToyRecord): ToyRecord;
  /** What nobody may do: another version for a record that was sealed (a mutant's). */
  renumber(sequence: number, version: number): void;
  /** Shows everything up to `sequence`, but for part of a batch. @returns the records that were not shown before */
  commit(sequence: number): readonly ToyRecord[];
  /** @param floor  the first sequence that has to be kept */
  trim(floor: number): void;
  at(sequence: number): ToyRecord | undefined;
  newest(key: string): KeyValue | undefined;
  shown(key: string): KeyValue | undefined;
  /** What keys held at a version; undefined where the log does not reach back so far. */
  valuesAt(version: number): ReadonlyMap<string, KeyValue> | undefined;
  /** The last sequence of a version at or below. */
  sequenceAt(version: number): number;
  answerOf(session: number, request: number): ToyRecord | undefined;
}

/** A page on its way. */
export interface SimPage {
  readonly isLast: boolean;
  readonly bytes: number;
  readonly payload: Payload;
}

export interface SimStore extends LogReader {
  copyOf(partition: number): SimCopy | undefined;
  partitions(): Iterable<number>;
  /** @param isAnew  behind a log that was lost */
  open(partition: number, logEpoch: Epoch, isAnew: boolean): void;
  drop(partition: number): void;
  /** Takes a run of a payload. @returns the records that the copy had not, or undefined where there is no copy that they follow */
  apply(partition: number, first: number, payload: Payload, run: number): readonly ToyRecord[] | undefined;
  /** The rest of a batch of which the copy has the first records comes no more. */
  endBatch(partition: number): void;
  /** Everything held is shown by now: the copy is a primary's. */
  serve(partition: number, epoch: Epoch, version: number): void;
  stopServing(partition: number): void;
  /** Drops what the log of a partition that is served need not keep. @returns whether it begins later than when it was asked last */
  trimServed(partition: number): boolean;
  /** A replica that catches up wants the log from there; Infinity: no more. */
  hold(partition: number, to: ReplicaId, from: number): void;
  openTransfer(ref: TransferRef): TransferStart | undefined;
  /** undefined: the transfer has ended. */
  page(ref: TransferRef, page: number): SimPage | undefined;
  closeTransfer(ref: TransferRef): void;
  installPage(partition: number, page: number, payload: Payload): void;
  /** @returns whether all pages were there */
  finishInstall(partition: number, start: TransferStart): boolean;
}
