/**
 * The in-sync set of a partition as its primary knows it: what the table recorded, and what it has asked for.
 *
 *   recorded {P, B}   --ask for {P}-->     waits for P, B      until the row's revision has moved: then for what it says
 *   recorded {P}      --ask for {P, J}-->  waits for P, J      from before it is asked
 *
 * in-sync-set S1  While a change may still apply, the set may be either, so the primary waits for the acknowledgements, and needs
 *                 the leases, of both: it never stops waiting before a compare-and-set has succeeded, and waits for a joiner
 *                 from before one is sent.
 * in-sync-set S2  A change is known to have failed, or to have succeeded, only by a row with a later revision: from then on what
 *                 named the one before is refused for ever. No answer, and no time that passes, says so.
 * in-sync-set S3  A primary that may be alone in the set needs the coordinator's lease: nobody else would keep it from serving
 *                 when the partition has been given up.
 * in-sync-set S4  A joiner is asked into the set only when it holds all that is committed. It is waited for from before that is
 *                 looked at, so nothing is committed in between that it lacks.
 */
import type { PartitionReplicas, ReplicaId } from '@ashlar/core';
import type { Rules } from './rules.ts';

interface Proposal {
  readonly inSync: readonly ReplicaId[];
  /** The revision that it names. */
  readonly revision: number;
  transaction: number;
  askedAtMs: number;
  wasAnswered: boolean;
}

export class InSyncSet {
  readonly #self: ReplicaId;
  readonly #rules: Rules;
  #recorded: readonly ReplicaId[];
  #revision: number;
  /** Those of the present revision: at most one of them can apply. */
  #proposals: Proposal[] = [];
  /** Joiners for which the primary waits, and has not asked yet. */
  readonly #admitted = new Set<ReplicaId>();
  #others: readonly ReplicaId[] = [];
  #smallest = 1;

  constructor(self: ReplicaId, row: PartitionReplicas, rules: Rules) {
    this.#self = self;
    this.#rules = rules;
    this.#recorded = row.inSync;
    this.#revision = row.revision;
    this.#count();
  }

  /** As the table has it. */
  get recorded(): readonly ReplicaId[] {
    return this.#recorded;
  }
  get revision(): number {
    return this.#revision;
  }
  /** Whose acknowledgements and leases count, but for this member's own (in-sync-set S1). */
  get others(): readonly ReplicaId[] {
    return this.#others;
  }
  /** Copies that the smallest set has which it may be. */
  get smallest(): number {
    return this.#smallest;
  }
  get isSettled(): boolean {
    return this.#proposals.length === 0;
  }

  /** Whether a change was asked for with which it joins: it may have applied before any row of which this member knows. */
  isAskedIn(replica: ReplicaId): boolean {
    return this.#proposals.some(({ inSync }) => inSync.includes(replica));
  }

  /** What the table says now (in-sync-set S2). */
  record(row: PartitionReplicas): void {
    this.#recorded = row.inSync;
    this.#revision = row.revision;
    for (const one of row.inSync) this.#admitted.delete(one);
    this.#forgetDecided();
  }

  /**
   * The primary waits for a joiner from now on, and asks for its joining when it holds all that was committed before
   * (in-sync-set S4).
   */
  admit(replica: ReplicaId): void {
    if (this.#admitted.has(replica)) return;
    this.#admitted.add(replica);
    this.#count();
  }

  /** A joiner does not get on: nobody waits for it any more, unless it may be in the set. @returns whether somebody did */
  dismiss(replica: ReplicaId): boolean {
    if (!this.#admitted.delete(replica)) return false;
    this.#count();
    return true;
  }

  get admitted(): ReadonlySet<ReplicaId> {
    return this.#admitted;
  }

  /** Before the change is sent. @returns whether it is to be sent (again) now */
  propose(inSync: readonly ReplicaId[], nowMs: number, retryMs: number): Proposal | undefined {
    const known = this.#proposals.find((one) => isSameSet(one.inSync, inSync));
    if (known !== undefined) {
      if (nowMs - known.askedAtMs < retryMs) return undefined;
      known.askedAtMs = nowMs;
      return known;
    }
    const proposal = { inSync, revision: this.#revision, transaction: 0, askedAtMs: nowMs, wasAnswered: false };
    this.#proposals.push(proposal);
    this.#count();
    return proposal;
  }

  /** A transaction was answered, with or without knowing what became of it. */
  answered(transaction: number): void {
    for (const proposal of this.#proposals) if (proposal.transaction === transaction) proposal.wasAnswered = true;
    this.#forgetDecided();
  }

  #forgetDecided(): void {
    this.#proposals = this.#proposals.filter(({ revision, wasAnswered }) =>
      this.#rules.mayStillApply(revision, this.#revision, wasAnswered),
    );
    this.#count();
  }

  #count(): void {
    const others = new Set<ReplicaId>(this.#recorded);
    const proposed = this.#proposals.map(({ inSync }) => inSync);
    if (this.#rules.waitsForJoiner()) for (const one of [...proposed.flat(), ...this.#admitted]) others.add(one);
    if (!this.#rules.waitsForLeaver()) {
      for (const one of this.#recorded) if (proposed.some((set) => !set.includes(one))) others.delete(one);
    }
    others.delete(this.#self);
    this.#others = [...others];
    this.#smallest = Math.min(this.#recorded.length, ...proposed.map((set) => set.length));
  }
}

export function isSameSet(one: readonly ReplicaId[], other: readonly ReplicaId[]): boolean {
  return one.length === other.length && one.every((replica) => other.includes(replica));
}
