/**
 * The one step of the replica table: changes in, the next table out. Pure; whoever keeps the table applies the same steps in one
 * order, so it does not matter how many controllers plan, or how often an answer was lost and the change sent again.
 *
 *   changes -> stepReplicas(table, changes) -> { table', refused }
 *
 * replica-step C1  A change of a row applies only while the epoch and revision that it names stand; what came late, twice or
 *                  from a deposed primary is refused, and refused for ever.
 * replica-step C2  All changes of a step make one version of the table; a step that changes nothing gives the table back.
 * replica-step C3  The set of a serving partition is changed by its primary, or loses a backup by that backup's own word; of a
 *                  promoting one it is changed by the named primary alone, in step 2: no controller or repair touches a set.
 * replica-step C4  A primary comes out of the set, or the partition begins empty: nobody is named who may lack an acknowledged
 *                  record.
 * replica-step C5  An epoch is the version of the table that named its primary: it rises with every nomination.
 * replica-step C6  A lost partition stays lost until an operator accepts the loss (`recover`).
 */
import {
  assert,
  type Epoch,
  type MemberId,
  memberOfReplica,
  type PartitionReplicas,
  type PlacedCopies,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaMember,
  type ReplicaTable,
  unreachable,
  type Version,
} from '@ashlar/core';

/** Why a change was passed over. */
export type ChangeRefusal =
  /** The row has changed since (C1), or there is no such row. */
  | 'outdated'
  /** The partition is not in a phase in which this may be done. */
  | 'wrongPhase'
  /** Not the primary's to say. */
  | 'notPrimary'
  /** The set named does not follow from the one there is (C3, C4), or names who is not registered. */
  | 'wrongSet'
  /** Another process is registered under the member's name, or it is the replica that was to be replaced no more. */
  | 'replaced'
  /** Some replica of the set may come back. */
  | 'notLost';

export interface RefusedChange {
  /** Its place among the changes. */
  readonly index: number;
  readonly why: ChangeRefusal;
}

export interface ReplicaOutcome {
  readonly table: ReplicaTable;
  readonly refused: readonly RefusedChange[];
}

type RowChange = Exclude<ReplicaChange, { kind: 'register' | 'expire' }>;
type MemberChange = Extract<ReplicaChange, { kind: 'register' | 'expire' }>;

const NOTHING = 0 as Version;

/** The table of a grid in which nobody has registered. */
export function emptyReplicaTable(partitionCount: number): ReplicaTable {
  const row: PartitionReplicas = {
    ...{ phase: 'unassigned', primary: undefined, inSync: [], wanted: [], isFresh: false, renounced: undefined },
    ...{ epoch: 0 as Epoch, revision: 0, logEpoch: 0 as Epoch, versionFloor: NOTHING },
  };
  return { version: 0, members: [], partitions: Array.from({ length: partitionCount }, () => row) };
}

/** Applies changes one after the other (replica-step C2); those that do not fit any more are passed over. */
export function stepReplicas(before: ReplicaTable, changes: readonly ReplicaChange[]): ReplicaOutcome {
  const draft = new TableDraft(before);
  const refused: RefusedChange[] = [];
  for (const [index, change] of changes.entries()) {
    const why = draft.apply(change);
    if (why !== undefined) refused.push({ index, why });
  }
  return { table: draft.result(), refused };
}

/** The next version of a table in the making. */
class TableDraft {
  readonly #before: ReplicaTable;
  readonly #version: number;
  #members: readonly ReplicaMember[];
  /** A copy of its own from the first change on. */
  #rows: PartitionReplicas[] | undefined;

  constructor(before: ReplicaTable) {
    this.#before = before;
    this.#version = before.version + 1;
    this.#members = before.members;
  }

