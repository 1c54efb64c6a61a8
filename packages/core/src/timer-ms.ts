/** The longest that a timer waits, some 24 days: one that is asked for longer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A time for setTimeout(), at least a millisecond and as far as timers reach. @param ms  Infinity: no end */
export function timerMs(ms: number): number {
  return Math.min(Math.max(1, ms), TIMER_MS_MAX);
}
