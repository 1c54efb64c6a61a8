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
  #askedMs = Number.NEGATIVE_INFINITY;
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
    const { nowMs, options } = this.#context;
    const given = roles.filter((role) => successorOf(role) !== undefined);
    const others = [...this.#replicas].filter((replica) => this.#isBackup(replica));
    if (given.length === 0 && others.length === 0 && !this.#isPromised()) return true;
    if (nowMs - this.#askedMs < options.timings.transactionRetryMs && this.#hasRenounced && !this.#isNewIn(given))
      return false;
    this.#askedMs = nowMs;
    this.#hasRenounced = true;
    for (const role of given) this.#give(role, successorOf(role)!);
    for (const { partition } of others) this.#leaveSet(partition, this.#context.row(partition)!);
    return false;
  }

  #give(role: PrimaryRole, successor: ReplicaId): void {
    const { rules, self, nowVersion } = this.#context;
    if (rules.stopsBeforeRenouncing()) role.stop();
    this.#handedOver.add(role.partition);
    const { partition, epoch, copy } = role;
    this.#context.propose({
      ...{ kind: 'renounce', partition, epoch, revision: role.set.revision },
      ...{ by: self, successor, lastSequence: copy.held, clock: nowVersion },
    });
  }

  #leaveSet(partition: number, { epoch, revision }: PartitionReplicas): void {
    this.#context.propose({ kind: 'leaveSet', partition, epoch, revision, by: this.#context.self });
  }

  /** A role that has come since the last transaction is not kept waiting for the next. */
  #isNewIn(given: readonly PrimaryRole[]): boolean {
    return given.some(({ partition }) => !this.#handedOver.has(partition));
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
