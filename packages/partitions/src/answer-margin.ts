/**
 * What is kept of a caller's time for the answer that there was no room, no place, no turn: who waits for it in a member
 * gives up so long before. A caller is told why, then, and not only that its time is over.
 */

/** Of a busy machine too, where each turn of each loop comes late: the longer somebody can wait, the more it may take. */
const SHARE = 0.2;
const MAX_MS = 1000;

/** @param timeMs  what the caller gave, or has left */
export function answerMarginMs(timeMs: number): number {
  return Math.min(MAX_MS, Math.max(0, timeMs) * SHARE);
}
