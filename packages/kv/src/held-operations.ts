/**
 * Operations of a batch whose answers are known and hang on a commit: one listener a write batch, whatever hangs on it.
 *
 *   own batch       put, remove, read of what it staged  --'
 *   another's batch failed condition, absence, own read  ---> committed: answered
 *                                                        '--> aborted, or the partition lost: in doubt; reads are repeated
 *   open batch of another that hides a key --> decided: the key is read again
 *
 * held-operations H1  What staged something waits for its own batch alone: that is decided after all that it saw in the
 *                     partition (write-path P2). What staged nothing waits for the batch of what it saw, also where its own batch
 *                     has staged in other partitions.
 * held-operations H2  What is lost is dealt with in a later turn, for the store is still taking batches back in this one.
 */
import { GridError } from '@ashlar/core';
import type { WriteBatch } from '@ashlar/storage';
import { isMutation } from '@ashlar/transport';
import type { BatchScope } from './batch-scope.ts';

/** Reads once more, and settles the operation. */
type ReadAgain = (operation: number) => void;

export class HeldOperations {
  readonly #scope: BatchScope;
  readonly #readAgain: ReadAgain;
  readonly #onOthers = new Map<WriteBatch, number[]>();
  readonly #hidden = new Map<WriteBatch, number[]>();
  /** By operation: the error that it is answered with, where that hangs on a commit as well. */
  readonly #failures = new Map<number, unknown>();

  constructor(scope: BatchScope, readAgain: ReadAgain) {
    this.#scope = scope;
    this.#readAgain = readAgain;
  }

  /** A submitted write batch of this run that is not committed, and the operations that are answered with it. */
  hangOwn(batch: WriteBatch, operations: readonly number[]): void {
    const { progress, undecided, deps } = this.#scope;
    progress.openAllLate(operations);
    if (batch.state !== 'sealed') {
      this.#decided(batch, operations);
      return;
    }
    // Those that it loses meanwhile were undecided, too.
    const { partitionIds } = batch;
    for (const partition of partitionIds) undecided.begin(partition);
    const sealedMs = performance.now();
    batch.whenDecided(() => {
      if (batch.state === 'committed') deps.writes.pace.note(performance.now() - sealedMs);
      for (const partition of partitionIds) undecided.end(partition);
      this.#decided(batch, operations);
    });
  }

  /**
   * The answer of an operation that staged nothing hangs on a sealed batch of somebody else.
   *
   * @param failure  what it failed with because of what it saw there; undefined: it is answered
   */
  hang(batch: WriteBatch, operation: number, failure?: unknown): void {
    if (failure !== undefined) this.#failures.set(operation, failure);
    this.#add(this.#onOthers, batch, operation, (operations) => this.#decided(batch, operations));
  }

  /** The operation is a read, and what it finds depends on an open batch of somebody else. */
  hide(batch: WriteBatch, operation: number): void {
    this.#add(this.#hidden, batch, operation, (operations) => this.#soon(operations, this.#readAgain));
  }

  #add(
    groups: Map<WriteBatch, number[]>,
    batch: WriteBatch,
    operation: number,
    tell: (operations: readonly number[]) => void,
  ): void {
    this.#scope.progress.openLate(operation);
    const known = groups.get(batch);
    if (known !== undefined) {
      known.push(operation);
      return;
    }
    const operations = [operation];
    groups.set(batch, operations);
    batch.whenDecided(() => {
      groups.delete(batch);
      tell(operations);
    });
  }

  #decided(batch: WriteBatch, operations: readonly number[]): void {
    const { progress, batch: sent } = this.#scope;
    progress.guard(() => {
      if (batch.state === 'committed' && batch.lostPartitions.length === 0) this.#settle(operations);
      else this.#divide(operations, (operation) => isLost(batch, sent.partitions[operation]!));
      progress.tellWithin();
    });
  }

  /** Of a batch that lost some of its partitions, or all. */
  #divide(operations: readonly number[], isOfLost: (operation: number) => boolean): void {
    const lost = operations.filter(isOfLost);
    if (lost.length < operations.length) this.#settle(operations.filter((operation) => !isOfLost(operation)));
    if (lost.length > 0) this.#soon(lost, (operation) => this.#lose(operation));
  }

  #settle(operations: readonly number[]): void {
    const { answers, progress } = this.#scope;
    if (this.#failures.size > 0) {
      for (const operation of operations) {
        if (!this.#failures.has(operation)) continue;
        answers.fail(operation, this.#failures.get(operation));
        this.#failures.delete(operation);
      }
    }
    progress.settleAllLate(operations);
  }

  /** held-operations H2 */
  #soon(operations: readonly number[], step: (operation: number) => void): void {
    queueMicrotask(
      this.#scope.progress.later(() => {
        for (const operation of operations) step(operation);
        this.#scope.progress.tellWithin();
      }),
    );
  }

  #lose(operation: number): void {
    const { batch, answers, progress } = this.#scope;
    if (!isMutation(batch.opcodes[operation]!)) {
      this.#readAgain(operation);
      return;
    }
    this.#failures.delete(operation);
    answers.fail(operation, inDoubt(batch.partitions[operation]!));
    progress.settleLate(operation);
  }
}

/** Whether what was staged or seen in the partition never came to be, as far as this member knows. */
function isLost({ state, lostPartitions }: WriteBatch, partition: number): boolean {
  return state === 'aborted' || lostPartitions.some((lost) => lost === partition);
}

/** The error of a mutation that may or may not be committed, or whose answer hangs on such a one. */
export function inDoubt(partition: number): GridError {
  return new GridError('IN_DOUBT', `partition ${partition} was lost before the commit was certain`, {
    hint: 'ask for it again under its own number',
    details: { partitionId: partition },
  });
}
