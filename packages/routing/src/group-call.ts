/**
 * One promise for many operations: getAll, putAll, processAll.
 *
 * Without a timeout of its own a group fails when nothing of it was answered for the default time, however large it is.
 */
import { DeadlineExceededError, GridError, type TraceContext } from '@ashlar/core';
import type { Key } from '@ashlar/serialization';
import { isMutation, type KvAnswers, OPCODE } from '@ashlar/transport';
import { type CallClock, type CallLimits, type CallTarget, checkTimeout, resultOf } from './call-target.ts';
import { GroupOutcomes, KEYS_NAMED_MAX } from './group-outcomes.ts';

export class GroupCall implements CallTarget {
  readonly isOneCall = false;
  done = false;
  deadlineMs: number;
  readonly timeoutMs: number;
  readonly trace: TraceContext | undefined;
  readonly finished: Promise<readonly unknown[]>;
  readonly #opcode: number;
  readonly #what: string;
  /** Milliseconds by which each answer moves the deadline; undefined: the deadline is fixed. */
  readonly #patienceMs: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  /** By position; stays empty for PUT. */
  readonly #results: unknown[] = [];
  readonly #outcomes: GroupOutcomes;
  /** Where the caller has no list of keys: the first of them, to name them in an error. */
  readonly #firstKeys: Key[] = [];
  readonly #nowMs: () => number;
  #asked = 0;
  /** Who waits until so many operations have an outcome. */
  #awaited = Number.POSITIVE_INFINITY;
  #onSettled: (() => void) | undefined;
  #allAsked = false;
  #resolve!: (results: readonly unknown[]) => void;
  #reject!: (error: unknown) => void;

  /** @param keys  of all positions; omitted: ask() is given them */
  constructor(
    opcode: number,
    what: string,
    limits: CallLimits,
    { defaultTimeoutMs, nowMs }: CallClock,
    keys?: readonly Key[],
  ) {
    this.#nowMs = nowMs;
    this.#opcode = opcode;
    this.#outcomes = new GroupOutcomes(keys ?? this.#firstKeys, isMutation(opcode));
    this.trace = limits.trace;
    this.#what = what;
    this.#patienceMs = limits.timeoutMs === undefined ? defaultTimeoutMs : undefined;
    this.timeoutMs = checkTimeout(limits.timeoutMs ?? defaultTimeoutMs);
    this.deadlineMs = this.#nowMs() + this.timeoutMs;
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => undefined);
    this.#signal = limits.signal;
    this.#onAbort = () => this.done || this.abandon(this.#outcomes.cancelled(what, this.#asked));
    if (limits.signal?.aborted === true) this.#onAbort();
    else limits.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** An operation is added; returns its position. */
  ask(): number {
    return this.#asked++;
  }

  /** As ask(), where the group was not given its keys. */
  askFor(key: Key): number {
    if (this.#asked < KEYS_NAMED_MAX) this.#firstKeys.push(key);
    return this.#asked++;
  }

  /** Operations, by position, leave, where not all that were asked for do at once. */
  sends(positions: Uint32Array, count: number): void {
    this.#outcomes.sends(positions, count);
  }

  /** Undefined: so many operations have an outcome; else a promise of it, or of the end. One waits at a time. */
  whenSettled(count: number): Promise<void> | undefined {
    if (this.done || this.#outcomes.settled >= count) return undefined;
    this.#awaited = count;
    return new Promise((resolve) => {
      this.#onSettled = resolve;
    });
  }

  /** Every operation was added. */
  close(): void {
    this.#allAsked = true;
    this.#finishIfComplete();
  }

  answer(position: number, answers: KvAnswers, operation: number): void {
    if (this.done) return;
    if (this.#opcode !== OPCODE.PUT) {
      try {
        this.#results[position] = resultOf(this.#opcode, answers, operation);
      } catch (error) {
        this.fail(position, GridError.wrap(error), undefined);
        return;
      }
    }
    if (!this.#outcomes.done(position)) return;
    // Looking at the clock once in a while is enough.
    if ((this.#outcomes.settled & 63) === 0) this.#progress();
    this.#finishIfComplete();
  }

  fail(position: number, error: GridError, key: Uint8Array | undefined): void {
    if (this.done) return;
    this.#outcomes.failed(position, error, key);
    this.#finishIfComplete();
  }

  /** Ends it now, with an error of ours or of the caller's iterable; answers to come are dropped. */
  abandon(error: unknown): void {
    if (this.done) return;
    this.#end();
    this.#reject(error);
  }

  /** Nothing was answered for too long: there is no point in asking for more. */
  get isOverdue(): boolean {
    return this.#nowMs() > this.deadlineMs;
  }

  /** Its time is over before operation `position` was sent. @param why  default: the time */
  giveUp(position: number, why?: GridError): void {
    this.fail(position, why ?? this.#late(), undefined);
  }

  /** Its time is over before `count` more keys were asked for. @param why  default: the time */
  skip(count: number, why?: GridError): void {
    this.#outcomes.skip(count, why ?? this.#late());
  }

  #late(): GridError {
    return new DeadlineExceededError(this.#what, this.timeoutMs);
  }

  /** Keeps a group that is being fed from failing. */
  feed(): void {
    this.#progress();
  }

  #progress(): void {
    if (this.#patienceMs !== undefined) this.deadlineMs = this.#nowMs() + this.#patienceMs;
  }

  #finishIfComplete(): void {
    if (this.#outcomes.settled >= this.#awaited) this.#wake();
    if (this.done || !this.#allAsked || this.#outcomes.settled < this.#asked) return;
    this.#end();
    const { firstError } = this.#outcomes;
    if (firstError === undefined) {
      this.#results.length = this.#opcode === OPCODE.PUT ? 0 : this.#asked;
      this.#resolve(this.#results);
    } else {
      this.#reject(this.#outcomes.error(this.#what, this.#asked, firstError));
    }
  }

  #wake(): void {
    this.#awaited = Number.POSITIVE_INFINITY;
    this.#onSettled?.();
  }

  #end(): void {
    this.done = true;
    this.#wake();
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
