/**
 * The controller at work: it looks every so often, on a timer that is handed in, and has what it plans applied.
 *
 *   tick -> plan -> apply -> plan ... until there is nothing        renewals -> leases        recover -> changes
 *
 * replica-control Y1  Whoever was not run for longer than members may be silent has not heard them: it begins anew instead of
 *                     taking them for dead, and so does one that was just started.
 * replica-control Y2  A coordinator that goes on from what was kept changes no row, and gives no lease, by the word of a member
 *                     that has not shown yet what it holds (`awaited`): who holds a newer table than was kept proves that the
 *                     kept one is an older one. Members that never come are passed over after a membership's time.
 * replica-control Y3  Where one transaction follows the other closely they are gathered for a moment and kept together: a
 *                     table that is kept costs its member milliseconds. One for which writers wait (a primary begins, or stops,
 *                     or leaves a silent backup behind) waits for a moment of its own, which is much shorter, and takes along
 *                     what has gathered.
 */
import {
  assert,
  GridError,
  type MemberId,
  memberOfReplica,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  type Version,
} from '@ashlar/core';
import type { TableState } from '../table-state.ts';
import { type ControllerOptions, type MembershipGrant, ReplicaController } from './replica-controller.ts';
import { isReplicated } from './replicated-table.ts';

/** How a controller is run. */
export interface ControlTimes extends Omit<ControllerOptions, 'copies' | 'expectedMembers'> {
  /** A tick that comes this late has missed too much (replica-control Y1). */
  readonly clockGapMs: number;
  /** Transactions that come within it after the one before are gathered (replica-control Y3). 0: each is applied at once. */
  readonly gatherMs: number;
  /** The same for those for which writers wait. */
  readonly urgentGatherMs: number;
}

/** A transaction that waits for others. */
interface Gathered {
  readonly changes: readonly ReplicaChange[];
  readonly resolve: (table: TableState) => void;
  readonly reject: (error: unknown) => void;
}

export interface ControlPorts {
  readonly times: ControlTimes;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** The newest version of the hybrid clock. */
  readonly version: () => Version;
  /** Calls back again and again, until it is told to stop. */
  readonly every: (ms: number, run: () => void) => () => void;
  /** The table could not be kept: it is as it was, and tried again. */
  readonly onFailure: (error: unknown) => void;
  /** Nothing can be changed any more, by the fault of whoever restored an older state. */
  readonly onRefusal: (error: GridError) => void;
}

/** The table that is controlled. */
export interface Controlled {
  table(): TableState;
  /** Steps its rows. @throws GridError where the table cannot be kept */
  apply(changes: readonly ReplicaChange[]): void;
}

/** What a member asks its lease for. */
export interface MembershipAsk {
  /** Counts what a replica asks. */
  readonly number: number;
  /** It assigns nothing above. */
  readonly ceiling: Version;
}

/** Partitions that begin anew. */
export interface Recovered {
  readonly recovered: readonly number[];
  readonly table: TableState;
}

const TICK_MS = 25;
/** Members send again what is not answered: a few of each may wait. */
const GATHERED_MAX = 1024;
/** Steps that may follow from each other in one look: a member expires, its partitions get others, those are placed. */
const STEPS_MAX = 8;

