/**
 * When a process spins for key-value calls (`spinner.ts`): a caller while a few calls are out, a member between batches that
 * follow each other closely. More than a few calls keep both sides busy without.
 *
 * spin-watch P1  A caller watches only while calls are out that were at most FEW when the last of them was sent, and that within
 *                CLOSE_MS of an answer: who calls now and then sleeps, and so does who has many calls under way. It watches for twice
 *                as long as answers took lately (a write whose member waits for a backup takes longer than a read), and sleeps where they
 *                take longer than anybody spins.
 * spin-watch P2  A member watches for a stream only after answers to batches of at most FEW calls, while its recent ones came closer
 *                together than SPIN_MS: many streams keep it busy without.
 * spin-watch P3  Only batches of key-value calls count: statements, jobs and subscriptions sleep.
 */
import { SPIN_MAX_MS, SPIN_MS, type Spinner } from './spinner.ts';

/** Calls under way, of all connections of a thread, up to which it spins. */
const FEW = 4;
const CLOSE_MS = 1;
/** Weight of the newest distance between two batches, or of the time of an answer, and the longest that counts. */
const NEWEST = 0.25;
const LONGEST_MS = 1;

/** What a caller has out. */
export class CallWatch {
  readonly #spinner: Spinner;
  #out = 0;
  /** Whether they were few when the last of them was sent. */
  #isFew = false;
  #sentMs = Number.NEGATIVE_INFINITY;
  #answeredMs = Number.NEGATIVE_INFINITY;
  /** How long answers took lately, from the last message before them. */
  #tookMs = 0;

  constructor(spinner: Spinner) {
    this.#spinner = spinner;
  }

  /** A message with so many calls was written. */
  sent(calls: number): void {
    this.#out += calls;
    this.#isFew = this.#out <= FEW;
    if (!this.#isFew) return;
    const nowMs = this.#spinner.nowMs();
    this.#sentMs = nowMs;
    if (nowMs - this.#answeredMs < CLOSE_MS) this.#watch(nowMs);
  }

  #watch(nowMs: number): void {
    if (this.#tookMs < SPIN_MAX_MS) this.#spinner.watch(nowMs, Math.max(SPIN_MS, this.#tookMs * 2));
  }

  /** So many calls were answered. */
  answered(calls: number): void {
    this.#out -= calls;
    if (!this.#isFew) return;
    const nowMs = this.#spinner.nowMs();
    this.#answeredMs = nowMs;
    this.#tookMs += (Math.min(nowMs - this.#sentMs, LONGEST_MS) - this.#tookMs) * NEWEST;
    this.#spinner.arrived(nowMs);
    if (this.#out > 0) this.#watch(nowMs);
  }

  /** So many calls will not be answered: their stream is over. */
  lost(calls: number): void {
    this.#out -= calls;
    if (this.#out === 0) this.#spinner.rest(this.#spinner.nowMs());
  }
}

/** What comes to a member by one stream. */
export class BatchWatch {
  readonly #spinner: Spinner;
  #arrivedMs = Number.NEGATIVE_INFINITY;
  #distanceMs = LONGEST_MS;
  #isFew = false;

  constructor(spinner: Spinner) {
    this.#spinner = spinner;
  }

  /** A batch of so many calls came. */
  arrived(calls: number): void {
    this.#isFew = calls <= FEW;
    if (!this.#isFew && !this.#spinner.isWatching) return;
    const nowMs = this.#spinner.nowMs();
    this.#spinner.arrived(nowMs);
    const distanceMs = Math.min(nowMs - this.#arrivedMs, LONGEST_MS);
    this.#distanceMs += (distanceMs - this.#distanceMs) * NEWEST;
    this.#arrivedMs = nowMs;
  }

  /** Answers to the newest batch were written. */
  answered(): void {
    if (this.#isFew && this.#distanceMs < SPIN_MS) this.#spinner.watch(this.#spinner.nowMs());
  }
}
