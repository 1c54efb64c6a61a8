/**
 * When subscriptions tell what no event told: places that have moved, and versions that are resolved.
 *
 *   feeds in a ring -> one after the other, each every 100 ms -> something to tell? -> due, woken
 *
 * feed-beat B1  Feeds are visited one by one, spread over the time: a hundred that speak at once would hold everybody's answers.
 * feed-beat B2  A feed whose caller waits for resolved versions is due at every visit. Places alone, which matter only when a link
 *               breaks, are told at most PLACES_PER_S times a second by all feeds together: the more feeds, the seldomer.
 */
import type { Subscription } from '@ashlar/events';

/** A subscription and what its caller wants to hear besides events. */
export interface Feed {
  readonly subscription: Pick<Subscription, 'hasMoved' | 'wake'>;
  /** Its caller waits for versions that are resolved. */
  readonly tellsResolved: boolean;
  /** It is its turn to tell of its places. */
  isDue: boolean;
  /** When it was due last; the beat's clock. */
  dueAtMs: number;
}

/** How often a feed is visited. */
export const VISIT_EVERY_MS = 100;
/** Feeds are visited together where a visit for each would need a timer more often. */
const TICK_LEAST_MS = 5;
const PLACES_PER_S = 500;

export interface FeedBeatOptions {
  readonly nowMs: () => number;
  /** Runs something later, unless the process ends before; answers the way to stop it. */
  readonly later: (delayMs: number, run: () => void) => () => void;
}

const CLOCK: FeedBeatOptions = {
  nowMs: () => performance.now(),
  later: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

export class FeedBeat {
  readonly #options: FeedBeatOptions;
  readonly #feeds: Feed[] = [];
  /** Index of the feed that is visited next. */
  #next = 0;
  #stop: (() => void) | undefined;

  constructor(options: FeedBeatOptions = CLOCK) {
    this.#options = options;
  }

  add(feed: Feed): void {
    this.#feeds.push(feed);
    if (this.#stop === undefined) this.#arm();
  }

  delete(feed: Feed): void {
    const at = this.#feeds.indexOf(feed);
    if (at < 0) return;
    this.#feeds.splice(at, 1);
    if (at < this.#next) this.#next -= 1;
    if (this.#feeds.length > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** One timer for all feeds: each is visited every VISIT_EVERY_MS. */
  #arm(): void {
    const count = this.#feeds.length;
    const tickMs = Math.max(TICK_LEAST_MS, VISIT_EVERY_MS / count);
    const visits = Math.ceil((count * tickMs) / VISIT_EVERY_MS);
    this.#stop = this.#options.later(tickMs, () => {
      this.#tick(visits);
      if (this.#feeds.length > 0) this.#arm();
      else this.#stop = undefined;
    });
  }

  #tick(visits: number): void {
    const nowMs = this.#options.nowMs();
    for (let visit = 0; visit < visits && this.#feeds.length > 0; visit++) {
      if (this.#next >= this.#feeds.length) this.#next = 0;
      this.#visit(this.#feeds[this.#next++]!, nowMs);
    }
  }

  #visit(feed: Feed, nowMs: number): void {
    const placesEveryMs = (this.#feeds.length / PLACES_PER_S) * 1000;
    const isTimeForPlaces = nowMs - feed.dueAtMs >= placesEveryMs && feed.subscription.hasMoved;
    if (!feed.tellsResolved && !isTimeForPlaces) return;
    feed.isDue = true;
    feed.dueAtMs = nowMs;
    feed.subscription.wake();
  }
}
