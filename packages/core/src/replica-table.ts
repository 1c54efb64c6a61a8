/**
 * The replica table: which members hold which partition, which of them are in sync, who is primary at which epoch. One value,
 * changed by compare-and-set only (`cluster/src/replicas`), read by everybody who replicates (`replication`).
 *
 * replica-table R1  A replica is a member in one incarnation. Sets, acknowledgements, leases and streams name replicas, never
 *                   members: a process that was started again is another replica, and holds nothing.
 * replica-table R2  A partition's `epoch` is the version of the table that named its present primary, so epochs are never
 *                   given twice, and who has heard of an epoch knows that a table at least as new exists.
 * replica-table R3  A partition's `revision` is the version of the table that changed its row last. Whoever changes a row
 *                   names the revision that it read, so what was sent late, twice or by a deposed primary changes nothing.
 */
import type { Epoch, Kind, MemberId, Sequence, Version } from './ids.ts';

/** A member in one incarnation, as `member#incarnation` (replica-table R1). */
export type ReplicaId = Kind<string, 'ReplicaId'>;

const SEPARATOR = '#';

export function replicaIdOf(member: MemberId, incarnation: string): ReplicaId {
  return `${member}${SEPARATOR}${incarnation}` as ReplicaId;
}

/** The member whose incarnation a replica is. */
export function memberOfReplica(replica: ReplicaId): MemberId {
  return replica.slice(0, replica.lastIndexOf(SEPARATOR)) as MemberId;
}

/** A member as the grid knows it: its newest incarnation. */
export interface ReplicaMember {
  readonly replica: ReplicaId;
  /** Its membership lease holds. A member whose lease ran out loses nothing: it registers again as the same replica. */
  readonly isAlive: boolean;
}

/**
 * Where a partition stands.
 *
 *   unassigned --create--> promoting --complete--> serving --nominate--> promoting ...
 *                              ^                      |
 *                              +------recover------ lost <--declareLost, from any of them
 *
 * Every one of them has an owner who brings it on: the controller (`unassigned`; `promoting`, when the named primary dies or
 * takes too long), the named primary (`promoting`), the primary (`serving`), an operator (`lost`).
 */
export type PartitionPhase = 'unassigned' | 'promoting' | 'serving' | 'lost';

/** A primary that stopped in order: it has served nothing since, and never will at that epoch. */
export interface Renunciation {
  readonly by: ReplicaId;
  /** The epoch that it gave up. */
  readonly epoch: Epoch;
  /** The last sequence of its log. */
  readonly lastSequence: Sequence;
  /** It has assigned, opened and resolved nothing above. */
  readonly clock: Version;
}

/** A partition's row. */
export interface PartitionReplicas {
  readonly phase: PartitionPhase;
  /** replica-table R2 */
  readonly epoch: Epoch;
  /** replica-table R3 */
  readonly revision: number;
  /** Who serves (`serving`), has been named to (`promoting`), or was the last to (`lost`). */
  readonly primary: ReplicaId | undefined;
  /**
   * Every acknowledged record is with each of them. While `promoting` it is the set of before: the new one is known only when
   * the named primary has replicated the tail.
   */
  readonly inSync: readonly ReplicaId[];
  /** Members that ought to hold a copy, by placement; who is not in sync transfers. */
  readonly wanted: readonly MemberId[];
  /** While `promoting`: there is nothing to take over, the partition begins empty, with a log of its own. */
  readonly isFresh: boolean;
  /** Epoch at which the partition's log began: it changes when history was lost, and tokens end with it. */
  readonly logEpoch: Epoch;
  /** Stands until somebody serves again: nobody has served since. */
  readonly renounced: Renunciation | undefined;
  /** The next primary begins above it. */
  readonly versionFloor: Version;
}

export interface ReplicaTable {
  /** Grows by one with every change. */
  readonly version: number;
  readonly members: readonly ReplicaMember[];
  readonly partitions: readonly PartitionReplicas[];
}

/** What a change of a row was derived from: it applies only while both stand (replica-table R3). */
export interface RowReference {
  readonly partition: number;
  readonly epoch: Epoch;
  readonly revision: number;
}

/** One compare-and-set of a partition's row, or of a member's. */
export type ReplicaChange =
  /**
   * A member asks for its place, or says that it is back after its lease ran out. It names the replica of this member that it
   * has read of in the table, which ends with it: what an earlier process sent late registers nobody.
   */
  | { readonly kind: 'register'; readonly replica: ReplicaId; readonly replaces: ReplicaId | undefined }
  /** The controller: a member's lease has run out. */
  | { readonly kind: 'expire'; readonly replica: ReplicaId }
  /** The controller: a partition that nobody holds yet begins, empty, on those members. */
  | ({ readonly kind: 'create' } & RowReference & PlacedCopies)
  /** The controller: where copies ought to lie. */
  | ({ readonly kind: 'want'; readonly wanted: readonly MemberId[] } & RowReference)
  /** The primary: the set grows or shrinks; the same set again makes an earlier change that may be under way impossible. */
  | ({ readonly kind: 'setInSync'; readonly by: ReplicaId; readonly inSync: readonly ReplicaId[] } & RowReference)
  /** A backup takes itself out of the set: it is stopping in order. */
  | ({ readonly kind: 'leaveSet'; readonly by: ReplicaId } & RowReference)
  /** The controller, step 1 of a promotion: another epoch, another primary, out of the set. */
  | ({ readonly kind: 'nominate'; readonly primary: ReplicaId } & RowReference)
  /** The named primary, step 2: the set is those that acknowledged the whole tail at this epoch. */
  | ({ readonly kind: 'complete'; readonly by: ReplicaId; readonly inSync: readonly ReplicaId[] } & RowReference)
  /** A primary that stops in order, and whom it names (step 1). It stopped serving before it sent this. */
  | ({
      readonly kind: 'renounce';
      readonly by: ReplicaId;
      readonly successor: ReplicaId;
      readonly lastSequence: Sequence;
      readonly clock: Version;
    } & RowReference)
  /** The controller: every replica of the set is gone for good. */
  | ({ readonly kind: 'declareLost' } & RowReference)
  /** An operator, by name of the loss: a lost partition begins anew, empty. */
  | ({ readonly kind: 'recover'; readonly versionFloor: Version } & RowReference & PlacedCopies);

export interface PlacedCopies {
  readonly primary: ReplicaId;
  /** Replicas that begin with the empty log, the primary among them. */
  readonly inSync: readonly ReplicaId[];
  readonly wanted: readonly MemberId[];
}

/** Changes that go to the coordinator together: one version of the table; each applies, or is passed over, by itself. */
export interface ReplicaTransaction {
  /** Counts the transactions of one sender. */
  readonly id: number;
  readonly changes: readonly ReplicaChange[];
}
