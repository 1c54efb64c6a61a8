/**
 * A promotion, at the member that was named primary (step 1). It ends when the table shows it as serving (step 2), or another
 * epoch.
 *
 *   fencing -----------------> pulling --------------> replicating ---------------> completing -----> served
 *   the set refuses the old    the longest tail of     whoever answered gets all    compare-and-set
 *   epoch, says what it holds  who answered            of it, by this epoch         of the set
 *   and the grace passes
 *
 * promotion M0  An empty partition begins with everybody who lives and belongs to its set: members that have just met wait for
 *               their links (freshWaitMs), rather than begin alone and transfer.
 * promotion M1  Nobody serves before the grace has passed that this member owes to whoever led before (read-leases, copy Y3);
 *               a primary that renounced the partition in order is owed none.
 * promotion M2  The tail is the longest of the members of the set that answered: what was acknowledged is in all of them, what
 *               was not is kept all the same, so that nobody in the set ever has to truncate; batches as a whole.
 * promotion M3  Tails of the set are prefixes of each other (asserted by lineage): members of a set never held anything else. One
 *               that says otherwise counts as one that holds nothing.
 * promotion M4  The new set is exactly those that acknowledged the whole tail by this epoch. Nothing is written before it stands.
 * promotion M5  Every stage has a timeout: who does not answer, or does not get on, is left out; the compare-and-set is sent
 *               again; and the controller names another member when this one takes too long.
 * promotion M6  The partition is served only by a row that was read back.
 */
import { assert, type PartitionReplicas, type ReplicaId, type Sequence, type Version } from '@ashlar/core';
import type { Context } from './context.ts';
import type { FencedCopy } from './messages.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Replica } from './replica.ts';

type Stage = 'fencing' | 'pulling' | 'replicating' | 'completing';

export class Promotion {
  readonly #context: Context;
  readonly #replica: Replica;
  readonly #role: PrimaryRole;
  /** As step 1 left it, or a member that has no copy, and said so. */
  #row: PartitionReplicas;
  readonly #startedMs: number;
  /** Members of the set that said what they hold; undefined: nothing. */
  readonly #answers = new Map<ReplicaId, FencedCopy | undefined>();
  #stage: Stage = 'fencing';
  /** When something got on last. */
  #progressMs: number;
  /** When it was asked last: fences, pulls and transactions are sent again. */
  #askedMs: number;
  #newSet: readonly ReplicaId[] = [];

