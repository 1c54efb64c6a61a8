/** Commits that a test makes, one by one, or loses. */
import { assert, type PartitionId } from '@ashlar/core';
import type { Committer } from '@ashlar/partitions';
import type { MemberStore, WriteBatch } from '@ashlar/storage';

export class HandCommits implements Committer {
  readonly isPrompt = false;
  readonly groupOf: (partition: PartitionId) => number;
  readonly #store: MemberStore;
  /** In the order of sealing. */
  waiting: WriteBatch[] = [];

  /** @param groupOf  as Committer has it. Default: each partition by itself */
  constructor(store: MemberStore, groupOf: (partition: PartitionId) => number = (partition) => partition) {
    this.#store = store;
    this.groupOf = groupOf;
  }

  decide(batch: WriteBatch): void {
    this.waiting.push(batch);
  }

  close(): void {
    this.commit();
  }

  /** Commits whatever waits, in one partition or in all. */
  commit(partition?: number): void {
    const isMeant = (batch: WriteBatch): boolean =>
      partition === undefined || batch.partitionIds.includes(partition as PartitionId);
    for (;;) {
      const next = this.waiting.find(isMeant);
      if (next === undefined) return;
      this.waiting = this.waiting.filter((batch) => batch !== next);
      next.commit();
    }
  }

  /** Loses what waits in the partition, from the first on. */
  drop(partition = 0): void {
    const first = this.waiting.find((batch) => batch.partitionIds.includes(partition as PartitionId));
    assert(first !== undefined, 'something is undecided');
    this.#store.dropUndecided(partition as PartitionId, first);
    this.waiting = this.waiting.filter(({ state }) => state === 'sealed');
  }
}
