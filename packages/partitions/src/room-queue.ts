/**
 * Mutations that a full log refused: they wait until it has room, or until their callers' time is nearly over.
 *
 *   LOG_FULL -> wait -> [queue of the partition] -- every LOOK_MS the first is tried --> applied, then the next
 *                                                '-- its time is nearly over, or nobody will make room --> LOG_FULL
 *
 * room-queue Q1  What waits for a partition goes on in the order in which it came first; what comes later waits behind it.
 * room-queue Q2  What waits holds nothing: no key, no partition, nothing staged. So listeners get on.
 * room-queue Q3  At most `waitingMax` wait; the next one is refused. Their bytes lie in batches of streams, whose bounds
 *                hold.
 */
import { GridError, type PartitionId } from '@ashlar/core';

const LOOK_MS = 10;
/** Time that one look may take; what is left is done in the next. */
const SLICE_MS = 4;
/** Attempts of one partition in one look: processors that run again find out only later whether there is room. */
const ATTEMPTS_A_LOOK = 64;
/** A log that stays full is asked why so often, in looks: its listener may be in quarantine by now. */
const LOOKS_A_REASON = 50;

export interface RoomWaiter {
  readonly partition: PartitionId;
  /** performance.now() at which it is refused. */
  readonly dueMs: number;
  /** Its place among all that waited; given when it waits for the first time. 0: not yet. */
  ticket: number;
  /** @returns undefined: it is done with; else why not: it stays the first. It does not throw. */
  attempt(): GridError | 'held' | undefined;
  refuse(error: GridError): void;
}

interface Queue {
  readonly partition: PartitionId;
  /** By ticket. */
  waiters: RoomWaiter[];
  /** LOG_FULL. */
  reason: GridError;
}

export interface RoomQueueOptions {
  readonly isLogFull: (partition: PartitionId) => boolean;
  readonly waitingMax: number;
}

export class RoomQueue {
  readonly #options: RoomQueueOptions;
  readonly #queues = new Map<number, Queue>();
  #count = 0;
  #lastTicket = 0;
  #looks = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RoomQueueOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  get waitingMax(): number {
    return this.#options.waitingMax;
  }

  /** Whether mutations of the partition wait: later ones wait behind them. */
  has(partition: number): boolean {
    return this.#count > 0 && this.#queues.has(partition);
  }

  /**
   * @param cause  what it was refused with; undefined: nothing, it waits behind others
   * @throws GridError LOG_FULL when it cannot wait
   */
  wait(waiter: RoomWaiter, cause?: GridError): void {
    const queue = this.#queues.get(waiter.partition);
    const reason = cause ?? queue?.reason ?? new GridError('LOG_FULL', 'the log is full');
    const mayNotWait = this.#isClosed || this.#count >= this.waitingMax || isStopped(reason);
    if (mayNotWait || waiter.dueMs <= performance.now()) throw reason;
    if (waiter.ticket === 0) waiter.ticket = ++this.#lastTicket;
    this.#count++;
    if (queue === undefined) {
      this.#queues.set(waiter.partition, { partition: waiter.partition, waiters: [waiter], reason });
    } else {
      queue.reason = reason;
      insert(queue.waiters, waiter);
    }
    this.#arm(LOOK_MS);
  }

  /** Refuses all that wait, and whatever comes. Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const queue of this.#queues.values()) this.#refuse(queue, () => true);
  }

  #arm(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, ms).unref();
  }

  #look(): void {
    this.#looks++;
    const nowMs = performance.now();
    const endMs = nowMs + SLICE_MS;
    let isCut = false;
    for (const queue of [...this.#queues.values()]) {
      if (!this.#serve(queue, endMs)) isCut = true;
      this.#refuse(queue, ({ dueMs }) => dueMs <= nowMs || isStopped(queue.reason));
    }
    if (this.#count > 0) this.#arm(isCut ? 0 : LOOK_MS);
  }

  /** @returns false: there was no time for all that may have room */
  #serve(queue: Queue, endMs: number): boolean {
    const { partition, waiters } = queue;
    let done = 0;
    let isCut = false;
    while (done < waiters.length && done < ATTEMPTS_A_LOOK) {
      if (this.#options.isLogFull(partition) && this.#looks % LOOKS_A_REASON !== 0) break;
      isCut = performance.now() >= endMs;
      if (isCut) break;
      const refusal = waiters[done]!.attempt();
      if (refusal instanceof GridError) queue.reason = refusal;
      if (refusal !== undefined) break;
      done++;
    }
    waiters.splice(0, done);
    this.#forget(queue, done);
    return !isCut;
  }

  #refuse(queue: Queue, isOver: (waiter: RoomWaiter) => boolean): void {
    const over: RoomWaiter[] = [];
    const left: RoomWaiter[] = [];
    for (const waiter of queue.waiters) (isOver(waiter) ? over : left).push(waiter);
    if (over.length === 0) return;
    queue.waiters = left;
    this.#forget(queue, over.length);
    for (const waiter of over) waiter.refuse(queue.reason);
  }

  #forget(queue: Queue, count: number): void {
    this.#count -= count;
    if (queue.waiters.length === 0) this.#queues.delete(queue.partition);
  }
}

/** Nobody reads the log on: waiting is in vain. */
function isStopped({ details }: GridError): boolean {
  return details?.['isStopped'] === true;
}

function insert(waiters: RoomWaiter[], waiter: RoomWaiter): void {
  let at = waiters.length;
  while (at > 0 && waiters[at - 1]!.ticket > waiter.ticket) at--;
  waiters.splice(at, 0, waiter);
}
