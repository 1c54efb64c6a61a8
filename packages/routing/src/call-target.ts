/**
 * Who waits for the answer of an operation: a single call, or one object for all operations of getAll, putAll and so on.
 * No closure, timer or object stands for an entry of those.
 */
import { CancelledError, GridError, type TraceContext } from '@ashlar/core';
import { decodeRefusal, decodeValue } from '@ashlar/serialization';
import { type KvAnswers, OPCODE, STATUS } from '@ashlar/transport';

export interface CallTarget {
  /** Nobody waits any more: what is not sent yet is not sent, what comes is dropped. */
  readonly done: boolean;
  /** Each answer lets a caller go on: not one of many that one caller waits for together. */
  readonly isOneCall: boolean;
  /** Operations on one key keep their order among this target's: what a full log refuses is not sent again behind others. */
  readonly keepsOrder?: boolean;
  /** performance.now() after which it fails. */
  readonly deadlineMs: number;
  /** What the deadline was made from; for messages. */
  readonly timeoutMs: number;
  /** The trace it belongs to, where its caller is traced. */
  readonly trace: TraceContext | undefined;
  /**
   * The operation's answer: TRUE or FALSE.
   *
   * @param position   the operation's among all of this target: what the caller gave when it added it
   * @param operation  its index in the columns of `answers`
   */
  answer(position: number, answers: KvAnswers, operation: number): void;
  /** @param key  the operation's key in canonical bytes, for messages */
  fail(position: number, error: GridError, key: Uint8Array | undefined): void;
}

/** What a call may be limited by. */
export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** The trace of the call. Default: what the router's options say. */
  readonly trace?: TraceContext | undefined;
}

/** How time passes for calls, and how much of it those have that name none. */
export interface CallClock {
  readonly defaultTimeoutMs: number;
  readonly nowMs: () => number;
}

/** @throws GridError INVALID_ARGUMENT when it is not a time: the call would never end */
export function checkTimeout(timeoutMs: number): number {
  if (timeoutMs > 0) return timeoutMs;
  throw new GridError('INVALID_ARGUMENT', `timeoutMs is ${timeoutMs}: a positive number of milliseconds is expected`);
}

/** An entry as GET_ENTRY answers it. */
export interface EntryAnswer {
  readonly value: unknown;
  readonly version: number;
  readonly expiresAtMs: number | undefined;
}

/** The value of an answer; undefined where it has none. */
export function answeredValue(answers: KvAnswers, operation: number): unknown {
  const { valueEnds } = answers;
  if (valueEnds === undefined) return undefined;
  const start = operation === 0 ? 0 : valueEnds[operation - 1]!;
  const end = valueEnds[operation]!;
  return end > start ? decodeValue(answers.values, start, end) : undefined;
}

/** The error of an operation that was REFUSED. */
export function refusalOf({ valueEnds, values }: KvAnswers, operation: number): GridError {
  const start = operation === 0 ? 0 : (valueEnds?.[operation - 1] ?? 0);
  try {
    return decodeRefusal(values, start, valueEnds?.[operation] ?? start);
  } catch (error) {
    return GridError.wrap(error);
  }
}

/** The result of a call of this kind. */
export function resultOf(opcode: number, answers: KvAnswers, operation: number): unknown {
  switch (opcode) {
    case OPCODE.GET:
    case OPCODE.GET_AND_PUT:
    case OPCODE.GET_AND_REMOVE:
    case OPCODE.PROCESS:
    case OPCODE.STATEMENT:
      return answeredValue(answers, operation);
    case OPCODE.GET_ENTRY:
      return entryOf(answers, operation);
    case OPCODE.PUT:
      return undefined;
    default:
      return answers.statuses[operation] === STATUS.TRUE;
  }
}

function entryOf(answers: KvAnswers, operation: number): EntryAnswer | undefined {
  if (answers.statuses[operation] !== STATUS.TRUE) return undefined;
  const expiresAtMs = answers.expiresAtMs?.[operation] ?? 0;
  return {
    value: answeredValue(answers, operation),
    version: answers.versions?.[operation] ?? 0,
    expiresAtMs: expiresAtMs === 0 ? undefined : expiresAtMs,
  };
}

/** One operation, one promise. */
export class SingleCall implements CallTarget {
  readonly isOneCall = true;
  done = false;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly trace: TraceContext | undefined;
  readonly #opcode: number;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: GridError) => void;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    opcode: number,
    nowMs: number,
    timeoutMs: number,
    trace: TraceContext | undefined,
    resolve: (value: unknown) => void,
    reject: (error: GridError) => void,
  ) {
    this.#opcode = opcode;
    this.timeoutMs = timeoutMs;
    this.trace = trace;
    this.deadlineMs = nowMs + timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Gives up when `signal` fires. */
  watch(signal: AbortSignal): void {
    this.#signal = signal;
    this.#onAbort = () => this.fail(0, new CancelledError('the call'));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  answer(_position: number, answers: KvAnswers, operation: number): void {
    if (this.done) return;
    this.#end();
    try {
      this.#resolve(resultOf(this.#opcode, answers, operation));
    } catch (error) {
      this.#reject(GridError.wrap(error));
    }
  }

  fail(_position: number, error: GridError): void {
    if (this.done) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.done = true;
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
