/**
 * How long commits take at the moment: whoever holds some answers of a message while others wait for a commit knows by it how long
 * that is worth waiting for.
 */

/** Share of the newest in what is usual. */
const NEWEST_SHARE = 1 / 16;
/** A commit that takes longer says that something is wrong, and not what is usual. */
const MS_MAX = 100;

export class CommitPace {
  #usualMs = 0;

  /** A batch was committed so long after it was sealed. */
  note(ms: number): void {
    this.#usualMs += (Math.min(ms, MS_MAX) - this.#usualMs) * NEWEST_SHARE;
  }

  /** From seal to commit, on average over the last ones; 0: commits are prompt, or none has come yet. */
  get usualMs(): number {
    return this.#usualMs;
  }
}
