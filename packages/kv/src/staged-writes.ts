/**
 * The write batches of one batch of operations: staged one by one, submitted together.
 *
 * staged-writes S1  Where commits are prompt one write batch serves all partitions: it is decided in the call. Else each
 *                   partition has its own, so that one whose commit is late holds up no other.
 * staged-writes S2  No two states of an entry share a version: where a key comes again, or was due, the partition's write
 *                   batch is cut. In an atomic batch only the last write of a key has an event.
 * staged-writes S3  A write batch is open within a turn of the event loop only: whoever lets go of the turn has submitted.
 */
import { assert } from '@ashlar/core';
import type { BatchHeader, WriteBatch } from '@ashlar/storage';
import type { BatchScope } from './batch-scope.ts';
import { RequestNumbers } from './request-numbers.ts';

/** One partition's write batch, and the operations that are answered with its commit. */
interface PartitionWrites {
  readonly batch: WriteBatch;
  readonly operations: number[];
}

export class StagedWrites {
  /** staged-writes S1 */
  readonly isPrompt: boolean;
  readonly #scope: BatchScope;
  readonly #numbers: RequestNumbers;
  /** The one write batch where commits are prompt. */
  #shared: WriteBatch | undefined;
  /** The write batches where commits come late, by partition. */
  #own: Map<number, PartitionWrites> | undefined;
  /** The highest version that was submitted. */
  highestVersion = 0;

  constructor(scope: BatchScope) {
    this.#scope = scope;
    this.isPrompt = scope.deps.writes.isPrompt;
    this.#numbers = new RequestNumbers(scope.batch);
  }

  /** The open write batch of a partition. */
  in(partition: number): WriteBatch | undefined {
    return this.isPrompt ? this.#shared : this.#own?.get(partition)?.batch;
  }

  /** Under which its session knows an operation; 0: it does not. */
  numberOf(operation: number): number {
    return this.#numbers.of(operation);
  }

  /** The write batch for an operation of the partition. @throws GridError OVERLOADED */
  begun(partition: number, operation: number): WriteBatch {
    const batch = this.in(partition) ?? this.#begin(partition);
    batch.requestNumber = this.#numbers.of(operation);
    return batch;
  }

  /** The operation is answered with the commit of its partition's open write batch (late commits only). */
  note(partition: number, operation: number): void {
    this.#own!.get(partition)!.operations.push(operation);
  }

  /** Submits all that is staged. */
  commit(): void {
    if (this.#shared !== undefined) {
      const batch = this.#shared;
      this.#shared = undefined;
      const isCommitted = this.#submit(batch);
      assert(isCommitted, 'write-path P3: a prompt committer has decided when submit() returns');
    }
    if (this.#own === undefined) return;
    const own = this.#own;
    this.#own = undefined;
    for (const [partition, writes] of own) this.#submitOwn(partition, writes);
  }

  /** Submits what is staged in a partition, with all else where commits are prompt. */
  commitIn(partition: number): void {
    if (this.isPrompt) {
      this.commit();
      return;
    }
    const writes = this.#own?.get(partition);
    if (writes === undefined) return;
    this.#own!.delete(partition);
    this.#submitOwn(partition, writes);
  }

  /** Takes back all that is staged; what was noted with it is the caller's to answer. */
  abort(): void {
    const [shared, own] = [this.#shared, this.#own];
    this.#shared = undefined;
    this.#own = undefined;
    if (shared?.state === 'open') shared.abort();
    if (own === undefined) return;
    for (const { batch } of own.values()) if (batch.state === 'open') batch.abort();
  }

  #begin(partition: number): WriteBatch {
    const batch = this.#scope.deps.writes.begin(this.#header());
    if (this.isPrompt) this.#shared = batch;
    else (this.#own ??= new Map()).set(partition, { batch, operations: [] });
    return batch;
  }

  #header(): BatchHeader {
    const { batch, isProgress } = this.#scope;
    return {
      requestSession: batch.session,
      oncePerKey: !batch.atomic,
      isProgress,
    };
  }

  #submitOwn(partition: number, { batch, operations }: PartitionWrites): void {
    if (!this.#submit(batch)) this.#scope.held.hangOwn(batch, partition, operations);
  }

  /** @returns whether it is committed */
  #submit(batch: WriteBatch): boolean {
    const isCommitted = this.#scope.deps.writes.submit(batch);
    this.highestVersion = Math.max(this.highestVersion, batch.version);
    return isCommitted;
  }
}
