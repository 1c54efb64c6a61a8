/**
 * The controller: looks at the replica table and at who has been heard of, and says what ought to change. It only plans; every
 * change is a compare-and-set of `replica-step.ts`, so two controllers, or one with an old table, do no harm.
 *
 *   renewals, ticks, table -> plan(table, now) -> changes
 *
 * replica-controller K1  A member is expired when it has not been heard of for a lease's time, counted at the earliest from when
 *                        this controller began: one that was just started has heard of nobody yet.
 * replica-controller K2  A primary that is not alive is replaced by a living member of the set; none living: the partition is
 *                        unreachable and waits, for they may come back; all replaced by later processes: it is lost.
 * replica-controller K3  A promotion that does not end in its time, or whose named primary died, is given to another member.
 * replica-controller K4  A lost partition begins anew only by an operator's word, and not before the grace has passed behind the
 *                        last lease that its last primary may hold from any coordinator: until then that may serve, alone.
 * replica-controller K5  A renewal of a replica that is not the registered one of its member is not answered with a lease.
 * replica-controller K6  A wanted member that is not alive is replaced by one that is. When all are alive, copies are wanted where
 *                        placement would have them, beside the primary: a member that is back takes its share again, and who
 *                        stood in for it lets go of its copies when that one is in sync.
 */
import {
  type MemberId,
  memberOfReplica,
  type PartitionReplicas,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaMember,
  type ReplicaTable,
  type RowReference,
  type Version,
} from '@ashlar/core';
import { assignPartitions, type Owners } from '../placement.ts';

export interface ControllerOptions {
  /** Copies wanted of a partition, the primary's counted: `backups` + 1. */
  readonly copies: number;
  /** Partitions are handed out when so many members are alive. */
  readonly expectedMembers: number;
  readonly membershipTtlMs: number;
  readonly promotionTimeoutMs: number;
  /** How long it is, after a last lease was granted by any coordinator, until who holds it has stopped. */
  readonly loneGraceMs: number;
}

/** What is granted to who renews: the lease of who may be alone, counted from before it asked. */
export interface MembershipGrant {
  readonly number: number;
  readonly tableVersion: number;
}

interface Heard {
  /** When it was heard of last. */
  atMs: number;
  /** When it was granted a lease last; -Infinity: never. */
  grantedAtMs: number;
  /** The highest ceiling that it was granted. */
  ceiling: Version;
}

/** A partition as it was seen to be lost first. */
interface Loss {
  readonly atMs: number;
  /** The highest ceiling of everybody then: by the time that leases have ended it has passed. Later ones are not about it. */
  readonly ceiling: Version;
}

/** A promotion as it is seen going on. */
interface Promotion {
  readonly epoch: number;
  readonly sinceMs: number;
}

export class ReplicaController {
  readonly #options: ControllerOptions;
  readonly #startedAtMs: number;
  readonly #ceilingBefore: Version;
  /** By replica: those registered, and those replaced whose lease may go on. */
  readonly #heard = new Map<ReplicaId, Heard>();
  /** By partition: only those in promotion. */
  readonly #promotions = new Map<number, Promotion>();
  /** By partition: how it was seen to be lost first. */
  readonly #losses = new Map<number, Loss>();
  /** The table in which there was nothing to do. */
  #looked: ReplicaTable | undefined;
  #placement: { readonly key: string; readonly owners: Owners } | undefined;

  /** @param ceilingBefore  the highest that the controller before this one had granted: time that it missed makes it no lower */
  constructor(options: ControllerOptions, startedAtMs: number, ceilingBefore = 0 as Version) {
    this.#options = options;
    this.#startedAtMs = startedAtMs;
    this.#ceilingBefore = ceilingBefore;
  }

  /** A member renews its lease. @returns undefined: it must register (first, or again) (replica-controller K5) */
  onRenewal(
    table: ReplicaTable,
    replica: ReplicaId,
    asked: { readonly number: number; readonly ceiling: Version },
    nowMs: number,
  ): MembershipGrant | undefined {
    const member = table.members.find((one) => one.replica === replica);
    if (member === undefined) return undefined;
    const heard = this.#heardOf(replica);
    heard.atMs = nowMs;
    if (!member.isAlive) return undefined;
    heard.grantedAtMs = nowMs;
    if (asked.ceiling > heard.ceiling) heard.ceiling = asked.ceiling;
    return { number: asked.number, tableVersion: table.version };
  }

  /** A member registers: as good as a renewal. */
  onRegistration(replica: ReplicaId, nowMs: number): void {
    this.#heardOf(replica).atMs = nowMs;
  }