  constructor(context: Context, replica: Replica, role: PrimaryRole, row: PartitionReplicas) {
    this.#context = context;
    this.#replica = replica;
    this.#role = role;
    this.#row = row;
    this.#startedMs = context.nowMs;
    this.#progressMs = context.nowMs;
    this.#askedMs = Number.NEGATIVE_INFINITY;
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** Members of the set that are to be fenced now (again): they go out as one message each for all partitions. */
  takeFences(): readonly ReplicaId[] {
    if (this.#stage !== 'fencing') return [];
    const { nowMs, options } = this.#context;
    if (nowMs - this.#askedMs < options.timings.resendMs) return [];
    const silent = this.#others().filter((one) => !this.#answers.has(one));
    if (silent.length > 0) this.#askedMs = nowMs;
    return silent;
  }

  get isFresh(): boolean {
    return this.#row.isFresh;
  }

  /** A member of the set answered. */
  fenced(from: ReplicaId, answer: FencedCopy): void {
    if (this.#stage !== 'fencing' || !this.#row.inSync.includes(from)) return;
    if (answer.copy !== undefined) {
      const { copy } = this.#role;
      const shorter = Math.min(copy.held, answer.held);
      assert(
        copy.lineage.agreesWith(answer.lineage, shorter),
        () => `promotion M3: partition ${this.#role.partition} of ${from} differs below sequence ${shorter}`,
      );
    }
    this.#answers.set(from, answer.copy === undefined ? undefined : answer);
    this.step();
  }

  /** What a member of the set said, or sent, contradicts what is here: its copy counts for nothing (promotion M3). */
  distrust(from: ReplicaId): void {
    if (this.#stage !== 'fencing' && this.#stage !== 'pulling') return;
    this.#answers.set(from, undefined);
    this.#progressMs = this.#context.nowMs;
    this.#askedMs = Number.NEGATIVE_INFINITY;
    this.step();
  }

  /** A member has left the set meanwhile: it has no copy. */
  rowChanged(row: PartitionReplicas): void {
    this.#row = row;
    this.#newSet = this.#newSet.filter((one) => row.inSync.includes(one));
    this.#askedMs = Number.NEGATIVE_INFINITY;
    this.step();
  }

  /** Something has happened, or time has passed. */
  step(): void {
    if (this.#stage === 'fencing') this.#fence();
    if (this.#stage === 'pulling') this.#pull();
    if (this.#stage === 'replicating') this.#replicate();
    if (this.#stage === 'completing') this.#complete();
  }

  /** The table shows this member as serving (promotion M6). */
  served(row: PartitionReplicas): void {
    const { partition, copy, epoch } = this.#role;
    const { rules, nowMs } = this.#context;
    const lastSequence = rules.goesOnBehind(copy.held, copy.commit);
    // A primary that renounced told how far it had gone; whoever else led may have gone as far as its ceilings.
    const granted = this.#row.renounced === undefined ? this.#replica.afterlife.above : (0 as Version);
    const above = Math.max(rules.beginsAbove(granted), row.versionFloor) as Version;
    this.#replica.afterlife.clear();
    this.#role.serve(row);
    this.#context.emit({ kind: 'serve', partition, epoch, lastSequence, above });
    this.#context.note({ kind: 'elected', partition, epoch, afterMs: nowMs - this.#startedMs });
  }

  /* ---- Stages --------------------------------------------------------------------------------------------------------- */

  /** promotion M1 */
  #fence(): void {
    const { nowMs, options, rules } = this.#context;
    const { graceFromMs } = this.#replica.afterlife;
    const isGraceOver =
      rules.skipsGrace(this.#row.renounced !== undefined) ||
      nowMs >= rules.graceEnds(graceFromMs, options.timings.graceMs);
    const { freshWaitMs, fenceWaitMs } = options.timings;
    const isAnswered = this.#others().every((one) => this.#answers.has(one) || (this.isFresh && !this.#isAlive(one)));
    const isWaitedFor = nowMs - this.#startedMs >= (this.isFresh ? freshWaitMs : fenceWaitMs);
    if (isGraceOver && (isAnswered || isWaitedFor)) this.#enter('pulling');
  }

  /** As the newest table has it. */
  #isAlive(replica: ReplicaId): boolean {
    return this.#context.table?.members.some((one) => one.replica === replica && one.isAlive) ?? false;
  }

  /** A way to a member of the set has opened: what was asked of it may have got lost, and is asked at once. */
  linked(replica: ReplicaId): void {
    if (this.#stage === 'fencing' && this.#others().includes(replica) && !this.#answers.has(replica))
      this.#askedMs = Number.NEGATIVE_INFINITY;
  }

  /** promotion M2 */
  #pull(): void {
    const { nowMs, options, rules } = this.#context;
    const { copy } = this.#role;
    const longest = this.#longest();
    if (longest === undefined || !rules.pullsTail(copy.held, longest[1].held)) {
      this.#enter('replicating');
      return;
    }
    if (nowMs - this.#progressMs > options.timings.replicateWaitMs) {
      // It answered, and has not sent what it has: it is out (promotion M5). Nothing acknowledged lies with it alone.
      this.#answers.set(longest[0], undefined);
      this.#progressMs = nowMs;
      this.#askedMs = Number.NEGATIVE_INFINITY;
      this.#pull();
      return;
    }
  }

  /** From whom, and from where on, the tail is to be pulled now (again): a message a member for all partitions. */
  takePull(): { readonly from: ReplicaId; readonly first: Sequence } | undefined {
    const { nowMs, options } = this.#context;
    if (this.#stage !== 'pulling' || nowMs - this.#askedMs < options.timings.resendMs) return undefined;
    const longest = this.#longest();
    if (longest === undefined) return undefined;
    this.#askedMs = nowMs;
    return { from: longest[0], first: (this.#role.copy.held + 1) as Sequence };
  }

  /** A member has sent as much as one message takes: what it did not get to is asked for again at once. */
  tailCame(from: ReplicaId): void {
    if (this.#stage !== 'pulling' || this.#longest()?.[0] !== from) return;
    this.#progressMs = this.#context.nowMs;
    this.#askedMs = Number.NEGATIVE_INFINITY;
  }

  /** More of the tail has come. */
  pulled(): void {
    if (this.#stage !== 'pulling') return;
    this.#progressMs = this.#context.nowMs;
    this.#askedMs = Number.NEGATIVE_INFINITY;
    this.step();
  }

  #longest(): readonly [ReplicaId, FencedCopy] | undefined {
    let longest: readonly [ReplicaId, FencedCopy] | undefined;
    for (const [replica, answer] of this.#answers) {
      if (answer !== undefined && (longest === undefined || answer.held > longest[1].held)) longest = [replica, answer];
    }
    return longest;
  }

  #replicate(): void {
    const { followers, copy } = this.#role;
    const { nowMs, options } = this.#context;
    if (followers.size === 0) {
      for (const [replica, answer] of this.#answers) {
        if (answer !== undefined) this.#role.addFollower(replica, answer.copy!, lower(answer.held, copy.held), true);
      }
    }
    const isDone = [...followers.values()].every(({ held, isLost }) => isLost || held >= copy.held);
    if (isDone || nowMs - this.#lastProgressMs() > options.timings.replicateWaitMs) this.#enter('completing');
  }

  #lastProgressMs(): number {
    let last = this.#progressMs;
    for (const { progressAtMs, rewoundAtMs } of this.#role.followers.values()) {
      // A rewind is our doing: it is no progress.
      if (progressAtMs !== rewoundAtMs && progressAtMs > last) last = progressAtMs;
    }
    return last;
  }

  /** promotion M4 */
  #complete(): void {
    const { nowMs, options, rules, self } = this.#context;
    const { partition, epoch, copy, followers } = this.#role;
    if (this.#newSet.length === 0) {
      const others = this.#others().filter((one) => {
        const follower = followers.get(one);
        return rules.joinsNewSet(follower?.isLost === false ? follower.held : undefined, copy.held);
      });
      this.#newSet = [self, ...others];
    }
    if (nowMs - this.#askedMs < options.timings.transactionRetryMs) return;
    this.#askedMs = nowMs;
    const { revision } = this.#row;
    this.#context.propose({ kind: 'complete', partition, epoch, revision, by: self, inSync: this.#newSet });
    if (rules.servesBy(false)) this.served({ ...this.#row, inSync: this.#newSet });
  }

  #enter(stage: Stage): void {
    // Whoever sent the tail may have fallen silent within a batch (promotion M2).
    if (this.#stage === 'pulling') this.#context.emit({ kind: 'endBatch', partition: this.#role.partition });
    this.#stage = stage;
    this.#progressMs = this.#context.nowMs;
    this.#askedMs = Number.NEGATIVE_INFINITY;
  }

  #others(): readonly ReplicaId[] {
    return this.#row.inSync.filter((one) => one !== this.#context.self);
  }
}

function lower(one: Sequence, other: Sequence): Sequence {
  return one < other ? one : other;
}
