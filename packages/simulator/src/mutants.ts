/**
 * Mutants: the same core and host with one decision replaced by a mistake that somebody has made. Each must be caught, or the
 * simulator does not look where it ought to. Which seed catches which, and by what, is in the README.
 *
 * Two rules of the core have no mutant here, for nothing can be seen of them alone. `tableOfGrant`: who is named comes out of the
 * set, and grants by the table that names it. `ceilingOf`: a ceiling has passed when the grace has, as long as clocks agree within
 * their limits (timings T2); a host that ignores it is caught.
 */
import type { Sequence } from '@ashlar/core';
import { isSameMember, PRODUCTION_RULES, type Rules } from '@ashlar/replication';
import { type HostRules, SOUND_HOST } from './grid/host-rules.ts';

export interface Mutant {
  /** The mistake, in words. */
  readonly mistake: string;
  readonly rules?: Partial<Rules>;
  readonly hostRules?: Partial<HostRules>;
}

const ALL = {
  /* ---- Identity and epochs ---- */
  'skip-fence': { mistake: 'a backup refuses no epoch', rules: { refusesEpoch: () => false } },
  'old-table': { mistake: 'an older table is taken for news', rules: { isOldTable: () => false } },
  'keep-copy': { mistake: 'who is not in the set keeps its copy', rules: { dropsCopyOutsideSet: () => false } },
  'old-incarnation': {
    mistake: 'what is said by, or to, a process that is no more counts for the one of its name',
    rules: { isSameReplica: isSameMember },
  },
  'any-copy': {
    mistake: 'what a member held in a copy that it has lost counts for the one that it has',
    rules: { isOfCopy: () => true },
  },
  /* ---- The set ---- */
  'acknowledge-before-set': {
    mistake: 'a write is acknowledged before every member of the set has it',
    rules: { committedBy: (held) => Math.max(...held) },
  },
  'shrink-in-memory': {
    mistake: 'the primary stops waiting before the shrink is decided',
    rules: { waitsForLeaver: () => false },
  },
  'grow-late': {
    mistake: 'the primary waits for a joiner only when its joining is known',
    rules: { waitsForJoiner: () => false },
  },
  'forget-change': {
    mistake: 'a change of the set that was answered, without knowing what became of it, is taken for failed',
    rules: { mayStillApply: (named, newest, wasAnswered) => newest <= named && !wasAnswered },
  },
  'too-few': { mistake: 'writes are acknowledged by fewer copies than minInSync', rules: { isEnough: () => true } },
  /* ---- Read leases ---- */
  'read-past-lease': { mistake: 'a lease has no end', rules: { coversNow: () => true } },
  'lease-from-answer': {
    mistake: 'a lease is counted from its answer',
    rules: { countedFrom: (_, answeredAtMs) => answeredAtMs },
  },
  'lease-without-table': {
    mistake: 'a lease counts whatever table its grantor knows',
    rules: { countsByTable: () => true },
  },
  'ignore-gap': { mistake: 'a clock gap ends no lease', rules: { isGap: () => false } },
  'lone-without-lease': { mistake: 'a lone primary needs no lease', rules: { needsCoordinator: () => false } },
  /* ---- Promotion ---- */
  'no-grace': {
    mistake: 'a new primary does not wait out its grace',
    rules: { graceEnds: () => Number.NEGATIVE_INFINITY },
  },
  'grace-over-gap': {
    mistake: 'a grace ends while the clock stood still',
    rules: { graceAfterGap: (countedFromMs) => countedFromMs },
  },
  'always-skip-grace': { mistake: 'grace is skipped though nobody renounced', rules: { skipsGrace: () => true } },
  'own-tail': { mistake: 'a new primary takes its own tail for the longest', rules: { pullsTail: () => false } },
  'truncate-by-commit': {
    mistake: 'a tail is cut at the commit index',
    rules: { keepsUpTo: (held, commit) => Math.min(commit, held) as Sequence },
  },
  'keep-unreached': { mistake: 'who was not reached stays in the set', rules: { joinsNewSet: () => true } },
  'serve-before-step-2': {
    mistake: 'a named primary serves before the set is decided',
    rules: { servesBy: () => true },
  },
  'reuse-sequence': {
    mistake: 'a new primary goes on behind the commit index',
    rules: { goesOnBehind: (held, commit) => Math.min(commit, held) as Sequence },
  },
  'start-anywhere': {
    mistake: 'a new primary begins wherever its clock stands',
    rules: { beginsAbove: () => 0 as never },
  },
  /* ---- Transfer and stop ---- */
  'forget-window': {
    mistake: 'a copy is transferred without the log that holds the answers',
    rules: { carriesLogFrom: (_, behind) => behind },
  },
  'serve-on': {
    mistake: 'who stops in order serves on until somebody takes over',
    rules: { stopsBeforeRenouncing: () => false },
  },
  /* ---- The host ---- */
  'look-once-a-tick': {
    mistake: 'reads are answered by a look at the lease that is some milliseconds old',
    hostRules: { looksAtEveryRead: false },
  },
  'open-without-look': {
    mistake: 'a snapshot is opened without a second look',
    hostRules: { looksAgainAtOpening: false },
  },
  'open-undecided': {
    mistake: 'a snapshot is opened before what lies below it is committed',
    hostRules: { opensCommitted: false },
  },
  'forget-answers': { mistake: 'a request is applied again when it is sent again', hostRules: { knowsAnswers: false } },
  'forget-at-promotion': {
    mistake: 'a new primary does not know what was answered before it',
    hostRules: { keepsWindow: false },
  },
  'answer-sealed': { mistake: 'a write is answered when it is sealed', hostRules: { answersCommitted: false } },
  'read-newest': { mistake: 'what is not committed is read', hostRules: { readsCommitted: false } },
  'assign-anything': { mistake: 'versions are assigned above the ceiling', hostRules: { keepsCeiling: false } },
  'sleep-unnoticed': { mistake: 'a suspension of the machine is not noticed', hostRules: { noticesSuspension: false } },
  'begin-below': { mistake: 'a new primary ignores above which version it begins', hostRules: { beginsAbove: false } },
  'recover-at-once': {
    mistake: 'a lost partition begins anew while who was alone may still serve it',
    hostRules: { waitsForLone: false },
  },
  'leap-in-waiting': {
    mistake: 'a gap of its clock counts as time that the coordinator has waited',
    hostRules: { beginsAnewAfterGap: false },
  },
  'keep-part': {
    mistake: 'what has come of a batch is kept when its primary dies before the rest',
    hostRules: { endsBatches: false },
  },
  renumber: { mistake: 'a record gets another version after it was sealed', hostRules: { keepsVersions: false } },
} satisfies Record<string, Mutant>;

export const MUTANTS: Readonly<Record<string, Mutant>> = ALL;

/** @returns undefined: there is no such mutant */
export function mutantNamed(name: string): { readonly rules: Rules; readonly hostRules: HostRules } | undefined {
  const mutant = MUTANTS[name];
  if (mutant === undefined) return undefined;
  return { rules: { ...PRODUCTION_RULES, ...mutant.rules }, hostRules: { ...SOUND_HOST, ...mutant.hostRules } };
}
