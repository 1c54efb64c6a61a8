/**
 * Wakes subscriptions for commits: at once where commits are far apart, once a turn of the event loop where they crowd.
 *
 *   commit -> first of its turn, no crowd -> wake now
 *                                    else -> wait for the turn's end -> wake all who wait
 *
 * Each wake-up is a message to a subscriber. Many writers have many commits in one turn: a message for each, to each of many
 * subscribers, costs far more than the writes themselves.
 *
 * turn-wakes T1  Whoever is noticed is woken within the turn, whatever comes before.
 * turn-wakes T2  In one turn a subscription is woken twice at most: by the first commit and at the end; in a crowd once.
 * turn-wakes T3  But after COMMITS_MAX commits all who wait are woken: a long turn puts nobody so far behind that it would be
 *                taken for slow, or that the log gave up what it has not read.
 */

/** A subscription, as it is woken. */
export interface Sleeper {
  /** Number of the turn in which it was woken last; kept here by TurnWakes. */
  wokenInTurn: number;
  wake(): void;
  /** As wake(), unless it was woken or read meanwhile. */
  wakeIfNoticed(): void;
}

/** Turns in a row that wait for their end before it is found out whether commits still crowd. */
const CROWDED_TURNS = 8;
/** Commits, counted by partition. */
const COMMITS_MAX = 256;

export class TurnWakes {
  readonly #atTurnsEnd: (run: () => void) => void;
  /** Counts turns with commits, from 1. */
  #turn = 1;
  #waiting: Sleeper[] = [];
  #isTurnOpen = false;
  #crowdedTurns = 0;
  /** Since those who wait were woken. */
  #commits = 0;

  /** @param atTurnsEnd  runs something when the event loop has turned */
  constructor(atTurnsEnd: (run: () => void) => void) {
    this.#atTurnsEnd = atTurnsEnd;
  }

  wake(sleeper: Sleeper): void {
    if (!this.#isTurnOpen) {
      this.#isTurnOpen = true;
      this.#atTurnsEnd(this.#endTurn);
    }
    if (this.#crowdedTurns > 0 || sleeper.wokenInTurn === this.#turn) this.#waiting.push(sleeper);
    else {
      sleeper.wokenInTurn = this.#turn;
      sleeper.wake();
    }
  }

  /** A partition has committed, and whoever reads it was noticed. */
  committed(): void {
    this.#commits += 1;
    if (this.#commits >= COMMITS_MAX) this.#wakeWaiting();
  }

  readonly #endTurn = (): void => {
    this.#isTurnOpen = false;
    this.#turn += 1;
    if (this.#waiting.length > 0)
      this.#crowdedTurns = this.#crowdedTurns === 0 ? CROWDED_TURNS : this.#crowdedTurns - 1;
    this.#wakeWaiting();
  };

  #wakeWaiting(): void {
    this.#commits = 0;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const sleeper of waiting) sleeper.wakeIfNoticed();
  }
}
