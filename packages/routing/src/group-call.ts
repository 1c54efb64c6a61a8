/**
 * One promise for many operations: getAll, putAll, processAll.
 *
 * Without a timeout of its own a group fails when nothing of it was answered for the default time, however large it is.
 */
import { CancelledError, DeadlineExceededError, GridError, type TraceContext } from '@ashlar/core';
import { decodeKey } from '@ashlar/serialization';
import { type KvAnswers, OPCODE } from '@ashlar/transport';
import { type CallLimits, type CallTarget, checkTimeout, resultOf } from './call-target.ts';

/** Keys named in an error, at most. */
const KEYS_NAMED_MAX = 20;

export class GroupCall implements CallTarget {
  readonly isOneCall = false;
  done = false;
  deadlineMs: number;
  readonly timeoutMs: number;
  readonly trace: TraceContext | undefined;
  readonly finished: Promise<readonly unknown[]>;
  readonly #opcode: number;
  readonly #what: string;
  /** Milliseconds a progress is good for; undefined: the deadline stands. */
  readonly #patienceMs: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  /** By slot; stays empty for PUT. */
  readonly #results: unknown[] = [];
  readonly #failedKeys: string[] = [];
  #firstError: GridError | undefined;
  #failed = 0;
  #asked = 0;
  #settled = 0;
  #allAsked = false;
  #resolve!: (results: readonly unknown[]) => void;
  #reject!: (error: unknown) => void;

  constructor(opcode: number, what: string, limits: CallLimits, defaultTimeoutMs: number) {
    this.#opcode = opcode;
    this.trace = limits.trace;
    this.#what = what;
    this.#patienceMs = limits.timeoutMs === undefined ? defaultTimeoutMs : undefined;
    this.timeoutMs = checkTimeout(limits.timeoutMs ?? defaultTimeoutMs);
    this.deadlineMs = performance.now() + this.timeoutMs;
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => undefined);
    this.#signal = limits.signal;
    this.#onAbort = () => this.abandon(new CancelledError(what));
    if (limits.signal?.aborted === true) this.#onAbort();
    else limits.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** An operation was added; returns its slot. */
  ask(): number {
    return this.#asked++;
  }

  /** Every operation was added. */
  close(): void {
    this.#allAsked = true;
    this.#finishIfComplete();
  }

  answer(slot: number, answers: KvAnswers, operation: number): void {
    if (this.done) return;
    if (this.#opcode !== OPCODE.PUT) {
      try {
        this.#results[slot] = resultOf(this.#opcode, answers, operation);
      } catch (error) {
        this.fail(slot, GridError.wrap(error), undefined);
        return;
      }
    }
    this.#settled++;
    // Looking at the clock once in a while is enough.
    if ((this.#settled & 63) === 0) this.#progress();
    this.#finishIfComplete();
  }

  fail(_slot: number, error: GridError, key: Uint8Array | undefined): void {
    if (this.done) return;
    this.#firstError ??= error;
    this.#failed++;
    if (key !== undefined && this.#failedKeys.length < KEYS_NAMED_MAX) this.#failedKeys.push(keyText(key));
    this.#settled++;
    this.#finishIfComplete();
  }

  /** Ends it now, with an error of ours or of the caller's iterable; answers to come are dropped. */
  abandon(error: unknown): void {
    if (this.done) return;
    this.#end();
    this.#reject(error);
  }

  /** Nothing was answered for too long: it makes no sense to ask more. */
  get isOverdue(): boolean {
    return performance.now() > this.deadlineMs;
  }

  /** `count` operations that were asked for will not be sent. */
  giveUp(count: number): void {
    this.#firstError ??= new DeadlineExceededError(this.#what, this.timeoutMs);
    this.#failed += count;
    this.#settled += count;
  }

  /** Keeps a group that is being fed from failing. */
  feed(): void {
    this.#progress();
  }

  #progress(): void {
    if (this.#patienceMs !== undefined) this.deadlineMs = performance.now() + this.#patienceMs;
  }

  #finishIfComplete(): void {
    if (this.done || !this.#allAsked || this.#settled < this.#asked) return;
    this.#end();
    if (this.#firstError === undefined) {
      this.#results.length = this.#opcode === OPCODE.PUT ? 0 : this.#asked;
      this.#resolve(this.#results);
    } else {
      this.#reject(this.#failure(this.#firstError));
    }
  }

  #failure(first: GridError): GridError {
    const message = `${this.#what}: ${this.#failed} of ${this.#asked} failed, the first: ${first.message}`;
    return new GridError(first.code, message, {
      hint: first.hint,
      details: { ...first.details, failed: this.#failed, asked: this.#asked, keys: this.#failedKeys },
      cause: first,
    });
  }

  #end(): void {
    this.done = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** A key for people: JSON, with bytes as hex and bigints as digits. */
function keyText(bytes: Uint8Array): string {
  return JSON.stringify(decodeKey(bytes, 0, bytes.length), (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  });
}
