/**
 * Puts the feed into the grid, at full speed or at a given pace, never too far ahead.
 *
 * sender N1  At most IN_FLIGHT_MAX puts are unanswered.
 * sender N2  Puts are made in the order of the feed; a confirmation only when the put of its transaction was answered.
 * sender N3  Every transaction that lies AHEAD_MAX transactions, or AHEAD_MS of event time, behind the one to be sent was
 *            scored: so alerts follow closely, and partitions do not run further apart than the rules remember.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Grid, GridError, type GridMap } from '@ashlar/api';
import type { FeedItem } from './feed.ts';
import { type CustomerState, Customers, DAY_MS, type Transaction, Transactions } from './model.ts';
import type { SimulatedTransaction } from './simulation.ts';

const IN_FLIGHT_MAX = 1024;
const AHEAD_MAX = 4096;
/** Well below the slack of the rules. */
const AHEAD_MS = 3 * DAY_MS;
/** Transactions, or event time, that are checked together. */
const ROUND_MAX = 2048;
const ROUND_MS = DAY_MS;
const CHECK_PAUSE_MS = 2;
/** A listener that scores nothing for this long is taken for dead. */
const STALLED_MS = 30_000;

export interface SendOptions {
  readonly signal: AbortSignal;
  /** Called before each put. */
  readonly onSend: (item: FeedItem) => void;
  /** Transactions and confirmations a second; what is late is sent at once. Undefined: as fast as the grid takes them. */
  readonly perSecond?: number | undefined;
}

/** Resolves when every put is answered. @throws what a put throws, or the signal's reason */
export async function sendFeed(grid: Grid, items: Iterable<FeedItem>, options: SendOptions): Promise<void> {
  const { signal, onSend, perSecond } = options;
  const transactions = grid.map(Transactions);
  const window = new SendWindow(IN_FLIGHT_MAX);
  const scoring = new Scoring(grid, signal);
  const due = perSecond === undefined ? undefined : pace(perSecond, signal);
  for (const item of items) {
    signal.throwIfAborted();
    await due?.();
    const { txId, customerId } = item.transaction;
    if (item.kind === 'confirmation') await window.answered(txId);
    else if (scoring.isTooFarBehind(item.transaction)) await scoring.catchUp(item.transaction);
    await window.room();
    onSend(item);
    window.add(txId, transactions.put([customerId, txId], toTransaction(item), { signal }));
    if (item.kind === 'transaction') scoring.sent(item.transaction);
  }
  await window.empty();
}

function toTransaction(item: FeedItem): Transaction {
  const { customerId, terminalId, amount, atMs } = item.transaction;
  const transaction = { customerId, terminalId, amount, at: new Date(atMs), sentAtMs: nowMs() };
  return item.kind === 'transaction' ? transaction : { ...transaction, confirmedAt: new Date(item.confirmedAtMs) };
}

/** Returns a function that resolves when the next item is due: `perSecond` a second from the first call on. */
function pace(perSecond: number, signal: AbortSignal): () => Promise<void> {
  let startMs: number | undefined;
  let count = 0;
  return async () => {
    startMs ??= performance.now();
    const waitMs = startMs + (1000 * count++) / perSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  };
}

/** Milliseconds since 1970 with fractions, on the monotonic clock: what latencies are taken from. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Transactions sent together, and the last one of each customer that is not known to be scored. */
interface Round {
  readonly first: SimulatedTransaction;
  readonly waiting: Map<number, number>;
}

/** How far the grid has scored what was sent, by the customers' states. */
class Scoring {
  readonly #customers: GridMap<number, CustomerState>;
  readonly #signal: AbortSignal;
  /** Oldest first; the newest is still growing. */
  readonly #rounds: Round[] = [];

  constructor(grid: Grid, signal: AbortSignal) {
    this.#customers = grid.map(Customers);
    this.#signal = signal;
  }

  sent(transaction: SimulatedTransaction): void {
    const newest = this.#rounds.at(-1);
    if (newest === undefined || ahead(newest.first, transaction, ROUND_MAX, ROUND_MS)) {
      this.#rounds.push({ first: transaction, waiting: new Map([[transaction.customerId, transaction.txId]]) });
    } else {
      newest.waiting.set(transaction.customerId, transaction.txId);
    }
  }

  isTooFarBehind(next: SimulatedTransaction): boolean {
    const oldest = this.#rounds[0];
    return oldest !== undefined && ahead(oldest.first, next, AHEAD_MAX, AHEAD_MS);
  }

  /** Waits until the rounds that lie too far back are scored. */
  async catchUp(next: SimulatedTransaction): Promise<void> {
    const stalled = stallAlarm();
    while (this.isTooFarBehind(next)) {
      const { waiting } = this.#rounds[0]!;
      stalled(waiting.size);
      const customerIds = [...waiting.keys()];
      const states = await this.#customers.getAll(customerIds, { signal: this.#signal });
      for (const [at, customerId] of customerIds.entries()) {
        if ((states[at]?.lastTxId ?? -1) >= waiting.get(customerId)!) waiting.delete(customerId);
      }
      if (waiting.size === 0) this.#rounds.shift();
      else await sleep(CHECK_PAUSE_MS, undefined, { signal: this.#signal });
    }
  }
}

/**
 * Call it with how much is left, again and again.
 *
 * @throws GridError DEADLINE_EXCEEDED when that has not changed for STALLED_MS
 */
export function stallAlarm(): (left: number) => void {
  let before: number | undefined;
  let sinceMs = performance.now();
  return (left) => {
    if (left !== before) sinceMs = performance.now();
    before = left;
    if (performance.now() - sinceMs < STALLED_MS) return;
    throw new GridError('DEADLINE_EXCEEDED', `no transaction was scored for ${STALLED_MS / 1000} s`, {
      hint: "the members' logs say why the listener stands still",
    });
  };
}

/** Whether `later` is at least this many transactions, or this much event time, after `earlier`. */
function ahead(earlier: SimulatedTransaction, later: SimulatedTransaction, count: number, timeMs: number): boolean {
  return later.txId - earlier.txId >= count || later.atMs - earlier.atMs >= timeMs;
}

/** Counts what is unanswered and lets the sender wait for room. The first failure is thrown at the next wait. */
class SendWindow {
  readonly #max: number;
  readonly #inFlight = new Map<number, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  add(txId: number, put: Promise<void>): void {
    const done = put
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => {
        this.#inFlight.delete(txId);
        this.#wake?.();
      });
    this.#inFlight.set(txId, done);
  }

  room(): Promise<void> {
    return this.#below(this.#max);
  }

  empty(): Promise<void> {
    return this.#below(1);
  }

  async answered(txId: number): Promise<void> {
    await this.#inFlight.get(txId);
  }

  async #below(limit: number): Promise<void> {
    while (this.#inFlight.size >= limit && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
