/**
 * A partition of which this member is the primary, or has been named to be: who follows, what is committed, who is in the set.
 *
 *   sealed -> followers are sent it -> acknowledged by all that the set may be -> commit -> marks
 *
 * primary-role P1  Committed is what every replica holds that may be in the set (in-sync-set S1), while the recorded set is
 *                  large enough; it never falls. The commit needs no lease: who is named next comes out of the set, and has it.
 * primary-role P2  Reads are answered, and writes taken, only under leases of all of those, and under the coordinator's where
 *                  this member may be alone (in-sync-set S3), each counted by this member's table, and never above the lowest
 *                  ceiling among them.
 * primary-role P3  Acknowledgements count only from the replica, the epoch and the copy that they speak of.
 * primary-role P4  Who falls silent, lags or has no copy is asked out of the set; who catches up, into it, once its lease is
 *                  here, so that readers do not wait for it. All of that only while serving (reliability: repair and promotion
 *                  never act at once).
 * primary-role P5  What is sealed is never taken back here: deposed, the copy stays as it is until the table says drop.
 * primary-role P6  Whoever may have been in the set, and is not, has dropped its copy: what was known of it counts for nothing, and
 *                  it catches up anew. That it was in may be heard of only when it has left: so it is held of all that were
 *                  asked in.
 */
import {
  assert,
  type Epoch,
  memberOfReplica,
  type PartitionReplicas,
  type ReplicaId,
  type Sequence,
  type Version,
} from '@ashlar/core';
import { COORDINATOR, type Context } from './context.ts';
import type { Copy } from './copy.ts';
import type { ShrinkReason } from './effects.ts';
import { Follower } from './follower.ts';
import type { ServeAnswer } from './host.ts';
import { InSyncSet, isSameSet } from './in-sync-set.ts';

export type PrimaryStage = 'promoting' | 'serving' | 'leaving';

export class PrimaryRole {
  readonly partition: number;
  readonly epoch: Epoch;
  readonly copy: Copy;
  readonly followers = new Map<ReplicaId, Follower>();
  stage: PrimaryStage = 'promoting';
  /** Somebody knows a later epoch: the table that says so is on its way. */
  isFencedOff = false;
  /** The host was told to stop serving. */
  isStopped = false;
  /** The host has been told to serve: before that it does not know above which version, nor that all it holds is committed. */
  isTold = false;
  set: InSyncSet;
  readonly #context: Context;
  /** Used again for each look at what the set holds. */
  readonly #held: Sequence[] = [];

  constructor(context: Context, partition: number, row: PartitionReplicas, copy: Copy) {
    this.#context = context;
    this.partition = partition;
    this.epoch = row.epoch;
    this.copy = copy;
    this.set = new InSyncSet(context.self, row, context.rules);
  }

  /* ---- Serving ------------------------------------------------------------------------------------------------------ */

