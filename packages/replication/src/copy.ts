/**
 * The copy of a partition that this replica holds, as primary or as backup, and what it has promised about it.
 *
 * copy Y1  held <= asked: what was handed to the store and what the store has confirmed; they are the same between turns.
 * copy Y2  A copy follows one epoch: records come only from its primary, by that epoch. It moves to another by a fence, by being
 *          named primary, or by a transfer, never by records alone.
 * copy Y3  When another epoch begins, the leader of the one before may go on by the leases that it was granted: until they have
 *          ended, `graceFromMs` and `above` keep when the last was granted, and what it may have done under it.
 */
import type { Epoch, ReplicaId, Sequence, Version } from '@ashlar/core';
import type { Context } from './context.ts';
import { Lineage } from './lineage.ts';
import type { LineageEntry } from './messages.ts';

export class Copy {
  readonly number: number;
  epoch: Epoch;
  /** Who leads the epoch; undefined: it has ended, and nobody has said who leads the next. */
  leader: ReplicaId | undefined;
  held: Sequence;
  asked: Sequence;
  /** Up to here it is shown. */
  commit: Sequence;
  /** The commit index that the primary told; it may be ahead of what is held. */
  commitTold: Sequence;
  trimFloor = 1 as Sequence;
  heldFrom = Number.POSITIVE_INFINITY;
  /** It was transferred, and is not known to be in the set. */
  isJoining: boolean;
  /** Rows up to that revision are older than the copy: they speak of one before it. */
  readonly sinceRevision: number;
  announcedAtMs: number;
  readonly lineage: Lineage;

  constructor(context: Context, start: CopyStart) {
    this.number = start.number ?? context.nextCopy();
    this.epoch = start.epoch;
    this.leader = start.leader;
    this.held = start.sequence;
    this.asked = start.sequence;
    this.commit = start.sequence;
    this.commitTold = start.sequence;
    this.isJoining = start.isJoining;
    this.sinceRevision = start.sinceRevision ?? 0;
    this.announcedAtMs = context.nowMs;
    this.lineage = new Lineage(start.lineage);
  }
}

export interface CopyStart {
  readonly number?: number;
  readonly epoch: Epoch;
  readonly leader: ReplicaId;
  readonly sequence: Sequence;
  readonly isJoining: boolean;
  readonly lineage?: readonly LineageEntry[];
  readonly sinceRevision?: number;
}

/** What outlives a copy's leader (copy Y3). */
export class Afterlife {
  graceFromMs = Number.NEGATIVE_INFINITY;
  above = 0 as Version;

  /** The epoch of the copy has ended. What is granted to its leader from now on names a table by which it has lost it. */
  leaderEnded(context: Context, copy: Copy | undefined): void {
    const leader = copy?.leader;
    if (copy === undefined || leader === undefined) return;
    copy.leader = undefined;
    if (leader === context.self) return;
    this.graceFromMs = Math.max(this.graceFromMs, context.granted.lastMs(leader));
    this.above = Math.max(this.above, context.granted.ceiling(leader)) as Version;
  }

  /** read-leases E3 */
  afterGap(context: Context): void {
    if (this.graceFromMs === Number.NEGATIVE_INFINITY) return;
    this.graceFromMs = context.rules.graceAfterGap(this.graceFromMs, context.nowMs);
  }

  /** Somebody serves who has waited for all of them. */
  clear(): void {
    this.graceFromMs = Number.NEGATIVE_INFINITY;
    this.above = 0 as Version;
  }
}