  apply(change: ReplicaChange): ChangeRefusal | undefined {
    if (change.kind === 'register' || change.kind === 'expire') return this.#applyToMember(change);
    const row = this.#row(change.partition);
    if (row === undefined || row.epoch !== change.epoch || row.revision !== change.revision) return 'outdated';
    const next = this.#changed(row, change);
    if (typeof next === 'string') return next;
    assertRowFollows(next, row);
    this.#rows ??= [...this.#before.partitions];
    this.#rows[change.partition] = { ...next, revision: this.#version };
    return undefined;
  }

  result(): ReplicaTable {
    const { partitions, members } = this.#before;
    if (this.#rows === undefined && this.#members === members) return this.#before;
    return { version: this.#version, members: this.#members, partitions: this.#rows ?? partitions };
  }

  #row(partition: number): PartitionReplicas | undefined {
    return (this.#rows ?? this.#before.partitions)[partition];
  }

  /* ---- Members ------------------------------------------------------------------------------------------------------ */

  #applyToMember(change: MemberChange): ChangeRefusal | undefined {
    const { replica } = change;
    const at = this.#members.findIndex((one) => memberOfReplica(one.replica) === memberOfReplica(replica));
    const known = this.#members[at];
    if (change.kind === 'expire') {
      if (known?.replica !== replica) return 'replaced';
      if (known.isAlive) this.#members = this.#members.with(at, { replica, isAlive: false });
      return undefined;
    }
    if (known === undefined) {
      if (change.replaces !== undefined) return 'replaced';
      this.#members = [...this.#members, { replica, isAlive: true }];
    } else if (known.replica !== replica) {
      if (known.replica !== change.replaces) return 'replaced';
      this.#members = this.#members.with(at, { replica, isAlive: true });
    } else if (!known.isAlive) this.#members = this.#members.with(at, { replica, isAlive: true });
    return undefined;
  }

  #isRegistered(replica: ReplicaId): boolean {
    return this.#members.some((one) => one.replica === replica);
  }

  /* ---- Rows --------------------------------------------------------------------------------------------------------- */

