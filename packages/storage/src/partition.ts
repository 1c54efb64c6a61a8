/** A partition as this member holds it: its log, its epoch, and the batches that are under way in it. */
import type { Epoch, PartitionId } from '@ashlar/core';
import type { WriteBatch } from './batch/write-batch.ts';
import type { PartitionLog } from './log/partition-log.ts';
import type { ReplicaTail } from './replica-tail.ts';

/**
 * Batches that are neither committed nor aborted, in log order: they commit from the front, abort from the back. Mostly
 * there is one, which costs no array.
 */
class StagedBatches {
  #first: WriteBatch | undefined = undefined;
  readonly #others: WriteBatch[] = [];

  get first(): WriteBatch | undefined {
    return this.#first;
  }

  get last(): WriteBatch | undefined {
    return this.#others.at(-1) ?? this.#first;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Calls `visit` for each at or below the version, in log order: versions rise along it. */
  visitUpTo(version: number, visit: (batch: WriteBatch) => void): void {
    if (this.#first === undefined || !isAtOrBelow(this.#first, version)) return;
    visit(this.#first);
    for (const batch of this.#others) {
      if (!isAtOrBelow(batch, version)) return;
      visit(batch);
    }
  }

  push(batch: WriteBatch): void {
    if (this.#first === undefined) this.#first = batch;
    else this.#others.push(batch);
  }

  removeFirst(): void {
    this.#first = this.#others.length === 0 ? undefined : this.#others.shift();
  }

  removeLast(): void {
    if (this.#others.length === 0) this.#first = undefined;
    else this.#others.pop();
  }
}

/** A batch that is not sealed gets a version above every one that is known. */
function isAtOrBelow(batch: WriteBatch, version: number): boolean {
  return batch.state === 'sealed' && batch.version <= version;
}

/** What a member is to a partition: it writes, or it keeps what another writes. */
export type PartitionRole = 'primary' | 'backup';

export class Partition {
  readonly id: PartitionId;
  readonly log: PartitionLog;
  /** The records that a backup holds beyond its commit index. Undefined: this member is the primary. */
  tail: ReplicaTail | undefined = undefined;
  /** Entries are idle from here on at the earliest, in version units: a new primary has not seen who read them. */
  idleFloor = 0;
  /** The batch that is staging here: no other may, so that a log holds each batch in one piece. */
  openBatch: WriteBatch | undefined = undefined;
  readonly staged = new StagedBatches();

  constructor(id: PartitionId, log: PartitionLog) {
    this.id = id;
    this.log = log;
  }

  get role(): PartitionRole {
    return this.tail === undefined ? 'primary' : 'backup';
  }

  /** The last sequence that is sealed: what may leave the member. */
  get sealedSequence(): number {
    return (this.openBatch?.firstSequenceIn(this) ?? this.log.nextSequence) - 1;
  }

  get epoch(): Epoch {
    return this.log.epoch as Epoch;
  }
}