export class ReplicaControl {
  readonly #ports: ControlPorts;
  readonly #controlled: Controlled;
  readonly #stop: () => void;
  /** Awaited members are passed over from then on (Y2). */
  readonly #settledAtMs: number;
  #controller: ReplicaController;
  #tickedAtMs: number;
  #transactedAtMs = Number.NEGATIVE_INFINITY;
  #gathered: Gathered[] = [];
  /** When what has gathered is applied. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #endWait: () => void = () => undefined;

  constructor(ports: ControlPorts, controlled: Controlled) {
    this.#ports = ports;
    this.#controlled = controlled;
    this.#tickedAtMs = ports.nowMs();
    this.#settledAtMs = this.#tickedAtMs + ports.times.membershipTtlMs;
    this.#controller = this.#newController();
    this.#stop = ports.every(TICK_MS, () => this.#tick());
  }

  /** @returns undefined: no lease, the member registers first, or shows what it holds */
  renew(replica: ReplicaId, asked: MembershipAsk): MembershipGrant | undefined {
    const replicas = this.#replicas();
    if (replicas === undefined || this.#isAwaited(memberOfReplica(replica))) return undefined;
    return this.#controller.onRenewal(replicas, replica, asked, this.#ports.nowMs());
  }

  /**
   * Applies what a member proposes (replica-control Y3).
   *
   * @throws (rejects with) GridError MEMBER_UNREACHABLE: the member has not shown yet what it holds (Y2); OVERLOADED
   */
  async transact(changes: readonly ReplicaChange[]): Promise<TableState> {
    this.#check(changes);
    if (this.#gathered.length >= GATHERED_MAX) {
      throw new GridError('OVERLOADED', `more than ${GATHERED_MAX} transactions wait for the coordinator`);
    }
    return new Promise((resolve, reject) => {
      this.#gathered.push({ changes, resolve, reject });
      this.#applyAt(this.#transactedAtMs + this.#waitOf(changes));
    });
  }

  /** How long after the transaction before these changes are applied. */
  #waitOf(changes: readonly ReplicaChange[]): number {
    const { gatherMs, urgentGatherMs } = this.#ports.times;
    return changes.some((change) => this.#isUrgent(change)) ? Math.min(gatherMs, urgentGatherMs) : gatherMs;
  }

  /** Whether writers of a partition wait for the change. */
  #isUrgent(change: ReplicaChange): boolean {
    switch (change.kind) {
      case 'complete':
      case 'renounce':
      case 'register':
        return true;
      case 'setInSync': {
        const { inSync = [] } = this.#replicas()?.partitions[change.partition] ?? {};
        return inSync.some((replica) => !change.inSync.includes(replica));
      }
      default:
        return false;
    }
  }

  /** A member is registered as this process. */
  registered(replica: ReplicaId): void {
    if (this.#replicas()?.members.some((one) => one.replica === replica) !== true) return;
    this.#controller.onRegistration(replica, this.#ports.nowMs());
  }

  #applied(changes: readonly ReplicaChange[]): TableState {
    this.#controlled.apply(changes);
    for (const change of changes) if (change.kind === 'register') this.registered(change.replica);
    return this.#controlled.table();
  }

