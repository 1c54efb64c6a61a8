/**
 * How a host drives the core: one core a member, for all of its partitions.
 *
 *   inputs (any number in a turn) -> turn(now) -> effects -> the host performs them, telling what they ask for -> turn(now) ...
 *
 * until a turn has none. What was asked for in one turn leaves as one append a backup.
 *
 * core-contract C1  The core has no clock, chance or I/O: it is a function of its inputs. `now.ms` never falls.
 * core-contract C2  An input never throws for what another member sent; an AssertionError is a fault of the host.
 * core-contract C3  Every half-way state has an owner and a timeout: nothing waits for a message that may never come.
 * core-contract C4  State is small: objects a partition that this member has to do with, and a tick looks only at peers and at
 *                   partitions in transition.
 * core-contract C5  What a message says of one partition is taken by itself: where it contradicts what is here, that copy, or the
 *                   sender's, is given up and the contradiction noted; nothing else that the message carried is lost.
 */
import type { ReplicaId, ReplicaTable, Sequence, Version } from '@ashlar/core';
import type { Effect } from './effects.ts';
import type { ReplicationFigures } from './figures.ts';
import type { ServeAnswer } from './host.ts';
import type { Envelope, Payload, TransferStart } from './messages.ts';

/** The present, as the host's clocks have it. */
export interface Moment {
  /** Of the monotonic clock, fractions allowed. */
  readonly ms: number;
  /** Of the hybrid clock: the newest version that has been given, or the physical time, whichever is higher. */
  readonly version: Version;
}

/** The coordinator's answer to a transaction. */
export interface TransactionAnswer {
  readonly id: number;
  /** The table in which it was applied or found to be refused, or a later one; undefined: nobody knows what became of it. */
  readonly table: ReplicaTable | undefined;
}

/** The coordinator's answer to a renewal: a lease of leaseMs, counted from before it was asked. */
export interface Renewal {
  readonly number: number;
  /** The coordinator's table. */
  readonly tableVersion: number;
}

/** A replica's part in a transfer, at the primary's side. */
export interface TransferRef {
  readonly partition: number;
  readonly to: ReplicaId;
  readonly copy: number;
}

export interface ReplicationCore {
  /* ---- From outside ---------------------------------------------------------------------------------------------------- */
  onMessage(envelope: Envelope, now: Moment): void;
  /** News of the table, from wherever: older ones than known are passed over. */
  onTable(table: ReplicaTable, now: Moment): void;
  onTransaction(answer: TransactionAnswer, now: Moment): void;
  onRenewed(renewal: Renewal, now: Moment): void;
  /** A way to another replica has opened: what was sent to it before may be lost. */
  onLink(replica: ReplicaId, now: Moment): void;
  /** The host has noticed that time passed which the monotonic clock did not count (suspend): as a late turn. */
  onClockGap(now: Moment): void;
  /** To be called at least every 20 ms. */
  tick(now: Moment): void;
  /** An orderly stop begins; `left` says that it is over. */
  leave(now: Moment): void;

  /* ---- From the store ---------------------------------------------------------------------------------------------------- */
  /** The primary has sealed records up to that sequence. Never beyond `ceilingOf`, never without `mayWrite`. */
  sealed(partition: number, lastSequence: Sequence): void;
  /** Trim floor or durable holds of a log have changed: goes to the backups with the next mark. */
  termsChanged(partition: number): void;
  /** Answer to `apply`: what the copy holds now, which may be less than was handed over. */
  applied(partition: number, lastSequence: Sequence): void;
  /** Bytes of records that the member could take in as a backup: goes out with acknowledgements. */
  setFreeBytes(bytes: number): void;
  /** The store has no copy (any more): it could not take, keep or demote it. */
  copyLost(partition: number, now: Moment): void;
  transferOpened(transfer: TransferRef, start: TransferStart): void;
  transferFailed(transfer: TransferRef): void;
  pageRead(transfer: TransferRef, page: { page: number; isLast: boolean; bytes: number; payload: Payload }): void;
  installed(partition: number, copy: number): void;

  /** Ends a turn. */
  turn(now: Moment): readonly Effect[];

  /* ---- Asked by the host, at any time --------------------------------------------------------------------------------------- */
  /** Before a value is read, and again before it is sent: both must be `yes`, of the same epoch. */
  mayRead(partition: number, nowMs: number): ServeAnswer;
  /** Before a record is staged. What was sealed needs no second look: `commit` is the proof. */
  mayWrite(partition: number, nowMs: number): ServeAnswer;
  /**
   * Counts inputs that may have ended what mayRead, mayWrite and ceilingOf said. As long as it stays, a yes is one until the clock
   * has passed a lease: records and acknowledgements that come, and leases, only ever add to what was said.
   */
  readonly endings: number;
  /** The version above which nothing may be assigned, handed out, opened or marked as resolved now; 0: nothing at all. */
  ceilingOf(partition: number, nowMs: number): Version;
  /** Epoch in which the member serves, or would serve, the partition; 0: it does not. */
  epochOf(partition: number): number;
  /**
   * Whose acknowledgements a commit waits for, beside this member: one array as long as they stay the same. Empty: nobody's, or
   * the member does not lead the partition.
   */
  followersOf(partition: number): readonly ReplicaId[];
  /** How far everything is; costs an object for each partition that the member leads. */
  figures(): ReplicationFigures;
  /** Bytes that every member of the set, and none of those that catch up, can still take. */
  freeBytesOf(partition: number): number;
}
