/**
 * Operations that wait a little before they are routed again; the wait doubles with every try of one operation.
 *
 * retry-queue Y1  What waits for another primary waits shortly each time, and anew from a new table on: who takes over is there in a
 *                 moment, and nobody tells when.
 */
import { type ErrorCode, type GridError, wasNeverSealed } from '@ashlar/core';
import type { DetachedOperation } from './sealed-batch.ts';

const FIRST_MS = 5;
const MAX_MS = 500;
/** The same while a primary is not there, or not ready (retry-queue Y1). */
const TAKEOVER_MAX_MS = 50;

interface Parked {
  readonly operation: DetachedOperation;
  readonly dueMs: number;
  readonly reason: GridError;
}

export class RetryQueue {
  readonly #route: (operations: DetachedOperation[]) => void;
  readonly #account: (bytes: number, operations: number) => void;
  /** Attempts of each call so far; forgotten with the call. */
  readonly #tries = new WeakMap<object, number>();
  readonly #nowMs: () => number;
  #parked: Parked[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;

  /** @param account  counts the bytes and operations that begin (or, negative, end) to wait here */
  constructor(
    route: (operations: DetachedOperation[]) => void,
    account: (bytes: number, operations: number) => void,
    nowMs: () => number,
  ) {
    this.#nowMs = nowMs;
    this.#route = route;
    this.#account = (bytes, operations) => {
      this.#bytes += bytes;
      account(bytes, operations);
    };
  }

  get size(): number {
    return this.#parked.length;
  }

  /** Bytes of what waits here. */
  stuckBytes(): number {
    return this.#bytes;
  }

  /** Operations of one call that are parked together stay together. */
  park(operations: readonly DetachedOperation[], reason: GridError, nowMs: number): void {
    const dueOf = new Map<object, number>();
    const maxMs = isTakeover(reason.code) ? TAKEOVER_MAX_MS : MAX_MS;
    for (const operation of operations) {
      const { target } = operation;
      let dueMs = dueOf.get(target);
      if (dueMs === undefined) dueOf.set(target, (dueMs = this.#nextDueMs(target, nowMs, maxMs)));
      this.#parked.push({ operation, dueMs, reason });
      this.#account(bytesOf(operation), 1);
    }
    this.#arm(nowMs);
  }

  #nextDueMs(target: object, nowMs: number, maxMs: number): number {
    const tries = this.#tries.get(target) ?? 0;
    this.#tries.set(target, tries + 1);
    return nowMs + Math.min(maxMs, FIRST_MS * 2 ** Math.min(tries, 10));
  }

  /** Routes all of them now: what they waited for may have come. */
  wake(): void {
    const all = this.#parked;
    this.#parked = [];
    for (const { operation, reason } of all) if (isTakeover(reason.code)) this.#tries.delete(operation.target);
    this.#release(all);
  }

  #release(parked: readonly Parked[]): void {
    if (parked.length === 0) return;
    for (const { operation } of parked) this.#account(-bytesOf(operation), -1);
    this.#route(parked.map(({ operation }) => operation));
  }

  /** Fails what is overdue. */
  sweep(nowMs: number, overdue: (operation: DetachedOperation, reason: GridError) => GridError): void {
    this.#parked = this.#parked.filter(({ operation, reason }) => {
      const { target } = operation;
      if (!target.done && target.deadlineMs <= nowMs) {
        target.fail(operation.position, overdue(operation, reason), operation.key);
      }
      if (target.done && operation.request !== undefined) operation.request.range.left--;
      if (target.done) this.#account(-bytesOf(operation), -1);
      return !target.done;
    });
  }

  /** Fails everything. */
  close(error: GridError): void {
    clearTimeout(this.#timer);
    for (const { operation } of this.#parked.splice(0)) operation.target.fail(operation.position, error, operation.key);
  }

  #arm(nowMs: number): void {
    if (this.#parked.length === 0) return;
    const dueMs = this.#parked.reduce((min, parked) => Math.min(min, parked.dueMs), Number.POSITIVE_INFINITY);
    if (this.#timer !== undefined && this.#timerMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    this.#timer = setTimeout(() => this.#onDue(), Math.max(1, dueMs - nowMs));
  }

  #onDue(): void {
    this.#timer = undefined;
    const nowMs = this.#nowMs();
    const due = this.#parked.filter((parked) => parked.dueMs <= nowMs);
    this.#parked = this.#parked.filter((parked) => parked.dueMs > nowMs);
    this.#release(due);
    this.#arm(nowMs);
  }
}

function bytesOf({ key, value }: DetachedOperation): number {
  return key.length + value.length;
}

function isTakeover(code: ErrorCode): boolean {
  return wasNeverSealed(code) || code === 'IN_DOUBT';
}