  /** What has gathered is applied then, or when it was due before. */
  #applyAt(dueAtMs: number): void {
    if (dueAtMs < this.#dueAtMs) {
      this.#dueAtMs = dueAtMs;
      this.#endWait();
      const waitMs = dueAtMs - this.#ports.nowMs();
      if (waitMs > 0) this.#endWait = this.#ports.every(waitMs, () => this.#applyGathered());
    }
    this.#applyGathered();
  }

  /** All that was gathered, as one change of the table, when its time has come (replica-control Y3). */
  #applyGathered(): void {
    const nowMs = this.#ports.nowMs();
    if (nowMs < this.#dueAtMs) return;
    this.#endWait();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    const gathered = this.#gathered;
    this.#gathered = [];
    if (gathered.length === 0) return;
    this.#transactedAtMs = nowMs;
    try {
      const table = this.#applied(gathered.flatMap(({ changes }) => changes));
      for (const { resolve } of gathered) resolve(table);
    } catch (error) {
      for (const { reject } of gathered) reject(error);
    }
  }

  /** @throws GridError MEMBER_UNREACHABLE: who changes something has not shown yet what it holds (Y2) */
  #check(changes: readonly ReplicaChange[]): void {
    for (const change of changes) {
      const by = 'by' in change ? change.by : change.kind === 'register' ? change.replica : undefined;
      if (by === undefined || !this.#isAwaited(memberOfReplica(by))) continue;
      throw new GridError(
        'MEMBER_UNREACHABLE',
        `the coordinator was started again and awaits '${memberOfReplica(by)}'`,
        {
          hint: 'the member joins again by itself',
        },
      );
    }
  }

  /**
   * An operator accepts the loss of partitions.
   *
   * @param partitions  none: all that are lost
   * @throws GridError INVALID_ARGUMENT: not lost; LEASE_HELD: who held one last may still serve it; MEMBER_UNREACHABLE: nobody is
   *   there to take them
   */
  recover(partitions: readonly number[]): Recovered {
    const table = this.#controlled.table();
    const replicas = this.#replicas();
    const wanted = lostOf(table, partitions);
    assert(replicas !== undefined, 'who is controlled has rows');
    const now = { ms: this.#ports.nowMs(), version: this.#ports.version() };
    this.#noticeGap(now.ms);
    const outcome = this.#controller.recover(replicas, wanted, now);
    if ('afterMs' in outcome) throw tooEarly(wanted, Math.ceil(outcome.afterMs - now.ms));
    if (outcome.changes.length < wanted.length) throw nobodyLives(wanted);
    this.#controlled.apply(outcome.changes);
    return { recovered: wanted, table: this.#controlled.table() };
  }

  close(): void {
    this.#stop();
    this.#endWait();
    const error = new GridError('MEMBER_UNREACHABLE', 'the coordinator has stopped');
    for (const { reject } of this.#gathered.splice(0)) reject(error);
  }

  #replicas(): ReplicaTable | undefined {
    const table = this.#controlled.table();
    return isReplicated(table) ? table.replicas : undefined;
  }

  #isAwaited(member: MemberId): boolean {
    return this.#ports.nowMs() < this.#settledAtMs && this.#controlled.table().awaited.includes(member);
  }

  #tick(): void {
    const nowMs = this.#ports.nowMs();
    this.#noticeGap(nowMs);
    if (nowMs < this.#settledAtMs && this.#controlled.table().awaited.length > 0) return;
    try {
      this.#plan(nowMs);
    } catch (error) {
      this.#ports.onFailure(error);
    }
  }

  /** replica-control Y1. Nor has anybody's lease run down in a time that only this clock has counted. */
  #noticeGap(nowMs: number): void {
    const isLate = nowMs - this.#tickedAtMs > this.#ports.times.clockGapMs;
    this.#tickedAtMs = nowMs;
    if (isLate) this.#controller = this.#newController(this.#controller.highestCeiling());
  }

  #plan(nowMs: number): void {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const replicas = this.#replicas();
      const changes = replicas === undefined ? [] : this.#controller.plan(replicas, nowMs);
      if (changes.length === 0) return;
      this.#controlled.apply(changes);
    }
  }

  #newController(ceilingBefore?: Version): ReplicaController {
    const { backups, expectedMembers } = this.#controlled.table();
    const options = { ...this.#ports.times, copies: backups + 1, expectedMembers };
    return new ReplicaController(options, this.#ports.nowMs(), ceilingBefore);
  }
}

/**
 * The lost partitions that an operator means.
 *
 * @param partitions  none: all that are lost
 * @throws GridError INVALID_ARGUMENT: one of them is not lost
 */
export function lostOf(table: TableState, partitions: readonly number[]): readonly number[] {
  const wanted = partitions.length === 0 ? table.lost : [...new Set(partitions)];
  const others = wanted.filter((partition) => !table.lost.includes(partition));
  if (others.length > 0) throw notLost(others, table);
  return wanted;
}

function notLost(partitions: readonly number[], { partitionCount }: TableState): GridError {
  const unknown = partitions.filter((partition) => partition >= partitionCount);
  const what =
    unknown.length > 0
      ? `the grid has partitions 0 to ${partitionCount - 1}, not ${unknown.join(', ')}`
      : `partitions ${partitions.join(', ')} are not lost`;
  return new GridError('INVALID_ARGUMENT', `nothing is recovered: ${what}`, {
    hint: 'ashlar cluster tells which partitions are lost',
    details: { partitions: partitions.map(String) },
  });
}

function tooEarly(partitions: readonly number[], waitMs: number): GridError {
  const message = `who held ${partitions.length === 1 ? `partition ${partitions[0]}` : 'these partitions'} last may serve it for ${waitMs} ms more`;
  return new GridError('LEASE_HELD', message, { hint: 'repeat it then', details: { waitMs } });
}

function nobodyLives(partitions: readonly number[]): GridError {
  return new GridError('MEMBER_UNREACHABLE', `no member is there to take partitions ${partitions.join(', ')}`, {
    hint: 'start members first',
  });
}