  #changed(row: PartitionReplicas, change: RowChange): PartitionReplicas | ChangeRefusal {
    switch (change.kind) {
      case 'create':
        // A partition that never got beyond its first promotion holds nothing, so others may begin it.
        if (row.phase !== 'unassigned' && !(row.phase === 'promoting' && row.isFresh)) return 'wrongPhase';
        return this.#begun(row, change);
      case 'recover':
        if (row.phase !== 'lost') return 'wrongPhase';
        return this.#begun({ ...row, versionFloor: highest(row.versionFloor, change.versionFloor) }, change);
      case 'want':
        if (row.phase === 'promoting' || row.phase === 'unassigned') return 'wrongPhase';
        return { ...row, wanted: change.wanted };
      case 'setInSync':
        return this.#withSet(row, change.by, change.inSync);
      case 'leaveSet':
        return this.#withoutMember(row, change.by);
      case 'nominate':
        return this.#nominated(row, change.primary);
      case 'complete':
        return completed(row, change.by, change.inSync);
      case 'renounce':
        return this.#renounced(row, change);
      case 'declareLost':
        if (row.phase !== 'serving' && row.phase !== 'promoting') return 'wrongPhase';
        if (row.inSync.some((one) => this.#isRegistered(one))) return 'notLost';
        return { ...row, phase: 'lost', inSync: [], isFresh: false, renounced: undefined };
      default:
        return unreachable(change);
    }
  }

  #begun(row: PartitionReplicas, { primary, inSync, wanted }: PlacedCopies): PartitionReplicas | ChangeRefusal {
    if (!isSet(inSync, primary) || inSync.some((one) => !this.#isRegistered(one))) return 'wrongSet';
    const epoch = this.#version as Epoch;
    return { ...row, ...{ phase: 'promoting', isFresh: true, epoch, logEpoch: epoch, primary, inSync, wanted } };
  }

  /** replica-step C3 */
  #withSet(row: PartitionReplicas, by: ReplicaId, inSync: readonly ReplicaId[]): PartitionReplicas | ChangeRefusal {
    if (row.phase !== 'serving') return 'wrongPhase';
    if (by !== row.primary) return 'notPrimary';
    const joins = inSync.filter((one) => !row.inSync.includes(one));
    if (!isSet(inSync, by) || joins.some((one) => !this.#isRegistered(one))) return 'wrongSet';
    return { ...row, inSync };
  }

  /** replica-step C4, C5 */
  #nominated(row: PartitionReplicas, primary: ReplicaId): PartitionReplicas | ChangeRefusal {
    if (row.phase !== 'serving' && row.phase !== 'promoting') return 'wrongPhase';
    if (!row.inSync.includes(primary) || !this.#isRegistered(primary)) return 'wrongSet';
    const epoch = this.#version as Epoch;
    // Nobody has served an empty log yet: it begins with whoever does, under one name in all of its copies.
    return { ...row, phase: 'promoting', epoch, primary, logEpoch: row.isFresh ? epoch : row.logEpoch };
  }

  /**
   * A member takes itself out of the set: a backup that stops in order, or one that has lost its copy. While nobody serves that
   * may be the one that was named, so another one is; when nobody is left, the partition is lost.
   */
  #withoutMember(row: PartitionReplicas, by: ReplicaId): PartitionReplicas | ChangeRefusal {
    if (row.phase !== 'serving' && (row.phase !== 'promoting' || row.isFresh)) return 'wrongPhase';
    if (!row.inSync.includes(by)) return 'wrongSet';
    const inSync = row.inSync.filter((one) => one !== by);
    if (inSync.length > 0 && by !== row.primary) return { ...row, inSync };
    if (inSync.length > 0 && row.phase === 'serving') return 'wrongSet';
    const successor = inSync.find((one) => this.#isRegistered(one));
    if (successor !== undefined) return this.#nominated({ ...row, inSync }, successor);
    return { ...row, phase: 'lost', inSync: [], renounced: undefined };
  }

  #renounced(
    row: PartitionReplicas,
    { by, successor, lastSequence, clock }: Extract<RowChange, { kind: 'renounce' }>,
  ): PartitionReplicas | ChangeRefusal {
    if (row.phase !== 'serving') return 'wrongPhase';
    if (by !== row.primary) return 'notPrimary';
    if (successor === by) return 'wrongSet';
    const next = this.#nominated(row, successor);
    if (typeof next === 'string') return next;
    const renounced = { by, epoch: row.epoch, lastSequence, clock };
    return { ...next, renounced, versionFloor: highest(row.versionFloor, clock) };
  }
}

/** Step 2 (replica-step C3): the set can only have lost members. */
function completed(
  row: PartitionReplicas,
  by: ReplicaId,
  inSync: readonly ReplicaId[],
): PartitionReplicas | ChangeRefusal {
  if (row.phase !== 'promoting') return 'wrongPhase';
  if (by !== row.primary) return 'notPrimary';
  if (!isSet(inSync, by) || inSync.some((one) => !row.inSync.includes(one))) return 'wrongSet';
  return { ...row, phase: 'serving', inSync, isFresh: false, renounced: undefined };
}

/** Different members, the primary among them. */
function isSet(inSync: readonly ReplicaId[], primary: ReplicaId): boolean {
  const members = new Set<MemberId>(inSync.map(memberOfReplica));
  return members.size === inSync.length && inSync.includes(primary);
}

function highest(one: Version, other: Version): Version {
  return one > other ? one : other;
}

function assertRowFollows(after: PartitionReplicas, before: PartitionReplicas): void {
  assert(after.epoch >= before.epoch, 'replica-step C5: an epoch falls');
  assert(
    after.epoch > before.epoch || after.primary === before.primary,
    'replica-step C5: another primary at the same epoch',
  );
  assert(
    after.phase === 'lost' || after.inSync.includes(after.primary!),
    'replica-step C4: a primary is not of its set',
  );
  assert(after.versionFloor >= before.versionFloor, 'replica-step C1: a floor of versions falls');
}
