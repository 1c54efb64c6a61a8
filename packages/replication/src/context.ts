/**
 * What the parts of the core share: the present, the table, the epochs seen, the other replicas, and the effects of this turn.
 *
 * context X1  The newest table that was seen is kept; an older one changes nothing.
 * context X2  The highest epoch that was seen of a partition never falls: what acts by an older one is refused for ever.
 * context X3  Effects are done in the order in which they came: a row joins columns only where those were the last effect.
 * context X4  What was asked of a copy that ends before it could be done is not asked any more: what the store said of it would be
 *             taken for the copy that has come in its place.
 */
import {
  assert,
  type Epoch,
  memberOfReplica,
  type PartitionReplicas,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  type Sequence,
  type Version,
} from '@ashlar/core';
import type { Moment } from './core-contract.ts';
import type { ApplyColumns, CommitBackupColumns, CommitColumns, Effect, Note } from './effects.ts';
import type { LogReader, LogRun, ReplicationOptions } from './host.ts';
import type { LeaseRequest, Message, Payload } from './messages.ts';
import { Peer } from './peer.ts';
import { GrantedLeases, HeldLeases } from './read-leases.ts';
import type { Rules } from './rules.ts';
import { Transactions } from './transactions.ts';

/** Stands for the coordinator among the grantors of leases. */
export const COORDINATOR = 'coordinator';
export type Grantor = ReplicaId | typeof COORDINATOR;

const US_PER_MS = 1000;

export class Context {
  readonly options: ReplicationOptions;
  readonly log: LogReader;
  readonly rules: Rules;
  readonly self: ReplicaId;
  readonly transactions = new Transactions();
  readonly held: HeldLeases<Grantor>;
  readonly granted: GrantedLeases;
  readonly peers = new Map<ReplicaId, Peer>();
  table: ReplicaTable | undefined;
  nowMs = 0;
  nowVersion = 0 as Version;
  #effects: Effect[] = [];
  /** By partition. */
  readonly #seen: number[];
  /** What was found of replicas by these members. */
  readonly #replaced = new Map<ReplicaId, boolean>();
  #membersLookedAt: ReplicaTable['members'] | undefined;
  #highestEpoch = 0;
  #copies = 0;

