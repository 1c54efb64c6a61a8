/**
 * What replicas say to each other, as data. All of them name partitions in columns, so that one message a pair, direction and
 * turn carries what concerns however many partitions.
 *
 *   primary --Append--> backup --Acknowledge--> primary       batches, commit marks, lease requests; what is held, leases
 *   named primary --Fence--> set --Fenced--> named primary    promotion: the old epoch ends, who holds what
 *   named primary --Pull--> longest --Tail--> named primary   promotion: what the others have and it has not
 *   joiner --TransferAsk--> primary --TransferPage | TransferCut--> joiner
 *
 * messages M1  Every message travels from one replica to one replica; one that is meant for another incarnation is dropped.
 * messages M2  Messages may be lost, late, doubled and come in any order: each says enough to be taken, or passed over, alone.
 * messages M3  Whatever acts on a partition names the epoch by which its sender acts. Who has seen a later one refuses it.
 * messages M4  An epoch appears in a message only after its sender has read it in the table: nobody is fenced by a promotion
 *              that has not been decided.
 */
import type { Epoch, ReplicaId, Sequence, Version } from '@ashlar/core';

/** Bytes as the host's log wrote them (records), or its store (pages of a transfer): carried, never looked into. */
export type Payload = unknown;

/** Runs of records, each of one partition and one epoch. */
export interface BatchColumns {
  readonly partition: number[];
  /** By which the sender acts. */
  readonly epoch: Epoch[];
  /** At which the records were written. */
  readonly recordEpoch: Epoch[];
  readonly firstSequence: Sequence[];
  readonly count: number[];
  /** Of all runs, in that order; undefined: there are none. */
  payload: Payload;
}

/** What a primary tells of logs beside their records. */
export interface MarkColumns {
  readonly partition: number[];
  readonly epoch: Epoch[];
  /** The last sequence that every member of the set has. */
  readonly commit: Sequence[];
  /** The first sequence that the primary still has. */
  readonly trimFloor: Sequence[];
  /** The lowest sequence that durable consumers want; Infinity: none. */
  readonly heldFrom: number[];
}

/** Asks for a read lease for all partitions in which the receiver is in sync (or about to be). */
export interface LeaseRequest {
  /** Counts the requests of a replica to one grantor. The asker remembers when it asked. */
  readonly number: number;
  /** The asker will assign, hand out, open and mark nothing above it while it relies on the lease. */
  readonly ceiling: Version;
}

export interface LeaseGrant {
  readonly number: number;
  /**
   * The newest table that the grantor knows to exist: its own, or a newer one of whose epoch it has heard. The grant counts for
   * a partition only by a table at least as new.
   */
  readonly tableVersion: number;
}

/** Primary to backup: all that a turn has for it. Without batches and marks it is a heartbeat. */
export interface Append {
  readonly kind: 'append';
  readonly batches: BatchColumns;
  readonly marks: MarkColumns;
  readonly lease: LeaseRequest | undefined;
}

/** Cumulative: the last sequence that a copy holds without a gap. */
export interface HeldColumns {
  readonly partition: number[];
  readonly epoch: Epoch[];
  /** Which copy: counts those that the replica has begun, so that what an earlier one held is not taken for this one. */
  readonly copy: number[];
  readonly held: Sequence[];
  /** Records came that do not follow: what lies between is missing. */
  readonly hasGap: boolean[];
}

export interface RefusalColumns {
  readonly partition: number[];
  /** The epoch that was refused. */
  readonly epoch: Epoch[];
  /** `staleEpoch`: a later one is known. `noCopy`: the receiver has no copy that follows this epoch. */
  readonly reason: RefusalReason[];
}

export type RefusalReason = 'staleEpoch' | 'noCopy';

/** Backup to primary. */
export interface Acknowledge {
  readonly kind: 'acknowledge';
  readonly held: HeldColumns;
  readonly refusals: RefusalColumns;
  /** Bytes that the backup can take beyond what it has acknowledged here. */
  readonly freeBytes: number;
  readonly lease: LeaseGrant | undefined;
}

/** Named primary to a member of the set: from now on nothing older, and what do you hold? */
export interface Fence {
  readonly kind: 'fence';
  readonly partition: number[];
  readonly epoch: Epoch[];
  /** The partition begins empty: drop what there is, hold the empty log. */
  readonly isFresh: boolean[];
}

/** Where each epoch's records begin in a log: `[epoch, first sequence]`, rising. */
export type LineageEntry = readonly [epoch: Epoch, firstSequence: Sequence];

/** What a fenced member of the set holds, per partition. */
export interface FencedCopy {
  readonly partition: number;
  readonly epoch: Epoch;
  /** undefined: it holds no copy. */
  readonly copy: number | undefined;
  readonly held: Sequence;
  readonly lineage: readonly LineageEntry[];
}

export interface Fenced {
  readonly kind: 'fenced';
  readonly copies: readonly FencedCopy[];
}

/** Named primary to the member with the longest tail: send me your log from there. */
export interface Pull {
  readonly kind: 'pull';
  readonly partition: number[];
  readonly epoch: Epoch[];
  readonly from: Sequence[];
}

/** The answer to a pull. */
export interface Tail {
  readonly kind: 'tail';
  readonly batches: BatchColumns;
}

/** A member that ought to hold a copy asks for one, page by page: its next ask acknowledges the page before. */
export interface TransferAsk {
  readonly kind: 'transferAsk';
  readonly partition: number;
  readonly epoch: Epoch;
  /** The copy that is being made: another one begins anew. */
  readonly copy: number;
  /** 0, 1, 2 ... */
  readonly page: number;
}

/**
 * What the copy starts from, captured in one step: everything up to `sequence`, at `version`; the answer window, deadlines,
 * checkpoints and outbox lie in it, and the log from `logFrom` on, so that tokens and retries go on.
 */
export interface TransferStart {
  readonly sequence: Sequence;
  readonly version: Version;
  /** First sequence of the log that is carried: `sequence + 1` where none is. */
  readonly logFrom: Sequence;
  readonly lineage: readonly LineageEntry[];
  /** Revision of the row when the copy was begun, written in by the core: what older tables say is not about this copy. */
  readonly revision: number;
}

export interface TransferPage {
  readonly kind: 'transferPage';
  readonly partition: number;
  readonly epoch: Epoch;
  readonly copy: number;
  readonly page: number;
  readonly isLast: boolean;
  /** The same with every page. */
  readonly start: TransferStart;
  readonly bytes: number;
  readonly payload: Payload;
}

/** The transfer ends without a copy: the log has gone past it, the partition has another primary, or too many are under way. */
export interface TransferCut {
  readonly kind: 'transferCut';
  readonly partition: number;
  readonly epoch: Epoch;
  readonly copy: number;
  readonly reason: CutReason;
}

export type CutReason = 'logGone' | 'notPrimary' | 'busy' | 'timeout';

export type Message = Append | Acknowledge | Fence | Fenced | Pull | Tail | TransferAsk | TransferPage | TransferCut;

/** A message with its ends (messages M1). */
export interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message;
}

export function emptyBatches(): BatchColumns {
  return { partition: [], epoch: [], recordEpoch: [], firstSequence: [], count: [], payload: undefined };
}

export function emptyMarks(): MarkColumns {
  return { partition: [], epoch: [], commit: [], trimFloor: [], heldFrom: [] };
}

export function emptyHeld(): HeldColumns {
  return { partition: [], epoch: [], copy: [], held: [], hasGap: [] };
}

export function emptyRefusals(): RefusalColumns {
  return { partition: [], epoch: [], reason: [] };
}
