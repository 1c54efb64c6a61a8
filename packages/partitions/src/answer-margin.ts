/**
 * The part of a caller's time that is kept for an answer such as "no room", "no place" or "no turn": what waits in a member
 * gives up that long before the caller does, so that the caller learns why, and not only that its time is over.
 */

/** Share of the caller's time: on a busy machine each turn of each loop comes late, and longer waits can spare more. */
const SHARE = 0.2;
const MAX_MS = 1000;

/** @param timeMs  what the caller gave, or has left */
export function answerMarginMs(timeMs: number): number {
  return Math.min(MAX_MS, Math.max(0, timeMs) * SHARE);
}
