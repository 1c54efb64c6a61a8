/**
 * When the turns of a host come: behind the callback that asked while callbacks come one at a time, so that a lone write does not wait
 * for the event loop on each of its ways, and at the end of the event loop's turn while they come close together.
 *
 *   asked -> [quiet] behind the callback           asked soon after a turn -> dense: end of the loop turn, DENSE_TURNS times -> quiet
 *
 * turn-pace T1  Whoever asks is followed by a turn before the event loop looks for input again; never within the call.
 * turn-pace T2  What asks within CLOSE_MS of the turn before, in the same turn of the loop or right behind it, shares a turn with all
 *               else of its loop turn: what goes on in microtasks, each step asking again, does not keep the loop from turning.
 */

/** Two callbacks that the event loop had at once are not further apart. */
const CLOSE_MS = 0.03;
/** Turns at the end of the loop's before callbacks are followed at once again. */
const DENSE_TURNS = 32;

export interface PaceTimers {
  /** Once, when what runs at the moment has ended. */
  next(run: () => void): void;
  /** Once, at the end of this turn of the event loop. */
  soon(run: () => void): void;
}

export class TurnPace {
  readonly #timers: PaceTimers;
  readonly #nowMs: () => number;
  readonly #turn: () => void;
  #isAsked = false;
  #turnedMs = Number.NEGATIVE_INFINITY;
  #denseTurns = 0;

  constructor(timers: PaceTimers, nowMs: () => number, turn: () => void) {
    this.#timers = timers;
    this.#nowMs = nowMs;
    this.#turn = turn;
  }

  /** turn-pace T1 */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    if (this.#denseTurns > 0) this.#denseTurns--;
    else if (this.#nowMs() - this.#turnedMs < CLOSE_MS) this.#denseTurns = DENSE_TURNS;
    if (this.#denseTurns > 0) this.#timers.soon(this.#take);
    else this.#timers.next(this.#take);
  }

  readonly #take = (): void => {
    this.#isAsked = false;
    this.#turn();
    if (this.#denseTurns === 0) this.#turnedMs = this.#nowMs();
  };
}
