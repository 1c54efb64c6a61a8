/**
 * All subscriptions of a member: notifies those of a partition that it has new records.
 *
 * event-hub H1  A subscription is notified of the partitions that it reads, from `open` to `close`, and of no others; a
 *               closed one of none.
 * event-hub H2  At most `subscriptionsMax` are open; what those that conflate keep together is within one budget, and what a
 *               closed one kept is given back.
 * event-hub H3  For subscriptions that sleep, the records are looked at together (shared-look.ts), in slices, and for at most a
 *               quarter of the time: many that nothing is for do not keep those waiting that something is for.
 * event-hub H4  Where commits are far apart a subscription is woken by the commit; where several come in one turn of the event
 *               loop (many writers), once for all of them, at the turn's end (turn-wakes.ts).
 */
import { assert, GridError } from '@ashlar/core';
import { EventColumnsWriter } from './event-columns.ts';
import type { LogSource } from './log-source.ts';
import { SharedLook } from './shared-look.ts';
import { BATCH_EVENTS, Subscription, type SubscriptionOptions } from './subscription.ts';
import { TurnWakes } from './turn-wakes.ts';

/** Bytes that conflating subscriptions of a member keep together. */
const CONFLATION_BYTES_MAX = 64 << 20;

/** Looks of one slice take about so long. */
const LOOK_SLICE_MS = 0.5;
/** A shorter delay is a turn of the event loop: timers take a millisecond at least. */
const TIMER_FROM_MS = 0.25;
/** Rests after a slice, in times that it took. */
const REST_SHARE = 3;

export interface EventHubOptions {
  readonly partitionCount: number;
  readonly subscriptionsMax: number;
  /** Milliseconds of a clock that only rises. */
  readonly nowMs?: () => number;
  /** Runs something after so many milliseconds, of the loop's next turn at the earliest. */
  readonly later?: (delayMs: number, run: () => void) => void;
}

function laterByTimer(delayMs: number, run: () => void): void {
  if (delayMs < TIMER_FROM_MS) setImmediate(run);
  else setTimeout(run, delayMs).unref();
}

export class EventHub {
  readonly #logs: LogSource;
  readonly #subscriptionsMax: number;
  readonly #partitionCount: number;
  readonly #open = new Set<Subscription>();
  readonly #writer = new EventColumnsWriter(BATCH_EVENTS);
  readonly #nowMs: () => number;
  readonly #later: (delayMs: number, run: () => void) => void;
  /** For those that sleep; it knows, too, who does not. */
  readonly #shared: SharedLook<Subscription>;
  #isLookDue = false;
  readonly #wakes: TurnWakes;
  readonly #budget = { bytes: 0, bytesMax: CONFLATION_BYTES_MAX };

  constructor(logs: LogSource, options: EventHubOptions) {
    this.#logs = logs;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#later = options.later ?? laterByTimer;
    this.#wakes = new TurnWakes((endTurn) => this.#later(0, endTurn));
    this.#subscriptionsMax = options.subscriptionsMax;
    this.#partitionCount = options.partitionCount;
    this.#shared = new SharedLook(logs, options.partitionCount);
  }

  get count(): number {
    return this.#open.size;
  }

  get subscriptionsMax(): number {
    return this.#subscriptionsMax;
  }

  /** Bytes that conflating subscriptions keep. */
  get conflatedBytes(): number {
    return this.#budget.bytes;
  }

  /** Log records that subscriptions have not read: of all together, and of the one that is furthest behind. */
  lag(): { readonly sum: number; readonly most: number } {
    let sum = 0;
    let most = 0;
    for (const { lagRecords } of this.#open) {
      sum += lagRecords;
      most = Math.max(most, lagRecords);
    }
    return { sum, most };
  }

  /** @throws GridError OVERLOADED, or what the first look at the logs throws */
  open(options: SubscriptionOptions): Subscription {
    if (this.#open.size >= this.#subscriptionsMax) {
      throw new GridError('OVERLOADED', `the member has ${this.#subscriptionsMax} subscriptions`, {
        hint: 'close subscriptions that are not read, or share one',
      });
    }
    const subscription = new Subscription(this.#logs, options, this.#budget, this.#writer, this.#shared);
    assert(
      subscription.partitions.every((partition) => partition >= 0 && partition < this.#partitionCount),
      'event-hub H1: a subscription reads a partition that the grid has not',
    );
    this.#open.add(subscription);
    this.#shared.awake.add(subscription);
    return subscription;
  }

  close(subscription: Subscription): void {
    this.#open.delete(subscription);
    subscription.close();
    this.#shared.awake.delete(subscription);
    const isGivenBack = this.#open.size > 0 || this.#budget.bytes === 0;
    assert(isGivenBack, 'event-hub H2: nobody is open, and changes are kept');
  }

  /** Maps were made or dropped. */
  mapsChanged(): void {
    for (const subscription of this.#open) subscription.mapsChanged();
  }

  /** Partitions were won or lost: to be called for every such change (subscription U7). */
  ownersChanged(): void {
    for (const subscription of this.#open) subscription.ownersChanged();
  }

  /** A batch was committed in a partition. */
  committed(partition: number): void {
    for (const subscription of this.#shared.awake) {
      if (!subscription.reads(partition)) continue;
      if (subscription.committed(partition) === 'wake') this.#wakes.wake(subscription);
    }
    this.#wakes.committed();
    if (this.#shared.committed(partition)) this.#lookAfter(0);
  }

  #lookAfter(delayMs: number): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    this.#later(delayMs, this.#look);
  }

  readonly #look = (): void => {
    const startedMs = this.#nowMs();
    let tookMs = 0;
    while (tookMs < LOOK_SLICE_MS && this.#shared.isBehind) {
      this.#shared.step();
      tookMs = this.#nowMs() - startedMs;
    }
    this.#rest(tookMs);
  };

  /** Until the rest is over, notices of commits wait (event-hub H3). */
  #rest(tookMs: number): void {
    this.#later(tookMs * REST_SHARE, () => {
      this.#isLookDue = false;
      if (this.#shared.isBehind) this.#lookAfter(0);
    });
  }
}
