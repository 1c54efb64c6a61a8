/**
 * The write batches of one batch of operations: staged one by one, submitted together.
 *
 * staged-writes S1  Where commits are prompt one write batch serves all partitions: it is decided in the call. Else each group of
 *                   partitions whose commits wait for the same members has its own (write-path P3).
 * staged-writes S2  No two states of an entry share a version: where a key comes again, or was due, the write batch that has it
 *                   is cut. In an atomic batch only the last write of a key has an event.
 * staged-writes S3  A write batch is open within a turn of the event loop only: whoever lets go of the turn has submitted.
 * staged-writes S4  Where commits come late, a write batch is the one of a partition (`in`) only once it has staged there. What
 *                   was looked up in another partition of the group hangs on what it saw, not on this batch.
 */
import { assert, type PartitionId } from '@ashlar/core';
import type { BatchHeader, WriteBatch } from '@ashlar/storage';
import type { BatchScope } from './batch-scope.ts';
import { RequestNumbers } from './request-numbers.ts';

/** The write batch of a group, and the operations that are answered with its commit. */
interface GroupWrites {
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
  /** The write batches where commits come late, by group. */
  #groups: Map<number, GroupWrites> | undefined;
  /** The one that was looked up last, and for which partition; -1: none. */
  #lastWrites: GroupWrites | undefined;
  #lastPartition = -1;
  /** The highest version that was submitted. */
  highestVersion = 0;

  constructor(scope: BatchScope) {
    this.#scope = scope;
    this.isPrompt = scope.deps.writes.isPrompt;
    this.#numbers = new RequestNumbers(scope.batch);
  }

  /** The open write batch of a partition (staged-writes S4). */
  in(partition: number): WriteBatch | undefined {
    return this.isPrompt ? this.#shared : this.#stagingIn(partition)?.batch;
  }

  /** Under which its session knows an operation; 0: it does not. */
  numberOf(operation: number): number {
    return this.#numbers.of(operation);
  }

  /** The write batch for an operation of the partition. @throws GridError OVERLOADED */
  begun(partition: number, operation: number): WriteBatch {
    const batch = this.isPrompt ? (this.#shared ??= this.#begin()) : this.#writesOf(partition).batch;
    batch.requestNumber = this.#numbers.of(operation);
    return batch;
  }

  /** The operation is answered with the commit of its partition's open write batch (late commits only). */
  note(partition: number, operation: number): void {
    this.#openIn(partition)!.operations.push(operation);
  }

  /** Submits all that is staged. */
  commit(): void {
    if (this.#shared !== undefined) {
      const batch = this.#shared;
      this.#shared = undefined;
      const isCommitted = this.#submit(batch);
      assert(isCommitted, 'write-path P3: a prompt committer has decided when submit() returns');
    }
    if (this.#groups === undefined) return;
    const groups = this.#groups;
    this.#groups = undefined;
    this.#lastPartition = -1;
    for (const writes of groups.values()) this.#submitLate(writes);
  }

  /** Submits what is staged in a partition, with all else that its write batch has. */
  commitIn(partition: number): void {
    if (this.isPrompt) {
      this.commit();
      return;
    }
    const writes = this.#stagingIn(partition);
    if (writes === undefined) return;
    this.#groups!.delete(this.#groupOf(partition));
    this.#lastPartition = -1;
    this.#submitLate(writes);
  }

  /** Takes back all that is staged; what was noted with it is the caller's to answer. */
  abort(): void {
    const [shared, groups] = [this.#shared, this.#groups];
    this.#shared = undefined;
    this.#groups = undefined;
    this.#lastPartition = -1;
    if (shared?.state === 'open') shared.abort();
    if (groups === undefined) return;
    for (const { batch } of groups.values()) if (batch.state === 'open') batch.abort();
  }

  #groupOf(partition: number): number {
    return this.#scope.deps.writes.groupOf(partition as PartitionId);
  }

  /** The open writes of the partition's group. */
  #openIn(partition: number): GroupWrites | undefined {
    if (partition !== this.#lastPartition) {
      this.#lastWrites = this.#groups?.get(this.#groupOf(partition));
      this.#lastPartition = partition;
    }
    return this.#lastWrites;
  }

  /** staged-writes S4 */
  #stagingIn(partition: number): GroupWrites | undefined {
    const writes = this.#openIn(partition);
    return writes?.batch.isStagingIn(partition as PartitionId) === true ? writes : undefined;
  }

  #writesOf(partition: number): GroupWrites {
    const open = this.#openIn(partition);
    if (open !== undefined) return open;
    const writes = { batch: this.#begin(), operations: [] };
    this.#groups ??= new Map();
    this.#groups.set(this.#groupOf(partition), writes);
    this.#lastWrites = writes;
    return writes;
  }

  #begin(): WriteBatch {
    const { batch, isProgress, deps } = this.#scope;
    const header: BatchHeader = { requestSession: batch.session, oncePerKey: !batch.atomic, isProgress };
    return deps.writes.begin(header);
  }

  #submitLate({ batch, operations }: GroupWrites): void {
    if (!this.#submit(batch)) this.#scope.held.hangOwn(batch, operations);
  }

  /** @returns whether it is committed */
  #submit(batch: WriteBatch): boolean {
    const isCommitted = this.#scope.deps.writes.submit(batch);
    this.highestVersion = Math.max(this.highestVersion, batch.version);
    return isCommitted;
  }
}