  /** Step 2 has succeeded: everything here is committed, and the set is what the row says. */
  serve(row: PartitionReplicas): void {
    const { copy, partition } = this;
    this.stage = 'serving';
    this.set = new InSyncSet(this.#context.self, row, this.#context.rules);
    for (const replica of [...this.followers.keys()]) if (!row.inSync.includes(replica)) this.removeFollower(replica);
    copy.commit = copy.held;
    copy.commitTold = copy.held;
    for (const { peer } of this.followers.values()) peer.mark(partition, this.#context.nowMs);
  }

  /** A later row of the same epoch (primary-role P6). */
  record(row: PartitionReplicas): void {
    for (const [replica, follower] of [...this.followers]) {
      if (row.inSync.includes(replica)) {
        if (!follower.isInSync) this.#joined(replica, follower);
      } else if (follower.isInSync || this.set.isAskedIn(replica)) {
        this.removeFollower(replica);
        this.set.dismiss(replica);
      }
    }
    this.set.record(row);
    this.advanceCommit();
  }

  /** A transaction of this member was answered. */
  answered(transaction: number): void {
    this.set.answered(transaction);
    this.advanceCommit();
  }

  /** Whether reads may be answered now (primary-role P2). */
  mayServe(nowMs: number): ServeAnswer {
    if (this.stage === 'promoting' || !this.isTold) return 'promoting';
    if (this.stage === 'leaving') return 'leaving';
    if (this.isFencedOff) return 'notPrimary';
    return this.ceilingAt(nowMs) === 0 ? 'noLease' : 'yes';
  }

  /** Whether records may be sealed now. */
  mayWrite(nowMs: number): ServeAnswer {
    const answer = this.mayServe(nowMs);
    if (answer !== 'yes' || this.#isEnough()) return answer;
    return 'notEnoughInSync';
  }

  /** The lowest ceiling of the leases that count; 0: one is missing. */
  ceilingAt(nowMs: number): Version {
    const { held, tableVersion, rules } = this.#context;
    let least = Number.POSITIVE_INFINITY;
    if (rules.needsCoordinator(this.set.smallest)) {
      least = held.ceilingAt(COORDINATOR, nowMs, tableVersion) ?? 0;
    }
    for (const replica of this.set.others) {
      const ceiling = held.ceilingAt(replica, nowMs, tableVersion) ?? 0;
      if (ceiling < least) least = ceiling;
    }
    return (least === 0 ? 0 : rules.ceilingOf(least)) as Version;
  }

  /* ---- Records ------------------------------------------------------------------------------------------------------- */

  sealed(lastSequence: Sequence): void {
    const { copy } = this;
    assert(this.stage !== 'promoting', 'primary-role P2: a partition in promotion seals nothing');
    if (lastSequence === copy.held) return;
    assert(lastSequence > copy.held, 'primary-role P5: a log loses records');
    copy.lineage.endAt(copy.held);
    copy.lineage.append(this.epoch, (copy.held + 1) as Sequence);
    copy.held = lastSequence;
    copy.asked = lastSequence;
    for (const { peer } of this.followers.values()) peer.dirty.add(this.partition);
    this.advanceCommit();
  }

  /** primary-role P3 */
  acknowledged(follower: Follower, copy: number, held: Sequence, hasGap: boolean): void {
    const { nowMs, rules, options } = this.#context;
    if (!rules.isOfCopy(copy, follower.copy)) return;
    // More than there is: it speaks of a log that is not this one. It counts for nothing.
    if (held > this.copy.held) return;
    if (follower.acknowledged(held, nowMs)) {
      if (!follower.isInSync) this.#holdLog(follower);
      this.advanceCommit();
    }
    if (hasGap && nowMs - follower.rewoundAtMs >= options.timings.resendMs / 3) follower.rewind(nowMs);
    if (follower.sent < this.copy.held) follower.peer.dirty.add(this.partition);
  }

  /** primary-role P1 */
  advanceCommit(): void {
    const { copy } = this;
    if (this.stage === 'promoting' || !this.#isEnough()) return;
    const held = this.#held;
    held.length = 0;
    held.push(copy.held);
    for (const replica of this.set.others) held.push(this.followers.get(replica)?.held ?? (0 as Sequence));
    const commit = Math.min(this.#context.rules.committedBy(held), copy.held) as Sequence;
    if (commit <= copy.commit) return;
    copy.commit = commit;
    copy.commitTold = commit;
    this.#context.commit(this.partition, this.epoch, commit);
    this.markFollowers();
  }

  /** Commit index, trim floor or holds have changed. */
  markFollowers(): void {
    for (const { peer } of this.followers.values()) peer.mark(this.partition, this.#context.nowMs);
  }

  #isEnough(): boolean {
    return this.#context.rules.isEnough(this.set.recorded.length, this.#context.options.minInSync);
  }

  /* ---- Followers ------------------------------------------------------------------------------------------------------- */

  addFollower(replica: ReplicaId, copy: number, held: Sequence, isInSync: boolean): Follower {
    this.followers.get(replica)?.release();
    const { nowMs } = this.#context;
    const peer = this.#context.peer(replica);
    const follower = new Follower(peer, copy, held, isInSync, nowMs);
    this.followers.set(replica, follower);
    if (peer.followed.size === 0) {
      peer.nextHeartbeatMs = nowMs;
      peer.heardAtMs = Math.max(peer.heardAtMs, nowMs);
    }
    peer.followed.add(this.partition);
    if (held < this.copy.held) peer.dirty.add(this.partition);
    peer.mark(this.partition, nowMs);
    if (!isInSync) this.#holdLog(follower);
    return follower;
  }

  removeFollower(replica: ReplicaId): void {
    const follower = this.followers.get(replica);
    if (follower === undefined) return;
    const { peer } = follower;
    follower.release();
    if (!follower.isInSync) this.#releaseLog(replica);
    this.followers.delete(replica);
    for (const partitions of [peer.followed, peer.dirty, peer.unread, peer.marks, peer.toldMarks])
      partitions.delete(this.partition);
  }

  /** The host stops serving; the copy stays as it is (primary-role P5). */
  stop(): void {
    if (this.stage === 'promoting' || this.isStopped) return;
    this.isStopped = true;
    this.#context.emit({ kind: 'stopServing', partition: this.partition, epoch: this.epoch });
  }

  /** The role ends: nobody follows any more. */
  close(): void {
    for (const replica of [...this.followers.keys()]) this.removeFollower(replica);
  }

  #joined(replica: ReplicaId, follower: Follower): void {
    follower.isInSync = true;
    follower.forgetLag();
    this.#releaseLog(replica);
    this.#context.note({ kind: 'grown', partition: this.partition, by: replica });
  }

  /** In-sync followers need no hold: what they lack is not committed, and the log keeps that. */
  #holdLog({ peer, held }: Follower): void {
    this.#context.emit({ kind: 'holdLog', partition: this.partition, to: peer.replica, from: held + 1 });
  }

  #releaseLog(to: ReplicaId): void {
    this.#context.emit({ kind: 'holdLog', partition: this.partition, to, from: Number.POSITIVE_INFINITY });
  }

  /* ---- The set --------------------------------------------------------------------------------------------------------- */

  /**
   * Sends again what was not acknowledged, and asks for the set that ought to be.
   *
   * @returns whether there is something to look after, so that it has to be looked at again
   */
  lookAfter(row: PartitionReplicas): boolean {
    const { nowMs, options } = this.#context;
    for (const follower of this.followers.values()) {
      if (!follower.hasUnacknowledged || nowMs - follower.progressAtMs < options.timings.resendMs) continue;
      follower.rewind(nowMs);
      follower.peer.dirty.add(this.partition);
    }
    if (this.stage !== 'serving') return true;
    if (!this.#isAsWanted(row) && this.#askForSet(row)) return true;
    for (const { held, isInSync } of this.followers.values()) if (!isInSync || held < this.copy.held) return true;
    return false;
  }

  /** Nobody has to leave, and nobody catches up: what is found nearly always, at no cost. */
  #isAsWanted(row: PartitionReplicas): boolean {
    const { set, followers } = this;
    if (!set.isSettled || set.admitted.size > 0 || followers.size !== set.recorded.length - 1) return false;
    for (const [replica, follower] of followers) {
      if (!follower.isInSync || !set.recorded.includes(replica)) return false;
      if (this.#whyLeave(replica, row) !== undefined) return false;
    }
    return true;
  }

  /** primary-role P4 */
  #askForSet(row: PartitionReplicas): boolean {
    const { set } = this;
    const { nowMs, options, self } = this.#context;
    const leaving = new Map<ReplicaId, ShrinkReason>();
    for (const replica of set.recorded) {
      const why = replica === self ? undefined : this.#whyLeave(replica, row);
      if (why !== undefined) leaving.set(replica, why);
    }
    const wanted = set.recorded.filter((replica) => !leaving.has(replica));
    for (const [replica, follower] of this.followers) if (this.#joins(replica, follower)) wanted.push(replica);
    if (set.isSettled && isSameSet(wanted, set.recorded)) return false;
    const proposal = set.propose(wanted, nowMs, options.timings.transactionRetryMs);
    if (proposal === undefined) return true;
    for (const [without, why] of leaving) {
      this.#context.note({ kind: 'shrinking', partition: this.partition, without, why });
    }
    proposal.transaction = this.#context.propose({
      ...{ kind: 'setInSync', partition: this.partition, epoch: this.epoch, revision: set.revision },
      ...{ by: self, inSync: wanted },
    });
    return true;
  }

  #whyLeave(replica: ReplicaId, row: PartitionReplicas): ShrinkReason | undefined {
    const { nowMs, options } = this.#context;
    const follower = this.followers.get(replica);
    if (this.#context.isReplaced(replica)) return 'gone';
    if (follower === undefined || follower.isLost) return 'noCopy';
    if (nowMs - follower.peer.heardAtMs > options.timings.silentMs) return 'silent';
    if (follower.lagMs(this.copy.held, nowMs) > options.timings.lagMs) return 'lagging';
    const isSpare = !row.wanted.includes(memberOfReplica(replica)) && row.inSync.length > row.wanted.length;
    return isSpare && row.wanted.every((member) => hasMember(row.inSync, member)) ? 'unwanted' : undefined;
  }

  /** in-sync-set S4 */
  #joins(replica: ReplicaId, follower: Follower): boolean {
    if (!this.#isReady(replica, follower)) {
      if (this.set.dismiss(replica)) this.advanceCommit();
      return false;
    }
    this.set.admit(replica);
    return follower.held >= this.copy.commit;
  }

  #isReady(replica: ReplicaId, follower: Follower): boolean {
    const { nowMs, nowVersion, options, held, tableVersion } = this.#context;
    if (follower.isInSync || follower.isLost || this.#context.isReplaced(replica)) return false;
    const isAdmitted = this.set.admitted.has(replica);
    if (!isAdmitted && this.copy.held - follower.held > options.growWithinRecords) return false;
    if (isAdmitted && follower.lagMs(this.copy.held, nowMs) > options.timings.lagMs) return false;
    if (nowMs - follower.peer.heardAtMs > options.timings.silentMs) return false;
    // Its lease covers all that was handed out while it was not waited for: it may have to go on above that.
    const ceiling = held.ceilingAt(replica, nowMs, tableVersion);
    return ceiling !== undefined && ceiling >= nowVersion;
  }
}

function hasMember(replicas: readonly ReplicaId[], member: string): boolean {
  return replicas.some((one) => memberOfReplica(one) === member);
}
