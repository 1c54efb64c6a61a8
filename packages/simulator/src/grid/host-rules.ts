/**
 * What a host owes the core, and a coordinator its members, as decisions by name: a mutant is a host, or a core, in which one of them is replaced. Sound hosts
 * are given SOUND_HOST.
 */
export interface HostRules {
  /** Whether the lease is looked at for every read, before the value is taken and again before it leaves. */
  readonly looksAtEveryRead: boolean;
  /** Whether lease and epoch are looked at again at a snapshot's opening, after its version is known. */
  readonly looksAgainAtOpening: boolean;
  /** Whether a snapshot waits until what was sealed at or below its version is committed. */
  readonly opensCommitted: boolean;
  /** Whether a request that was applied before is answered as it was then. */
  readonly knowsAnswers: boolean;
  /** Whether a new primary knows what was answered before it. */
  readonly keepsWindow: boolean;
  /** Whether answers wait for the commit. */
  readonly answersCommitted: boolean;
  /** Whether values are read as they are committed. */
  readonly readsCommitted: boolean;
  /** Whether versions are kept below the ceiling. */
  readonly keepsCeiling: boolean;
  /** Whether a suspension of the machine is noticed. */
  readonly noticesSuspension: boolean;
  /** Whether a new primary's versions begin above what it is told. */
  readonly beginsAbove: boolean;
  /** Whether what has come of a batch goes when the rest can come no more. */
  readonly endsBatches: boolean;
  /** Whether a record that was sealed stays as it was. */
  readonly keepsVersions: boolean;
  /** Whether a lost partition begins anew only behind the last lease of the coordinator. */
  readonly waitsForLone: boolean;
  /** Whether a controller begins anew whose clock had a gap. */
  readonly beginsAnewAfterGap: boolean;
}

export const SOUND_HOST: HostRules = Object.freeze({
  looksAtEveryRead: true,
  looksAgainAtOpening: true,
  opensCommitted: true,
  knowsAnswers: true,
  keepsWindow: true,
  answersCommitted: true,
  readsCommitted: true,
  keepsCeiling: true,
  noticesSuspension: true,
  beginsAbove: true,
  endsBatches: true,
  keepsVersions: true,
  waitsForLone: true,
  beginsAnewAfterGap: true,
});
