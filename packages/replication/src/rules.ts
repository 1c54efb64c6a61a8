/**
 * The decisions on which safety rests, each a small named function of facts. A member is always given PRODUCTION_RULES; the
 * simulator gives a core in which one of them is replaced (a mutant), and must notice.
 *
 * rules Q1  A rule decides; it changes nothing and keeps nothing.
 */
import { memberOfReplica, type ReplicaId, type Sequence, type Version } from '@ashlar/core';

export interface Rules {
  /* ---- Identity and epochs ------------------------------------------------------------------------------------------ */
  /** Whether what concerns one replica concerns the other. Mutant: their members are the same. */
  isSameReplica(one: ReplicaId, other: ReplicaId): boolean;
  /** Whether a backup refuses what acts by an epoch, having seen another. Mutant: never. */
  refusesEpoch(epoch: number, seen: number): boolean;
  /** Whether a table is passed over because a newer one has been seen. Mutant: never. */
  isOldTable(version: number, seen: number): boolean;
  /** Whether a replica that is not in the set drops its copy. Mutant: it keeps it, and what it answers later is old. */
  dropsCopyOutsideSet(isInSet: boolean): boolean;

  /* ---- The set ------------------------------------------------------------------------------------------------------- */
  /** The last sequence that is committed, of what each member of the set holds. Mutant: acknowledge before the set. */
  committedBy(held: readonly Sequence[]): number;
  /** Whether acknowledgements wait for a member whose leaving has been asked for and is not known. Mutant: shrink in memory first. */
  waitsForLeaver(): boolean;
  /** Whether acknowledgements wait for a joiner whose joining has been asked for and is not known. Mutant: grow late. */
  waitsForJoiner(): boolean;
  /** Whether a change that was asked for may still come to be, by the revision that it named and the newest. Mutant: not once it was answered. */
  mayStillApply(named: number, newest: number, wasAnswered: boolean): boolean;
  /** Whether an acknowledgement speaks of the copy that was made last. Mutant: of any. */
  isOfCopy(copy: number, known: number): boolean;
  /** Whether so few copies may acknowledge a write. Mutant: always. */
  isEnough(inSync: number, minInSync: number): boolean;

  /* ---- Read leases ---------------------------------------------------------------------------------------------------- */
  /** Whether a lease that ends then covers now. Mutant: read past the lease. */
  coversNow(endsAtMs: number, nowMs: number): boolean;
  /** From when a lease is counted. Mutant: from the answer. */
  countedFrom(askedAtMs: number, answeredAtMs: number): number;
  /** Whether a grant made by one table counts for who knows another. Mutant: pair lease without table version. */
  countsByTable(grantedBy: number, own: number): boolean;
  /** The table version that a grant names. Mutant: without the epochs of which the grantor has heard. */
  tableOfGrant(own: number, highestEpochSeen: number): number;
  /** Whether a pause between two turns ends all leases. Mutant: never. */
  isGap(elapsedMs: number, limitMs: number): boolean;
  /** Whether a primary needs a lease of the coordinator: the set may be itself alone. Mutant: never. */
  needsCoordinator(smallestSet: number): boolean;
  /** The version above which a primary does nothing. Mutant: no ceiling. */
  ceilingOf(granted: number): number;

  /* ---- Promotion -------------------------------------------------------------------------------------------------------- */
  /** Until when a named primary waits, having granted its last lease to the one before then. Mutant: not at all. */
  graceEnds(lastGrantMs: number, graceMs: number): number;
  /** From when a grace is counted whose clock had a gap. Mutant: from where it was. */
  graceAfterGap(countedFromMs: number, nowMs: number): number;
  /** Whether a named primary need not wait out its grace. Mutant: it never does. */
  skipsGrace(isRenounced: boolean): boolean;
  /** Whether the tail of another is pulled. Mutant: its own will do. */
  pullsTail(own: Sequence, longest: Sequence): boolean;
  /** What a copy keeps when it is fenced. Mutant: truncate by commit point. */
  keepsUpTo(held: Sequence, commit: Sequence): Sequence;
  /** Whether a member belongs to the set of step 2. Mutant: keep an unreached one. */
  joinsNewSet(acknowledged: Sequence | undefined, tail: Sequence): boolean;
  /** Whether a named primary serves by the row that the table shows. Mutant: before step 2. */
  servesBy(isServing: boolean): boolean;
  /** Behind which sequence a new primary goes on. Mutant: reuse a sequence (that of the commit index). */
  goesOnBehind(held: Sequence, commit: Sequence): Sequence;
  /** Above which version a new primary begins. Mutant: wherever its clock stands. */
  beginsAbove(granted: Version): Version;

  /* ---- Transfer and stop -------------------------------------------------------------------------------------------------- */
  /** From where a transfer carries the log. Mutant: not at all, so that the answer window is forgotten. */
  carriesLogFrom(first: Sequence, behind: Sequence): Sequence;
  /** Whether a primary that stops in order stops serving before it says so. Mutant: afterwards. */
  stopsBeforeRenouncing(): boolean;
}

export const PRODUCTION_RULES: Rules = Object.freeze<Rules>({
  isSameReplica: (one, other) => one === other,
  refusesEpoch: (epoch, seen) => epoch < seen,
  isOldTable: (version, seen) => version < seen,
  dropsCopyOutsideSet: (isInSet) => !isInSet,

  committedBy: (held) => held.reduce((least, one) => Math.min(one, least), Number.MAX_SAFE_INTEGER),
  waitsForLeaver: () => true,
  waitsForJoiner: () => true,
  mayStillApply: (named, newest) => newest <= named,
  isOfCopy: (copy, known) => copy === known,
  isEnough: (inSync, minInSync) => inSync >= minInSync,

  coversNow: (endsAtMs, nowMs) => nowMs < endsAtMs,
  countedFrom: (askedAtMs) => askedAtMs,
  countsByTable: (grantedBy, own) => grantedBy <= own,
  tableOfGrant: (own, highestEpochSeen) => Math.max(own, highestEpochSeen),
  isGap: (elapsedMs, limitMs) => elapsedMs > limitMs,
  needsCoordinator: (smallestSet) => smallestSet <= 1,
  ceilingOf: (granted) => granted,

  graceEnds: (lastGrantMs, graceMs) => lastGrantMs + graceMs,
  graceAfterGap: (_, nowMs) => nowMs,
  skipsGrace: (isRenounced) => isRenounced,
  pullsTail: (own, longest) => own < longest,
  keepsUpTo: (held) => held,
  joinsNewSet: (acknowledged, tail) => acknowledged !== undefined && acknowledged >= tail,
  servesBy: (isServing) => isServing,
  goesOnBehind: (held) => held,
  beginsAbove: (granted) => granted,

  carriesLogFrom: (first) => first,
  stopsBeforeRenouncing: () => true,
});

/** Whether two replicas are of one member: what `isSameReplica` must not be content with. */
export function isSameMember(one: ReplicaId, other: ReplicaId): boolean {
  return memberOfReplica(one) === memberOfReplica(other);
}
