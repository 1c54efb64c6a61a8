/**
 * Which partitions this member is the primary of, and since when. Whatever acts on a partition in more than one step takes a
 * stamp with its first step and shows it at every later one, in the turn in which it acts.
 *
 *   stamp -> wait, scan, run user code ... -> check(partition, stamp) -> stage at epochOf(partition)
 *
 * ownership O1  A partition that was lost since the stamp fails the check, also when it has come back: what was read before
 *               is not what lies in it now.
 * ownership O2  A check holds for its turn. Who goes on in a later one checks again.
 * ownership O3  A failed check is STALE_EPOCH: nothing was sealed by whoever checked, so its caller may ask again.
 * ownership O4  Where members replicate a check is also one of the leases at this moment: LEASE_EXPIRED, as soon to be asked again.
 */
import type { GridView, TableState } from '@ashlar/cluster';
import { type Epoch, GridError, type Kind, StaleEpochError, type Version } from '@ashlar/core';

/** A moment in the history of what a member holds: compared with later ones of the same member only. */
export type OwnershipStamp = Kind<number, 'OwnershipStamp'>;

/** What it follows. */
export type OwnershipSource = Pick<GridView, 'onTable' | 'table' | 'serves' | 'isMine' | 'epochOf' | 'serving'>;

/** Stands for a partition that is not this member's. */
const NOT_OURS = Number.POSITIVE_INFINITY;
const NO_EPOCH = 0 as Epoch;

export class Ownership {
  readonly #control: OwnershipSource;
  /** gainedAt[partition]: the moment at which the present ownership began. */
  #gainedAt: number[] = [];
  #epochs: readonly Epoch[] = [];
  #gridId = '';
  #now = 0;

  /** Follows from now on. To be made before what acts on a change of the table. */
  constructor(control: OwnershipSource) {
    this.#control = control;
    control.onTable((table) => this.#follow(table));
  }

  /** The present moment. */
  get stamp(): OwnershipStamp {
    return this.#now as OwnershipStamp;
  }

  isMine(partition: number): boolean {
    return this.#gainedAt[partition] !== undefined && this.#gainedAt[partition] !== NOT_OURS;
  }

  /** Whether the partition is this member's, and was without a break since the stamp. */
  isHeldSince(partition: number, stamp: OwnershipStamp): boolean {
    return (this.#gainedAt[partition] ?? NOT_OURS) <= stamp;
  }

  /**
   * The epoch in which this member is the partition's primary and may write to it now, for BatchHeader.epoch.
   *
   * @throws StaleEpochError; GridError LEASE_EXPIRED, NOT_ENOUGH_IN_SYNC
   */
  epochOf(partition: number): Epoch {
    if (this.isMine(partition)) {
      const refusal = this.#control.serving?.writeRefusal(partition);
      if (refusal !== undefined) throw refusal;
      return this.#epochs[partition]!;
    }
    throw this.#stale(partition, this.#epochs[partition] ?? NO_EPOCH);
  }

  /**
   * @throws StaleEpochError when the partition is not this member's, or was lost since the stamp (ownership O1); GridError
   *   LEASE_EXPIRED (ownership O4)
   */
  check(partition: number, stamp: OwnershipStamp): void {
    if (!this.isHeldSince(partition, stamp)) throw this.#stale(partition, NO_EPOCH);
    const refusal = this.#control.serving?.readRefusal(partition);
    if (refusal !== undefined) throw refusal;
  }

  /** A check of all of them since the stamp, for whoever checks often: it costs nothing while the table is the same. */
  checkOf(partitions: Iterable<number>, stamp: OwnershipStamp): () => void {
    let checkedAt = -1;
    return () => {
      if (checkedAt === this.#now) return;
      this.checkAll(partitions, stamp);
      checkedAt = this.#now;
    };
  }

  /** As check(), for all of them. */
  checkAll(partitions: Iterable<number>, stamp: OwnershipStamp): void {
    for (const partition of partitions) this.check(partition, stamp);
  }

  /**
   * What is opened at the version, or told as complete up to it, stays so whoever serves the partitions next: where members
   * replicate a new primary gives versions above the ceiling of the one before.
   *
   * @throws GridError LEASE_EXPIRED: not yet
   */
  checkCeiling(partitions: Iterable<number>, version: Version): void {
    const { serving } = this.#control;
    if (serving === undefined) return;
    for (const partition of partitions) {
      if (version <= serving.ceilingOf(partition)) continue;
      throw new GridError('LEASE_EXPIRED', `partition ${partition} cannot be read as of that version yet`, {
        hint: 'ask again',
        details: { partitionId: partition },
      });
    }
  }

  /**
   * Whether a caller that routed by this version of the table means the ownership that this member has.
   *
   * @throws StaleEpochError
   */
  checkRouted(partitions: Iterable<number>, tableVersion: number): void {
    for (const partition of partitions) {
      if (this.#control.serves(partition, tableVersion)) continue;
      throw new StaleEpochError(partition, tableVersion, this.#control.table.tableVersion);
    }
  }

  #stale(partition: number, known: Epoch): StaleEpochError {
    return new StaleEpochError(partition, known, this.#epochs[partition] ?? NO_EPOCH);
  }

  #follow({ epochs, gridId }: TableState): void {
    const isOtherGrid = gridId !== this.#gridId;
    const now = this.#now + 1;
    const present = epochs.map((_, partition) => this.#control.epochOf(partition));
    this.#gainedAt = present.map((epoch, partition) => {
      if (!this.#control.isMine(partition)) return NOT_OURS;
      const since = this.#gainedAt[partition] ?? NOT_OURS;
      const isSame = !isOtherGrid && since !== NOT_OURS && this.#epochs[partition] === epoch;
      return isSame ? since : now;
    });
    this.#now = now;
    this.#epochs = present;
    this.#gridId = gridId;
  }
}
