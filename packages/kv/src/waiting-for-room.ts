/** What waits for room in a log for one batch: a mutation, a read behind it, or the mutations of an atomic batch. */
import type { GridError, PartitionId } from '@ashlar/core';
import { answerMarginMs, type RoomWaiter } from '@ashlar/partitions';
import type { KvBatch } from '@ashlar/transport';

/** Of callers that have no deadline. */
const WAIT_MS = 5000;

/** performance.now() until which an operation may wait. @param arrivedMs  of its batch */
export function dueMsOf({ deadlineMs, deadlineExtras }: KvBatch, operation: number, arrivedMs: number): number {
  if (deadlineMs === 0) return arrivedMs + WAIT_MS;
  const ms = deadlineMs + (deadlineExtras?.[operation] ?? 0);
  return arrivedMs + ms - answerMarginMs(ms);
}

/** Who waits: a batch, with its own numbers for what does. */
export interface RoomCaller {
  /** @returns as RoomWaiter.attempt() */
  attemptWaiting(operation: number): GridError | 'held' | undefined;
  refuseWaiting(operation: number, error: GridError): void;
}

export class WaitingOperation implements RoomWaiter {
  readonly partition: PartitionId;
  readonly dueMs: number;
  ticket = 0;
  readonly #caller: RoomCaller;
  readonly #operation: number;

  constructor(caller: RoomCaller, operation: number, partition: PartitionId, dueMs: number) {
    this.#caller = caller;
    this.#operation = operation;
    this.partition = partition;
    this.dueMs = dueMs;
  }

  attempt(): GridError | 'held' | undefined {
    return this.#caller.attemptWaiting(this.#operation);
  }

  refuse(error: GridError): void {
    this.#caller.refuseWaiting(this.#operation, error);
  }
}
