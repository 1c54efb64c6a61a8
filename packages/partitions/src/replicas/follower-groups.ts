/**
 * Which partitions wait for the acknowledgements of the same members, as small numbers: what is written to partitions of one number
 * may share a batch.
 *
 * follower-groups F1  A partition's number is looked up anew when its followers have changed, and only then. Numbers that sets had
 *                     once are not given to others.
 */
import type { PartitionId, ReplicaId } from '@ashlar/core';

/** Sets beyond these are forgotten: members of the past. */
const SETS_MAX = 1024;

export class FollowerGroups {
  readonly #followersOf: (partition: PartitionId) => readonly ReplicaId[];
  /** By partition: its followers when its number was looked up. */
  readonly #known: (readonly ReplicaId[] | undefined)[] = [];
  readonly #numbers: number[] = [];
  readonly #bySet = new Map<string, number>();
  #last = 0;

  /** @param followersOf  one array as long as they stay the same */
  constructor(followersOf: (partition: PartitionId) => readonly ReplicaId[]) {
    this.#followersOf = followersOf;
  }

  of(partition: PartitionId): number {
    const followers = this.#followersOf(partition);
    if (this.#known[partition] !== followers) {
      this.#known[partition] = followers;
      this.#numbers[partition] = this.#numberOf(followers);
    }
    return this.#numbers[partition]!;
  }

  #numberOf(followers: readonly ReplicaId[]): number {
    const set = [...followers].sort().join(' ');
    let number = this.#bySet.get(set);
    if (number === undefined) {
      if (this.#bySet.size === SETS_MAX) this.#bySet.clear();
      number = ++this.#last;
      this.#bySet.set(set, number);
    }
    return number;
  }
}
