/**
 * What the core sees of its member: options, and a way to read the log that lies in memory beside it.
 *
 * host H1  A LogReader answers at once, from what the store holds; it changes nothing there, and its answer follows from the
 *          inputs and effects so far. So the core stays a function of its inputs.
 * host H2  One payload is gathered at a time, from `begin` to `finish`; a `begin` gives up what was not finished.
 */
import type { Epoch, ReplicaId, Sequence } from '@ashlar/core';
import type { Payload } from './messages.ts';
import type { Timings } from './timings.ts';

/** A run of records of one epoch that was added to a payload. */
export interface LogRun {
  readonly recordEpoch: Epoch;
  readonly count: number;
  /** That it takes, about. */
  readonly bytes: number;
}

/** What the log of a partition says beside its records. */
export interface LogTerms {
  /** The first sequence that it still has. */
  readonly trimFloor: Sequence;
  /** The lowest sequence that durable consumers want; Infinity: none. */
  readonly heldFrom: number;
}

export interface LogReader {
  /** Begins a payload of runs (host H2). */
  begin(): void;
  /** It has no room for one more run. */
  readonly isFull: boolean;
  /**
   * Adds records from a sequence on: at least one, at most as many as fit `bytesMax`, all of one epoch.
   *
   * @param from  at most the last sequence that the core was told of
   * @returns undefined when the log does not reach back so far any more: nothing was added, nor is where it throws
   */
  add(partition: number, from: Sequence, bytesMax: number): LogRun | undefined;
  /** @returns the payload of all runs that were added, one at least */
  finish(): Payload;
  terms(partition: number): LogTerms;
}

export interface ReplicationOptions {
  /** This process. */
  readonly self: ReplicaId;
  readonly partitionCount: number;
  readonly timings: Timings;
  /** Fewer in-sync copies, the primary counted, and no write is taken or acknowledged. 1: every set will do. */
  readonly minInSync: number;
  /** Bytes that may be under way to one backup, whatever it says is free. */
  readonly windowBytes: number;
  /** Most bytes of one append, but for a record that is longer by itself. */
  readonly appendBytes: number;
  /** Copies that this member takes in, and hands out, at a time. */
  readonly transfersMax: number;
  /** A copy that lacks at most so many records joins the set. */
  readonly growWithinRecords: number;
}

export const DEFAULT_OPTIONS: Omit<ReplicationOptions, 'self' | 'partitionCount' | 'timings'> = Object.freeze({
  minInSync: 1,
  windowBytes: 16 * 1024 * 1024,
  appendBytes: 1024 * 1024,
  transfersMax: 4,
  growWithinRecords: 1000,
});

/** Why a member does not serve a partition now. */
export type NotServing =
  /** It is not the primary, as far as it knows. */
  | 'notPrimary'
  /** It was named primary, and has not got there. */
  | 'promoting'
  /** A read lease is missing; it may come any moment. */
  | 'noLease'
  /** The coordinator took the member for dead; it is registering again. */
  | 'suspended'
  /** The set is smaller than `minInSync`: reads are answered, writes are not. */
  | 'notEnoughInSync'
  /** It is stopping in order. */
  | 'leaving';

export type ServeAnswer = 'yes' | NotServing;
