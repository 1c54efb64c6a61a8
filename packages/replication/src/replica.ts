/** Everything that this member has to do with one partition. */
import { assert, type ReplicaId } from '@ashlar/core';
import type { Context } from './context.ts';
import { Afterlife, type Copy } from './copy.ts';
import type { PrimaryRole } from './primary-role.ts';
import type { Promotion } from './promotion.ts';
import type { Install } from './transfer-sink.ts';

export class Replica {
  readonly partition: number;
  readonly afterlife = new Afterlife();
  copy: Copy | undefined;
  /** This member is the primary, or has been named. */
  role: PrimaryRole | undefined;
  /** It has been named, and does not serve yet. */
  promotion: Promotion | undefined;
  /** A copy is being transferred. */
  install: Install | undefined;
  /** When this member said last that it is in the set without a copy. */
  gaveUpMs = Number.NEGATIVE_INFINITY;

  constructor(partition: number) {
    this.partition = partition;
  }

  isLedBy(replica: ReplicaId): boolean {
    return this.copy?.leader === replica;
  }
}

/** The partitions of a member, those among them that have to be looked at with every tick, and how roles and copies end. */
export class Replicas {
  /** In transition: something is outstanding, and has a time by which it must get on. */
  readonly busy = new Set<number>();
  /** Those for which this member has been named, and does not serve yet. */
  readonly promoting = new Set<number>();
  /** By partition. */
  readonly #all: (Replica | undefined)[];
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
    this.#all = new Array<Replica | undefined>(context.options.partitionCount).fill(undefined);
  }

  get(partition: number): Replica | undefined {
    return this.#all[partition];
  }

  of(partition: number): Replica {
    const known = this.#all[partition];
    if (known !== undefined) return known;
    assert(partition < this.#all.length, 'a partition is one of the grid');
    const replica = new Replica(partition);
    this.#all[partition] = replica;
    return replica;
  }

  *[Symbol.iterator](): Iterator<Replica> {
    for (const replica of this.#all) if (replica !== undefined) yield replica;
  }

  beginPromotion(replica: Replica, promotion: Promotion): void {
    replica.promotion = promotion;
    this.promoting.add(replica.partition);
  }

  endPromotion(replica: Replica): void {
    replica.promotion = undefined;
    this.promoting.delete(replica.partition);
  }

  /** The member is not the primary any more (primary-role P5). */
  depose(replica: Replica): void {
    const { role } = replica;
    if (role === undefined) return;
    role.close();
    replica.role = undefined;
    this.endPromotion(replica);
    role.stop();
    if (role.stage === 'serving') this.#context.note({ kind: 'deposed', partition: role.partition, epoch: role.epoch });
  }

  /** The copy, or what there is of one, is of no use any more. */
  drop(replica: Replica): void {
    this.depose(replica);
    replica.afterlife.leaderEnded(this.#context, replica.copy);
    if (replica.copy === undefined && !replica.install?.hasPages) {
      replica.install = undefined;
      return;
    }
    replica.copy = undefined;
    replica.install = undefined;
    this.#context.emit({ kind: 'dropCopy', partition: replica.partition });
  }
}
