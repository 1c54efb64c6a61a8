/**
 * An orderly stop: the member gives its partitions to others before it goes.
 *
 *   leave -> no new call is taken -> what is sealed is committed -> renounce all in one transaction -> others serve
 *                                                                -> out of the sets of others      -> left
 *
 * leaving V1  A primary has stopped serving before it renounces, and does not serve again: so its successor owes it no grace.
 * leaving V2  All partitions go in one transaction, each to a member of its set; one that nobody else holds is kept, and told.
 * leaving V3  It stays a backup, fenced and read from, until its successors serve, or leaveTimeoutMs have passed.
 */
import type { PartitionReplicas, ReplicaId } from '@ashlar/core';
import type { Context } from './context.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Replica, Replicas } from './replica.ts';

export class Leaving {
  readonly #context: Context;
  readonly #replicas: Replicas;
  #startedMs: number | undefined;
  #hasRenounced = false;
  /** By partition: the revision of its row by which it was asked to change, and when. */
  readonly #asked = new Map<number, { readonly revision: number; readonly atMs: number }>();
  #isOver = false;
  readonly #handedOver = new Set<number>();

  constructor(context: Context, replicas: Replicas) {
    this.#context = context;
    this.#replicas = replicas;
  }

  get isLeaving(): boolean {
    return this.#startedMs !== undefined;
  }

  begin(): void {
    if (this.#startedMs !== undefined) return;
    this.#startedMs = this.#context.nowMs;
    this.tick();
  }

  /** Something may have been committed: partitions are given away as soon as nothing is under way, for writers wait. */
  advance(): void {
    if (!this.#hasRenounced) this.tick();
  }

  tick(): void {
    if (this.#startedMs === undefined || this.#isOver) return;
    const { nowMs, options } = this.#context;
    const roles = this.#takeRoles();
    const isDrained = roles.every(({ copy }) => copy.commit === copy.held);
    if (!this.#hasRenounced && !isDrained && nowMs - this.#startedMs < options.timings.resendMs) return;
    const isOut = this.#renounce(roles);
    if (isOut || nowMs - this.#startedMs >= options.timings.leaveTimeoutMs) this.#end(roles);
  }

  /** Also those that this member was being promoted to meanwhile. */
  #takeRoles(): PrimaryRole[] {
    const roles: PrimaryRole[] = [];
    for (const { role } of this.#replicas) {
      if (role === undefined || role.stage === 'promoting') continue;
      if (this.#context.rules.stopsBeforeRenouncing()) role.stage = 'leaving';
      roles.push(role);
    }
    return roles;
  }

  /** leaving V1, V2. @returns whether nothing is left to be given away */
  #renounce(roles: readonly PrimaryRole[]): boolean {
    const given = roles.filter((role) => successorOf(role) !== undefined);
    const others = [...this.#replicas].filter((replica) => this.#isBackup(replica));
    if (given.length === 0 && others.length === 0) return !this.#isPromised();
    this.#hasRenounced = true;
    for (const role of given) this.#give(role, successorOf(role)!);
    for (const { partition } of others) this.#leaveSet(partition, this.#context.row(partition)!);
    return false;
  }

  #give(role: PrimaryRole, successor: ReplicaId): void {
    const { rules, self, nowVersion } = this.#context;
    const { partition, epoch, copy } = role;
    if (!this.#isDue(partition, role.set.revision)) return;
    if (rules.stopsBeforeRenouncing()) role.stop();
    this.#handedOver.add(partition);
    this.#context.propose({
      ...{ kind: 'renounce', partition, epoch, revision: role.set.revision },
      ...{ by: self, successor, lastSequence: copy.held, clock: nowVersion },
    });
  }

  #leaveSet(partition: number, { epoch, revision }: PartitionReplicas): void {
    if (!this.#isDue(partition, revision)) return;
    this.#context.propose({ kind: 'leaveSet', partition, epoch, revision, by: this.#context.self });
  }

  /** Whether a change of the row is to be asked for: it was not, by that revision, or long ago. */
  #isDue(partition: number, revision: number): boolean {
    const { nowMs, options } = this.#context;
    const asked = this.#asked.get(partition);
    if (asked?.revision === revision && nowMs - asked.atMs < options.timings.transactionRetryMs) return false;
    this.#asked.set(partition, { revision, atMs: nowMs });
    return true;
  }

  #isBackup({ partition, role }: Replica): boolean {
    const row = this.#context.row(partition);
    return role === undefined && row?.phase === 'serving' && this.#isIn(row);
  }

  /** Whether a partition is being promoted with this member in its set: it may hold the longest tail (leaving V3). */
  #isPromised(): boolean {
    for (const { partition } of this.#replicas) {
      const row = this.#context.row(partition);
      if (row?.phase === 'promoting' && this.#isIn(row)) return true;
    }
    return false;
  }

  #isIn({ inSync }: PartitionReplicas): boolean {
    return inSync.some((one) => this.#context.isSelf(one));
  }

  #end(roles: readonly PrimaryRole[]): void {
    this.#isOver = true;
    for (const role of roles) role.stop();
    const kept = roles.map(({ partition }) => partition);
    const handedOver = [...this.#handedOver].filter((partition) => !kept.includes(partition));
    this.#context.emit({ kind: 'left', handedOver, kept });
  }
}

/** The member of the set that has most of the log, and answers. */
function successorOf(role: PrimaryRole): ReplicaId | undefined {
  let best: ReplicaId | undefined;
  let most = -1;
  for (const replica of role.set.recorded) {
    const follower = role.followers.get(replica);
    if (follower === undefined || follower.isLost || follower.held <= most) continue;
    best = replica;
    most = follower.held;
  }
  return best;
}
