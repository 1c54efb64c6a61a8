/**
 * Another replica, as far as messages go: what has gathered for it in this turn, its credit, and when it was heard of.
 *
 * peer P1  What gathers is bounded: partitions are in a set once, records stay in the log until there is credit.
 * peer P2  One append and one acknowledgement a turn, with whatever there is for it.
 */
import type { Epoch, ReplicaId } from '@ashlar/core';
import type { LeaseGrant, RefusalReason } from './messages.ts';

export class Peer {
  readonly replica: ReplicaId;

  /* ---- Towards a backup -------------------------------------------------------------------------------------------- */
  /** Partitions in which it follows this member. */
  readonly followed = new Set<number>();
  /** Of those, with records that it has not been sent. */
  readonly dirty = new Set<number>();
  /** Of those, with records that the log failed to give: tried again with the next heartbeat, until the follower lags too long. */
  readonly unread = new Set<number>();
  /** With a commit mark that it has not been told. */
  readonly marks = new Set<number>();
  /** Told since the last heartbeat: told once more with it, for messages get lost. */
  readonly toldMarks = new Set<number>();
  marksSinceMs = Number.POSITIVE_INFINITY;
  /** Bytes under way to it, over all partitions. */
  inFlightBytes = 0;
  /** As it said last. */
  freeBytes: number;
  nextHeartbeatMs = Number.NEGATIVE_INFINITY;

  /* ---- Towards a primary ------------------------------------------------------------------------------------------- */
  /** Partitions to acknowledge, and by which epoch. */
  readonly acknowledge = new Map<number, Epoch>();
  /** Those of them of which records came that do not follow. */
  readonly gaps = new Set<number>();
  readonly refusals: { partition: number; epoch: Epoch; reason: RefusalReason }[] = [];
  grant: LeaseGrant | undefined;
  /** It sent an append: an acknowledgement is due, if only as a sign of life. */
  isAnswerDue = false;

  /* ---- Towards a named primary ------------------------------------------------------------------------------------- */
  /** Partitions for which it is told what is held. */
  readonly fenced = new Set<number>();

  /** By partition: the last copy whose transfer to it has ended, well or not (transfer-source O5). */
  readonly endedCopies = new Map<number, { readonly epoch: Epoch; readonly copy: number }>();

  /** When anything came from it last. */
  heardAtMs: number;

  constructor(replica: ReplicaId, freeBytes: number, nowMs: number) {
    this.replica = replica;
    this.freeBytes = freeBytes;
    this.heardAtMs = nowMs;
  }

  readAgain(): void {
    for (const partition of this.unread) this.dirty.add(partition);
    this.unread.clear();
  }

  mark(partition: number, nowMs: number): void {
    this.marks.add(partition);
    if (this.marksSinceMs > nowMs) this.marksSinceMs = nowMs;
  }

  /** Bytes that may be sent now. A longer record goes alone, so that it goes at all. */
  creditBytes(windowBytes: number): number {
    const credit = Math.min(windowBytes, this.freeBytes);
    return this.inFlightBytes === 0 && credit > 0 ? Math.max(1, credit) : credit - this.inFlightBytes;
  }
}