  constructor(options: ReplicationOptions, log: LogReader, rules: Rules) {
    this.options = options;
    this.log = log;
    this.rules = rules;
    this.self = options.self;
    this.held = new HeldLeases<Grantor>((grantor) => this.#leaseMsOf(grantor), rules);
    this.granted = new GrantedLeases(rules);
    this.#seen = new Array<number>(options.partitionCount).fill(0);
  }

  setNow({ ms, version }: Moment): void {
    this.nowMs = ms;
    this.nowVersion = version;
  }

  get tableVersion(): number {
    return this.table?.version ?? -1;
  }

  /** A later process is registered under the member's name. */
  isReplaced(replica: ReplicaId): boolean {
    const members = this.table?.members;
    if (members === undefined) return false;
    if (members !== this.#membersLookedAt) {
      this.#membersLookedAt = members;
      this.#replaced.clear();
    }
    let isReplaced = this.#replaced.get(replica);
    if (isReplaced === undefined) {
      const member = memberOfReplica(replica);
      isReplaced = members.some((one) => memberOfReplica(one.replica) === member && one.replica !== replica);
      this.#replaced.set(replica, isReplaced);
    }
    return isReplaced;
  }

  row(partition: number): PartitionReplicas | undefined {
    return this.table?.partitions[partition];
  }

  isSelf(replica: ReplicaId | undefined): boolean {
    return replica !== undefined && this.rules.isSameReplica(replica, this.self);
  }

  /** The number of a copy that begins: acknowledgements of the one before say nothing about it. */
  nextCopy(): number {
    return ++this.#copies;
  }

  /* ---- Epochs ------------------------------------------------------------------------------------------------------- */

  seen(partition: number): number {
    return this.#seen[partition] ?? 0;
  }

  /** An epoch that is in the table, or comes from who has read it there (messages M4). */
  see(partition: number, epoch: Epoch): void {
    if (epoch > this.seen(partition)) this.#seen[partition] = epoch;
    if (epoch > this.#highestEpoch) this.#highestEpoch = epoch;
  }

  /** context X2 */
  refuses(partition: number, epoch: Epoch): boolean {
    return this.rules.refusesEpoch(epoch, this.seen(partition));
  }

  /** The table that a grant of this member names (read-leases E2): an epoch is the version of the table that named it. */
  get tableOfGrant(): number {
    return this.rules.tableOfGrant(this.tableVersion, this.#highestEpoch);
  }

  /** Asks for a lease: its ceiling is ahead by the lease's time, so it has passed when the lease has (timings T2). */
  askForLease(grantor: Grantor): LeaseRequest {
    const ceiling = (this.nowVersion + this.#leaseMsOf(grantor) * US_PER_MS) as Version;
    return this.held.ask(grantor, this.nowMs, ceiling);
  }

  #leaseMsOf(grantor: Grantor): number {
    const { leaseMs, loneLeaseMs } = this.options.timings;
    return grantor === COORDINATOR ? loneLeaseMs : leaseMs;
  }

  /* ---- What is to be done -------------------------------------------------------------------------------------------- */

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  #begun<Begun extends Effect>(effect: Begun): Begun {
    this.#effects.push(effect);
    return effect;
  }

  /** context X3 */
  apply(payload: Payload, run: number, partition: number, firstSequence: Sequence, count: number): void {
    const last = this.#effects.at(-1);
    const rows = last?.kind === 'apply' && last.payload === payload ? last : this.#begun(noRuns(payload));
    rows.run.push(run);
    rows.partition.push(partition);
    rows.firstSequence.push(firstSequence);
    rows.count.push(count);
  }

  /** context X3 */
  commitBackup(partition: number, commit: Sequence, trimFloor: Sequence, heldFrom: number): void {
    const last = this.#effects.at(-1);
    const rows = last?.kind === 'commitBackup' ? last : this.#begun(noBackupCommits());
    rows.partition.push(partition);
    rows.commit.push(commit);
    rows.trimFloor.push(trimFloor);
    rows.heldFrom.push(heldFrom);
  }

  /** context X4 */
  forgetCopy(partition: number): void {
    for (const effect of this.#effects) {
      if (effect.kind === 'apply')
        dropRows(effect.partition, partition, [effect.run, effect.firstSequence, effect.count]);
      else if (effect.kind === 'commitBackup')
        dropRows(effect.partition, partition, [effect.commit, effect.trimFloor, effect.heldFrom]);
    }
  }

  /** context X3 */
  commit(partition: number, epoch: Epoch, commit: Sequence): void {
    const last = this.#effects.at(-1);
    const rows = last?.kind === 'commit' ? last : this.#begun(noCommits());
    rows.partition.push(partition);
    rows.epoch.push(epoch);
    rows.commit.push(commit);
  }

  note(note: Note): void {
    this.#effects.push({ kind: 'note', note });
  }

  send(to: ReplicaId, message: Message): void {
    this.#effects.push({ kind: 'send', to, message });
  }

  propose(change: ReplicaChange): number {
    return this.transactions.add(change);
  }

  /**
   * Adds records of a log to the payload that was begun, as LogReader does.
   *
   * @returns `unreadable` where that fails, which is noted: whoever needs the records asks again by its timer
   */
  addToPayload(partition: number, from: Sequence, bytesMax: number): LogRun | 'unreadable' | undefined {
    try {
      const run = this.log.add(partition, from, bytesMax);
      assert(run === undefined || run.count > 0, 'host: a log gives records where it goes on');
      return run;
    } catch (error) {
      this.note({ kind: 'fault', partition, by: this.self, error });
      return 'unreadable';
    }
  }

  hasEffects(): boolean {
    return this.#effects.length > 0;
  }

  takeEffects(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  peer(replica: ReplicaId): Peer {
    const known = this.peers.get(replica);
    if (known !== undefined) return known;
    const peer = new Peer(replica, this.options.windowBytes, this.nowMs);
    this.peers.set(replica, peer);
    return peer;
  }
}

function noRuns(payload: Payload): ApplyColumns {
  return { kind: 'apply', payload, run: [], partition: [], firstSequence: [], count: [] };
}

function noBackupCommits(): CommitBackupColumns {
  return { kind: 'commitBackup', partition: [], commit: [], trimFloor: [], heldFrom: [] };
}

function noCommits(): CommitColumns {
  return { kind: 'commit', partition: [], epoch: [], commit: [] };
}

/** Takes the rows of a partition out of columns. */
function dropRows(partitions: number[], partition: number, others: readonly unknown[][]): void {
  for (let row = partitions.lastIndexOf(partition); row >= 0; row = partitions.lastIndexOf(partition)) {
    for (const column of [partitions, ...others]) column.splice(row, 1);
  }
}
