/**
 * Whether a way of working pays, found out by trying: it is switched on and off in turn, and stays as calls were answered faster. Where others
 * want the core, or callers come at a pace of their own, it does not.
 *
 *   trial: on off off on on off off on -> the faster one for STAY stretches -> trial ...
 *
 * pays-trial P1  A stretch is STRETCH tasks that ended one after the other, each within GAP_MS; what is interrupted counts for nothing.
 * pays-trial P2  It stays on where a call took less than SHARE of the time that it takes without, else off.
 */
const STRETCH = 256;
const GAP_MS = 5;
/** Stretches of a trial; on and off come as often, and as early. */
const TRIAL: readonly boolean[] = [true, false, false, true, true, false, false, true];
const STAY = 64;
const SHARE = 0.99;

export class PaysTrial {
  isOn = true;
  /** Stretches since the trial began. */
  #stretch = 0;
  /** Milliseconds a call, of all stretches of the trial. */
  #msOn = 0;
  #msOff = 0;
  #tasks = 0;
  #calls = 0;
  #beganMs = Number.NaN;
  #lastMs = Number.NaN;

  /** A task of so many calls ended. */
  ended(calls: number, nowMs: number): void {
    const goesOn = nowMs - this.#lastMs < GAP_MS;
    this.#lastMs = nowMs;
    if (!goesOn) {
      this.#begin(nowMs);
      return;
    }
    this.#tasks++;
    this.#calls += calls;
    if (this.#tasks < STRETCH) return;
    this.#endStretch((nowMs - this.#beganMs) / this.#calls);
    this.#begin(nowMs);
  }

  /** Something else was under way: the present stretch tells nothing. */
  interrupt(): void {
    this.#lastMs = Number.NaN;
  }

  #begin(nowMs: number): void {
    this.#beganMs = nowMs;
    this.#tasks = 0;
    this.#calls = 0;
  }

  #endStretch(msPerCall: number): void {
    if (this.#stretch < TRIAL.length) {
      if (this.isOn) this.#msOn += msPerCall;
      else this.#msOff += msPerCall;
    }
    this.#stretch++;
    if (this.#stretch === TRIAL.length + STAY) {
      this.#stretch = 0;
      this.#msOn = 0;
      this.#msOff = 0;
    }
    if (this.#stretch < TRIAL.length) this.isOn = TRIAL[this.#stretch]!;
    else if (this.#stretch === TRIAL.length) this.isOn = this.#msOn < this.#msOff * SHARE;
  }
}