  /**
   * What ought to change now. Steps follow from each other (a member expires, then its partitions get other primaries): plan
   * again after each, until there is nothing. O(partitions) after a change of the table, O(members + promotions) otherwise.
   */
  plan(table: ReplicaTable, nowMs: number): ReplicaChange[] {
    const changes: ReplicaChange[] = [];
    for (const member of table.members) {
      if (member.isAlive && this.#isSilent(member, nowMs)) changes.push({ kind: 'expire', replica: member.replica });
    }
    const view = new MemberView(table.members);
    if (this.#looked === table)
      for (const partition of [...this.#promotions.keys()]) this.#look(table, partition, view, nowMs, changes);
    else
      for (let partition = 0; partition < table.partitions.length; partition++)
        this.#look(table, partition, view, nowMs, changes);
    // What was planned may not come about (a change that was lost, or refused): until nothing is left to do, all is looked at.
    this.#looked = changes.length === 0 ? table : undefined;
    this.#forget(table, nowMs);
    return changes;
  }

  /**
   * The operator accepts the loss of partitions: what has to change for them to begin anew, empty.
   *
   * @returns `afterMs`: not yet, for who held them last may still serve until then (replica-controller K4)
   */
  recover(
    table: ReplicaTable,
    partitions: readonly number[],
    now: { readonly ms: number; readonly version: Version },
  ): { readonly changes: ReplicaChange[] } | { readonly afterMs: number } {
    const view = new MemberView(table.members);
    const rows = partitions.filter((partition) => table.partitions[partition]?.phase === 'lost');
    const afterMs = Math.max(0, ...rows.map((partition) => this.#freeAtMs(partition, now.ms)));
    if (now.ms < afterMs) return { afterMs };
    const changes = rows.flatMap((partition): ReplicaChange[] => {
      const row = table.partitions[partition]!;
      const placed = this.#placed(table, partition, view);
      if (placed === undefined) return [];
      const versionFloor = Math.max(this.#losses.get(partition)?.ceiling ?? 0, now.version) as Version;
      return [{ kind: 'recover', ...referenceTo(row, partition), ...placed, versionFloor }];
    });
    return { changes };
  }

  /* ---- One row -------------------------------------------------------------------------------------------------------- */

  #look(table: ReplicaTable, partition: number, view: MemberView, nowMs: number, changes: ReplicaChange[]): void {
    const row = table.partitions[partition]!;
    if (row.phase !== 'promoting') this.#promotions.delete(partition);
    else if (this.#promotions.get(partition)?.epoch !== row.epoch)
      this.#promotions.set(partition, { epoch: row.epoch, sinceMs: nowMs });
    if (row.phase !== 'lost') this.#losses.delete(partition);
    else if (!this.#losses.has(partition)) this.#losses.set(partition, { atMs: nowMs, ceiling: this.highestCeiling() });
    const change = this.#changeOf(table, row, partition, view, nowMs);
    if (change !== undefined) changes.push(change);
  }

  #changeOf(
    table: ReplicaTable,
    row: PartitionReplicas,
    partition: number,
    view: MemberView,
    nowMs: number,
  ): ReplicaChange | undefined {
    if (row.phase === 'lost') return undefined;
    if (row.phase === 'unassigned') return this.#created(table, row, partition, view);
    if (view.isAlive(row.primary!) && !this.#isOverdue(row, partition, nowMs))
      return row.phase === 'serving' ? this.#wanted(table, row, partition, view) : undefined;
    const living = row.inSync.filter((one) => view.isAlive(one));
    // Rather another one than who has had its time, but better that one than nobody.
    const primary = this.#byRank(living, row, partition).find((one) => one !== row.primary) ?? living[0];
    if (primary !== undefined) return { kind: 'nominate', ...referenceTo(row, partition), primary };
    if (row.inSync.some((one) => view.isRegistered(one))) return undefined;
    if (row.isFresh) return this.#created(table, row, partition, view);
    return { kind: 'declareLost', ...referenceTo(row, partition) };
  }

  /** replica-controller K3 */
  #isOverdue(row: PartitionReplicas, partition: number, nowMs: number): boolean {
    const promotion = this.#promotions.get(partition);
    return row.phase === 'promoting' && nowMs - promotion!.sinceMs > this.#options.promotionTimeoutMs;
  }

  #created(
    table: ReplicaTable,
    row: PartitionReplicas,
    partition: number,
    view: MemberView,
  ): ReplicaChange | undefined {
    if (row.phase === 'unassigned' && view.living.length < this.#options.expectedMembers) return undefined;
    const placed = this.#placed(table, partition, view);
    return placed && { kind: 'create', ...referenceTo(row, partition), ...placed };
  }

  #placed(table: ReplicaTable, partition: number, view: MemberView) {
    if (view.living.length === 0) return undefined;
    const owners = this.#ownersOver(view, table.partitions.length)[partition]!;
    const inSync = owners.map((index) => view.living[index]!);
    return { primary: inSync[0]!, inSync, wanted: inSync.map(memberOfReplica) };
  }

  /** replica-controller K6 */
  #wanted(table: ReplicaTable, row: PartitionReplicas, partition: number, view: MemberView): ReplicaChange | undefined {
    const kept = row.wanted.filter((member) => view.isMemberAlive(member));
    const target = Math.min(this.#options.copies, view.living.length);
    const placed = this.#placed(table, partition, view)?.wanted ?? [];
    let best: readonly MemberId[];
    if (kept.length < target) {
      const inSync = row.inSync.filter((one) => view.isAlive(one)).map(memberOfReplica);
      best = [...kept, ...inSync, ...placed, ...view.living.map(memberOfReplica)];
    } else if (view.living.length === table.members.length) best = [memberOfReplica(row.primary!), ...placed];
    else return undefined;
    const wanted = [...new Set(best)].slice(0, target);
    if (wanted.length === row.wanted.length && wanted.every((member) => row.wanted.includes(member))) return undefined;
    return { kind: 'want', ...referenceTo(row, partition), wanted };
  }

  /** Candidates in the order in which placement would have them, so that the partitions of a dead member spread out. */
  #byRank(living: readonly ReplicaId[], { wanted }: PartitionReplicas, partition: number): ReplicaId[] {
    const rank = (replica: ReplicaId): number => {
      const at = wanted.indexOf(memberOfReplica(replica));
      return at < 0 ? wanted.length : (at + partition) % wanted.length;
    };
    return [...living].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  }

  #ownersOver(view: MemberView, partitionCount: number): Owners {
    const members = view.living.map(memberOfReplica);
    const key = members.join('\n');
    if (this.#placement?.key !== key) {
      this.#placement = {
        key,
        owners: assignPartitions(members, partitionCount, Math.min(this.#options.copies, members.length)),
      };
    }
    return this.#placement.owners;
  }

  /* ---- Who was heard of --------------------------------------------------------------------------------------------------- */

  #heardOf(replica: ReplicaId): Heard {
    const known = this.#heard.get(replica);
    if (known !== undefined) return known;
    const heard: Heard = {
      atMs: Number.NEGATIVE_INFINITY,
      grantedAtMs: Number.NEGATIVE_INFINITY,
      ceiling: 0 as Version,
    };
    this.#heard.set(replica, heard);
    return heard;
  }

  /** replica-controller K1 */
  #isSilent({ replica }: ReplicaMember, nowMs: number): boolean {
    const heardAtMs = Math.max(this.#startedAtMs, this.#heard.get(replica)?.atMs ?? this.#startedAtMs);
    return nowMs - heardAtMs > this.#options.membershipTtlMs;
  }

  /**
   * replica-controller K4: when every lease has ended that was granted before the partition was seen to be lost. By the
   * coordinator: to who has been replaced none is granted since; by members of its set: all of them are gone, or hold no copy.
   */
  #freeAtMs(partition: number, nowMs: number): number {
    return (this.#losses.get(partition)?.atMs ?? nowMs) + this.#options.loneGraceMs;
  }

  /** Nobody of whom this controller has heard has done anything above. */
  highestCeiling(): Version {
    let highest = this.#ceilingBefore;
    for (const { ceiling } of this.#heard.values()) if (ceiling > highest) highest = ceiling;
    return highest;
  }

  /** Who was replaced long enough ago holds no lease any more; its ceiling has passed too (timings T2 of replication). */
  #forget(table: ReplicaTable, nowMs: number): void {
    for (const [replica, { grantedAtMs, atMs }] of this.#heard) {
      if (nowMs - Math.max(grantedAtMs, atMs) <= 2 * this.#options.loneGraceMs) continue;
      if (!table.members.some((member) => member.replica === replica)) this.#heard.delete(replica);
    }
  }
}

/** Members by what is asked of them. */
class MemberView {
  /** In the order of the table. */
  readonly living: readonly ReplicaId[];
  readonly #registered: ReadonlySet<ReplicaId>;
  readonly #alive: ReadonlySet<ReplicaId>;
  readonly #aliveMembers: ReadonlySet<MemberId>;

  constructor(members: readonly ReplicaMember[]) {
    this.living = members.filter(({ isAlive }) => isAlive).map(({ replica }) => replica);
    this.#registered = new Set(members.map(({ replica }) => replica));
    this.#alive = new Set(this.living);
    this.#aliveMembers = new Set(this.living.map(memberOfReplica));
  }

  isAlive(replica: ReplicaId): boolean {
    return this.#alive.has(replica);
  }
  isRegistered(replica: ReplicaId): boolean {
    return this.#registered.has(replica);
  }
  isMemberAlive(member: MemberId): boolean {
    return this.#aliveMembers.has(member);
  }
}

function referenceTo({ epoch, revision }: PartitionReplicas, partition: number): RowReference {
  return { partition, epoch, revision };
}
