/**
 * Calls of one kind take turns: so many are under way, the others wait in the order in which they came, within their own
 * time. A member refuses too much at once; a client that asks for ten thousand things waits in its own queue.
 *
 *   enter -> room? now : queue -> turn ... leave -> next
 *
 * turns T1  A turn ends when its holder leaves, or with the holder's deadline: one that is never given back stops nobody for
 *           ever.
 * turns T2  Who waits leaves the queue by its signal (CANCELLED), its deadline (DEADLINE_EXCEEDED: nothing was sent) or
 *           close().
 */
import { CancelledError, GridError } from '@ashlar/core';

export interface TurnLimits {
  readonly signal?: AbortSignal | undefined;
  /** The caller's timeout, for the error's message. */
  readonly timeoutMs: number;
  /** Deadline by performance.now(); Infinity: none. */
  readonly deadlineMs: number;
}

export interface Turn {
  /** Idempotent. */
  leave(): void;
}

const QUEUE_MAX = 100_000;
/** How often turns past their deadline are looked for while others wait. */
const LOOK_EVERY_MS = 100;
/** A timer takes at most 2^31 ms. */
const TIMER_MS_MAX = 0x7fff_ffff;

interface Waiting {
  readonly deadlineMs: number;
  readonly settle: (outcome: Turn | GridError) => void;
}

export class Turns {
  readonly #what: string;
  readonly #max: () => number;
  readonly #held = new Set<HeldTurn>();
  readonly #queue = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * @param what  for messages: "statements"
   * @param max   how many may be under way, asked anew each time
   */
  constructor(what: string, max: () => number) {
    this.#what = what;
    this.#max = max;
  }

  /** How many wait. */
  get waitingCount(): number {
    return this.#queue.size;
  }

  /** A turn, at once where there is room. @throws GridError OVERLOADED, CANCELLED, DEADLINE_EXCEEDED, CLIENT_CLOSED */
  enter(limits: TurnLimits): Turn | Promise<Turn> {
    if (this.#isClosed) throw closed();
    if (this.#queue.size === 0 && this.#held.size < this.#max()) return this.#give(limits.deadlineMs);
    if (limits.signal?.aborted === true) throw new CancelledError(this.#what);
    if (this.#queue.size >= QUEUE_MAX) throw this.#overloaded();
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    return this.#wait(limits);
  }

  /** Whoever waits gets CLIENT_CLOSED. */
  close(): void {
    this.#isClosed = true;
    for (const { settle } of [...this.#queue]) settle(closed());
    clearInterval(this.#timer);
  }

  /** @internal */
  left(turn: HeldTurn): void {
    if (this.#held.delete(turn)) this.#advance();
  }

  #give(deadlineMs: number): Turn {
    const turn = new HeldTurn(this, deadlineMs);
    this.#held.add(turn);
    return turn;
  }

  #wait({ signal, timeoutMs, deadlineMs }: TurnLimits): Promise<Turn> {
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    const leftMs = Math.max(1, deadlineMs - performance.now());
    const timer =
      leftMs > TIMER_MS_MAX ? undefined : setTimeout(() => waiting.settle(this.#overdue(timeoutMs)), leftMs);
    const onAbort = (): void => waiting.settle(new CancelledError(this.#what));
    const waiting: Waiting = {
      deadlineMs,
      settle: (outcome) => {
        this.#queue.delete(waiting);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (outcome instanceof GridError) reject(outcome);
        else resolve(outcome);
      },
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#queue.add(waiting);
    return promise;
  }

  #advance(): void {
    for (const waiting of this.#queue) {
      if (this.#held.size >= this.#max()) return;
      waiting.settle(this.#give(waiting.deadlineMs));
    }
  }

  /** turns T1 */
  #look(): void {
    const nowMs = performance.now();
    for (const turn of this.#held) if (turn.deadlineMs <= nowMs) this.#held.delete(turn);
    this.#advance();
    if (this.#queue.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #overdue(timeoutMs: number): GridError {
    return new GridError(
      'DEADLINE_EXCEEDED',
      `it waited ${timeoutMs} ms for its turn among the ${this.#what} of this client, and was not sent`,
      {
        hint: 'ask for less at once, read open results to the end, or give it more time',
        details: { timeoutMs, underWay: this.#held.size, waiting: this.#queue.size },
      },
    );
  }

  #overloaded(): GridError {
    return new GridError('OVERLOADED', `${this.#queue.size} ${this.#what} of this client wait for their turn`, {
      hint: 'wait for some before asking for more',
      details: { waiting: this.#queue.size, limit: QUEUE_MAX },
    });
  }
}

class HeldTurn implements Turn {
  readonly deadlineMs: number;
  readonly #turns: Turns;

  constructor(turns: Turns, deadlineMs: number) {
    this.#turns = turns;
    this.deadlineMs = deadlineMs;
  }

  leave(): void {
    this.#turns.left(this);
  }
}

function closed(): GridError {
  return new GridError('CLIENT_CLOSED', 'the client was closed');
}
