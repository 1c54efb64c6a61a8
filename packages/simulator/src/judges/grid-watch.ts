/**
 * Looks at the whole of a simulated grid after every step that can change what is looked at: all members, dead and alive, and
 * the table as the coordinator has it, which none of them sees at that moment.
 *
 * grid-watch W1  set-holds-committed  Every living member of a partition's set holds every committed record, but for one that
 *                                     had to give up its copy and said so.
 * grid-watch W2  set-is-one-log       Logs of members of the set are prefixes of each other.
 * grid-watch W3  one-reader           At most one member may answer a read of a partition.
 * grid-watch W7  enough-copies       Writes are taken only where the set, as the member knows it, has as many copies as they need.
 * grid-watch W4  one-primary          In an epoch of a partition one replica serves.
 * grid-watch W5  epochs-rise          A table's epochs never fall, and a primary does not change within one.
 * grid-watch W8  yes-holds           That a member may read, or write, holds for the moment of which it was said as long as the
 *                                     core counts no ending.
 * grid-watch W6  loss-is-real         A partition is lost only when every process of its set is dead, or gave its copy up.
 */
import type { ReplicaId, ReplicaTable } from '@ashlar/core';
import type { ReplicationCore } from '@ashlar/replication';
import type { SimCopy } from '../grid/sim-store.ts';
import type { ToyRecord } from '../grid/toy-copy.ts';
import { type Truth, textOf, violated } from './truth.ts';

/** A process of a member, as it is looked at. */
export interface Watched {
  readonly replica: ReplicaId;
  readonly core: ReplicationCore;
  readonly process: { readonly isKilled: boolean; readonly isSuspended: boolean };
  readonly hasLeft: boolean;
  /** Somebody has taken it for dead. */
  readonly isSuperseded: boolean;
  readonly table: ReplicaTable | undefined;
  copyOf(partition: number): SimCopy | undefined;
  nowMs(): number;
}

/** What a core said of a partition, and of which moment. */
interface Said {
  readonly endings: number;
  readonly atMs: number;
  readonly ceiling: number;
  readonly mayWrite: boolean;
}

export class GridWatch {
  readonly #truth: Truth;
  readonly #partitionCount: number;
  /** Processes that have been started, by replica. */
  readonly #processes = new Map<ReplicaId, Watched>();
  /** Copies that processes had to give up, and said so: `partition@replica`. */
  readonly #forfeited = new Set<string>();
  readonly #serving = new Map<string, ReplicaId>();
  /** By `partition@replica`: the last yes (grid-watch W8). */
  readonly #said = new Map<string, Said>();
  #table: ReplicaTable | undefined;

  readonly #onLost: (partition: number) => void;

  readonly #minInSync: number;

  constructor(truth: Truth, partitionCount: number, minInSync: number, onLost: (partition: number) => void) {
    this.#truth = truth;
    this.#minInSync = minInSync;
    this.#onLost = onLost;
    this.#partitionCount = partitionCount;
  }

  started(process: Watched): void {
    this.#processes.set(process.replica, process);
  }

  /** The coordinator has changed the table. */
  tableChanged(table: ReplicaTable): void {
    const before = this.#table;
    this.#table = table;
    for (const [partition, row] of table.partitions.entries()) {
      const old = before?.partitions[partition];
      if (old === row) continue;
      if (old !== undefined && (row.epoch < old.epoch || (row.epoch === old.epoch && row.primary !== old.primary)))
        violated(
          'epochs-rise',
          `partition ${partition} goes from ${old.primary}@${old.epoch} to ${row.primary}@${row.epoch}`,
        );
      if (row.phase === 'lost' && old?.phase !== 'lost') this.#checkLoss(partition, old?.inSync ?? []);
      if (row.phase !== 'lost' && old?.phase === 'lost') this.#beginsAnew(partition, old.epoch);
      this.#checkSet(partition);
    }
  }

  /** grid-watch W6 */
  #checkLoss(partition: number, inSync: readonly ReplicaId[]): void {
    const living = inSync.filter((replica) => this.#holder(replica, partition) !== undefined);
    if (living.length > 0)
      violated('loss-is-real', `partition ${partition} is declared lost while ${living.join()} lives`);
  }

