/**
 * Changes of the table that this member wants, gathered to one transaction a turn.
 *
 * transactions N1  Whoever proposed a change learns what became of it from the table, by its row's revision, never from an
 *                  answer: answers may be lost, late or doubled. It proposes again by its own timer.
 */
import type { ReplicaChange, ReplicaTransaction } from '@ashlar/core';

export class Transactions {
  #nextId = 1;
  #changes: ReplicaChange[] = [];

  /** @returns the transaction that it will travel in */
  add(change: ReplicaChange): number {
    this.#changes.push(change);
    return this.#nextId;
  }

  /** All that has gathered since the last call. */
  take(): ReplicaTransaction | undefined {
    if (this.#changes.length === 0) return undefined;
    const transaction = { id: this.#nextId++, changes: this.#changes };
    this.#changes = [];
    return transaction;
  }
}
