/**
 * What of one batch waits for room: a mutation, a read behind it, or the mutations of an atomic batch. They wait for room in
 * a full log, for a partition in which somebody else stages, or, where all write batches are under way, for the next one.
 *
 * room-waits N1  What waits for a partition is tried in the order in which it came, in a write batch of its own; the rest of
 *                its batch is answered meanwhile (answer-progress A3).
 * room-waits N2  What a listener writes to get on is taken by full logs, so it never waits for one.
 */
import type { GridError, PartitionId } from '@ashlar/core';
import { answerMarginMs, type RoomWaiter } from '@ashlar/partitions';
import { isMutation, type KvBatch } from '@ashlar/transport';
import type { BatchScope } from './batch-scope.ts';

/** How long callers without a deadline wait. */
const WAIT_MS = 5000;

/** Outcome of an attempt; undefined: the operation is done, or will be. */
export type Attempt = GridError | 'held' | undefined;

/** Carries out what has waited. */
export interface RoomWork {
  /** Tries a mutation. */
  attempt(operation: number): Attempt;
  /** Tries the mutations of a group, together. */
  attemptGroup(group: readonly number[]): Attempt;
  read(operation: number): void;
}

export class RoomWaits {
  readonly #scope: BatchScope;
  readonly #work: RoomWork;
  /** By operation, once it has waited: who waits again keeps its place. */
  readonly #waiters = new Map<number, WaitingOperation>();
  /** By first operation: mutations of a partition that wait together. */
  readonly #groups = new Map<number, readonly number[]>();

  constructor(scope: BatchScope, work: RoomWork) {
    this.#scope = scope;
    this.#work = work;
  }

  /** @param cause  what it was refused with; undefined: it waits behind others. @throws GridError when it cannot wait */
  wait(operation: number, cause?: GridError): void {
    const { deps, progress, targets, waiting, answers } = this.#scope;
    const waiter = this.#waiters.get(operation) ?? this.#waiterFor(operation);
    deps.rooms.wait(waiter, cause);
    answers.clear(operation);
    progress.openLate(operation);
    progress.hasWaited = true;
    this.#waiters.set(operation, waiter);
    waiter.isWaiting = true;
    const name = targets.lockIdOf(operation);
    if (name !== undefined) waiting.begin(name);
  }

  /** @throws GridError when they cannot wait */
  waitAll(group: readonly number[], cause?: GridError): void {
    this.wait(group[0]!, cause);
    for (const operation of group.slice(1)) {
      this.#scope.answers.clear(operation);
      this.#scope.progress.openLate(operation);
    }
    this.#groups.set(group[0]!, group);
  }

  /** @returns as RoomWaiter.attempt() */
  attempt(operation: number): Attempt {
    const { progress } = this.#scope;
    let refusal = undefined as Attempt;
    progress.guard(() => {
      refusal = this.#tried(operation);
      if (refusal === undefined) this.#settle(operation);
    });
    if (refusal === undefined && progress.isOver) this.#end(operation);
    return refusal;
  }

  refuse(operation: number, error: GridError): void {
    const { batch, answers, progress } = this.#scope;
    progress.guard(() => {
      const group = this.#groups.get(operation) ?? [operation];
      if (!isMutation(batch.opcodes[operation]!)) this.#work.read(operation);
      else for (const one of group) answers.fail(one, error);
      this.#settle(operation);
    });
    if (progress.isOver) this.#end(operation);
  }

  #tried(operation: number): Attempt {
    const group = this.#groups.get(operation);
    if (group !== undefined) return this.#work.attemptGroup(group);
    if (isMutation(this.#scope.batch.opcodes[operation]!)) return this.#work.attempt(operation);
    this.#work.read(operation);
    return undefined;
  }

  #waiterFor(operation: number): WaitingOperation {
    const { batch, arrivedMs } = this.#scope;
    const dueMs = isMutation(batch.opcodes[operation]!) ? dueMsOf(batch, operation, arrivedMs) : Infinity;
    return new WaitingOperation(this, operation, batch.partitions[operation]! as PartitionId, dueMs);
  }

  /** The operation is done: later operations of the stream on its key no longer wait for it. */
  #end(operation: number): void {
    const waiter = this.#waiters.get(operation)!;
    if (!waiter.isWaiting) return;
    waiter.isWaiting = false;
    const name = this.#scope.targets.lockIdOf(operation);
    if (name !== undefined) this.#scope.waiting.end(name);
  }

  #settle(operation: number): void {
    this.#end(operation);
    const group = this.#groups.get(operation);
    this.#groups.delete(operation);
    for (const one of group ?? [operation]) this.#scope.progress.settleLate(one);
  }
}

/** performance.now() until which an operation may wait. @param arrivedMs  of its batch */
function dueMsOf({ deadlineMs, deadlineExtras }: KvBatch, operation: number, arrivedMs: number): number {
  if (deadlineMs === 0) return arrivedMs + WAIT_MS;
  const ms = deadlineMs + (deadlineExtras?.[operation] ?? 0);
  return arrivedMs + ms - answerMarginMs(ms);
}

class WaitingOperation implements RoomWaiter {
  readonly partition: PartitionId;
  readonly dueMs: number;
  ticket = 0;
  isWaiting = false;
  readonly #waits: RoomWaits;
  readonly #operation: number;

  constructor(waits: RoomWaits, operation: number, partition: PartitionId, dueMs: number) {
    this.#waits = waits;
    this.#operation = operation;
    this.partition = partition;
    this.dueMs = dueMs;
  }

  attempt(): Attempt {
    return this.#waits.attempt(this.#operation);
  }

  refuse(error: GridError): void {
    this.#waits.refuse(this.#operation, error);
  }
}