  /** The loss is accepted. Until then who served last, alone, and is taken for dead, may go on for its lease's time. */
  #beginsAnew(partition: number, epoch: number): void {
    this.#truth.wasLost(partition, epoch);
    this.#onLost(partition);
  }

  /** A copy has records from that sequence on that it had not. */
  appended(member: Watched, partition: number, from: number): void {
    const set = this.#setOf(partition);
    if (!set.includes(member.replica)) return;
    const copy = member.copyOf(partition)!;
    for (const replica of set) {
      const other = replica === member.replica ? undefined : this.#holder(replica, partition)?.copyOf(partition);
      if (other !== undefined) this.#checkPrefix(member.replica, copy, replica, other, from);
    }
  }

  /** grid-watch W2 */
  #checkPrefix(one: ReplicaId, copy: SimCopy, other: ReplicaId, otherCopy: SimCopy, from: number): void {
    const last = Math.min(copy.last, otherCopy.last);
    for (let at = Math.max(from, copy.first, otherCopy.first); at <= last; at++) {
      const [mine, others] = [copy.at(at)!, otherCopy.at(at)!];
      if (mine !== others) violated('set-is-one-log', `${one} has ${textOf(mine)}, ${other} has ${textOf(others)}`);
    }
  }

  /** A process had to give up its copy. */
  forfeited(member: Watched, partition: number): void {
    this.#forfeited.add(`${partition}@${member.replica}`);
  }

  /** A process has a copy again, or for the first time. */
  began(member: Watched, partition: number): void {
    this.#forfeited.delete(`${partition}@${member.replica}`);
  }

  dropped(member: Watched, partition: number): void {
    if (this.#setOf(partition).includes(member.replica)) this.#checkSet(partition);
  }

  /** grid-watch W1, for a record that has just been found committed. */
  committed(record: ToyRecord): void {
    for (const replica of this.#setOf(record.partition)) {
      const member = this.#holder(replica, record.partition);
      if (member !== undefined) this.#checkHolds(member, record);
    }
  }

  #checkHolds(member: Watched, record: ToyRecord): void {
    const copy = member.copyOf(record.partition);
    if (copy === undefined || copy.last < record.sequence)
      violated(
        'set-holds-committed',
        `${member.replica} is in the set and lacks ${textOf(record)}: it has ${copy?.last ?? 'no copy'}`,
      );
    const held = copy.at(record.sequence);
    if (held !== undefined && held !== record)
      violated(
        'set-holds-committed',
        `${member.replica} is in the set and holds ${textOf(held)} for ${textOf(record)}`,
      );
  }

  /** grid-watch W1, W2 */
  #checkSet(partition: number): void {
    const row = this.#table!.partitions[partition]!;
    if (row.phase === 'lost' || row.phase === 'unassigned') return;
    const last = this.#truth.lastOf(partition);
    for (const replica of row.inSync) {
      const member = this.#holder(replica, partition);
      if (member === undefined) continue;
      const copy = member.copyOf(partition);
      if (copy !== undefined) this.appended(member, partition, 1);
      for (let at = Math.max(1, copy?.first ?? 1); at <= last; at++)
        this.#checkHolds(member, this.#truth.at(partition, at)!);
      if (copy !== undefined && copy.last < last) this.#checkHolds(member, this.#truth.at(partition, last)!);
    }
  }

  /** grid-watch W4 */
  serves(member: Watched, partition: number, epoch: number): void {
    const name = `${partition}@${epoch}`;
    const other = this.#serving.get(name);
    if (other !== undefined && other !== member.replica)
      violated('one-primary', `${member.replica} and ${other} both serve partition ${partition} at epoch ${epoch}`);
    this.#serving.set(name, member.replica);
  }

  /** grid-watch W3: a member has had news, so it may be that it may read now. */
  looked(member: Watched): void {
    const nowMs = member.nowMs();
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      this.#checkYesHolds(member, partition, nowMs);
      if (member.core.mayRead(partition, nowMs) !== 'yes') continue;
      this.#checkEnough(member, partition, nowMs);
      for (const other of this.#processes.values()) {
        if (other === member || other.process.isKilled || other.process.isSuspended || other.hasLeft) continue;
        if (other.core.mayRead(partition, other.nowMs()) === 'yes')
          violated(
            'one-reader',
            `${member.replica} and ${other.replica} may both answer reads of partition ${partition}`,
          );
      }
    }
  }

  /** grid-watch W8 */
  #checkYesHolds({ replica, core }: Watched, partition: number, nowMs: number): void {
    const name = `${partition}@${replica}`;
    const said = this.#said.get(name);
    const { endings } = core;
    if (said === undefined || said.endings !== endings) {
      this.#said.delete(name);
      if (core.mayRead(partition, nowMs) !== 'yes') return;
      const mayWrite = core.mayWrite(partition, nowMs) === 'yes';
      this.#said.set(name, { endings, atMs: nowMs, ceiling: core.ceilingOf(partition, nowMs), mayWrite });
      return;
    }
    const mayStill = said.mayWrite ? core.mayWrite(partition, said.atMs) : core.mayRead(partition, said.atMs);
    if (mayStill !== 'yes' || core.ceilingOf(partition, said.atMs) < said.ceiling)
      violated(
        'yes-holds',
        `${replica} was told yes of partition ${partition}, and now ${mayStill}, without an ending`,
      );
  }

  /** grid-watch W7 */
  #checkEnough(member: Watched, partition: number, nowMs: number): void {
    const copies = member.table?.partitions[partition]?.inSync.length ?? 0;
    if (copies >= this.#minInSync || member.core.mayWrite(partition, nowMs) !== 'yes') return;
    violated('enough-copies', `${member.replica} takes writes of partition ${partition} with ${copies} copies`);
  }

  #setOf(partition: number): readonly ReplicaId[] {
    const row = this.#table?.partitions[partition];
    return row === undefined || row.phase === 'lost' ? [] : row.inSync;
  }

  /** Who is to have what the set has. */
  #holder(replica: ReplicaId, partition: number): Watched | undefined {
    if (this.#forfeited.has(`${partition}@${replica}`)) return undefined;
    const member = this.#processes.get(replica);
    if (member === undefined || member.process.isKilled || member.hasLeft || member.isSuperseded) return undefined;
    return member;
  }
}
