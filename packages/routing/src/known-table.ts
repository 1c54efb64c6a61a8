/**
 * The partition table a router goes by, and which other one may take its place. Pure.
 *
 * known-table T1  Of one grid only a newer table takes the place of an older one.
 * known-table T2  The table of another grid takes its place when no member of ours is left and the other is complete, or
 *                 when ours never was.
 * known-table T3  The number of partitions is known from the first hello on, also while nobody owns one.
 */
import { type GridError, GridIncompleteError, PartitionLostError, type PartitionTable } from '@ashlar/core';
import { noOwner } from './errors.ts';

export class KnownTable {
  #table: PartitionTable;
  #partitionCount: number;
  /** The table of another grid that is gathering at the addresses of ours. */
  #gathering: PartitionTable | undefined;

  /** @param partitionCount  of the grid, also while nobody owns a partition */
  constructor(table: PartitionTable, partitionCount: number) {
    this.#table = table;
    this.#partitionCount = Math.max(1, partitionCount);
  }

  get table(): PartitionTable {
    return this.#table;
  }

  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** Whether partitions have owners. */
  get isComplete(): boolean {
    return this.#table.owners.length > 0;
  }

  /** Whether a primary is on its way: of all partitions, or of some that are not lost. */
  get awaitsPrimaries(): boolean {
    const { owners, lost } = this.#table;
    return owners.length === 0 || owners.some((members, index) => members.length === 0 && !lost.includes(index));
  }

  /**
   * A member sent its table.
   *
   * @param isAlone  no member of our grid is connected
   * @returns whether it is the one to go by from now on
   */
  offer(table: PartitionTable, isAlone: boolean): boolean {
    if (table.gridId === this.#table.gridId) {
      this.#gathering = undefined;
      return table.tableVersion > this.#table.tableVersion && this.#take(table);
    }
    if (!this.isComplete || (isAlone && table.owners.length > 0)) return this.#take(table);
    if (isAlone) this.#gathering = table;
    return false;
  }

  #take(table: PartitionTable): true {
    this.#table = table;
    this.#gathering = undefined;
    if (table.owners.length > 0) this.#partitionCount = table.owners.length;
    return true;
  }

  /** Who is missing in a grid that still gathers its members; undefined: it is complete. */
  whatIsMissing(): GridError | undefined {
    if (this.#gathering !== undefined) return new GridIncompleteError(this.#gathering);
    return this.isComplete ? undefined : new GridIncompleteError(this.#table);
  }

  /** The error of a partition of which every copy is gone; undefined: it is not lost. */
  lossOf(partition: number): GridError | undefined {
    return this.#table.lost.includes(partition) ? new PartitionLostError([partition]) : undefined;
  }

  /** Why nobody can be asked for a partition. */
  whyNobody(): GridError {
    return this.whatIsMissing() ?? noOwner();
  }
}
