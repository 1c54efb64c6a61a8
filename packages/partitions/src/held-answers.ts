/**
 * Answers that wait for a commit, counted by what they report. Where commits are prompt none is ever held.
 *
 * A held answer is one that was known and could not be sent when its work was done: it hangs on a batch that was sealed
 * and not decided. What waits for anything else (a processor's turn, room in a log) is not counted here.
 */

/** What an answer reports, by the label of its metric. */
export type HeldKind =
  | 'put'
  | 'remove'
  /** A condition that did not hold: a mutation that changed nothing because of what another one wrote. */
  | 'condition'
  /** There was no such entry: somebody removed it, or it expired, and that is not committed yet. */
  | 'absence'
  /** The value that a mutation replaced or removed was written by another one, and is not committed yet. */
  | 'old-value'
  /** A read that sees what its own session wrote. */
  | 'own-read'
  /** A mutation that was sent again while its first sending is undecided. */
  | 'duplicate'
  | 'processor'
  | 'ready-made'
  /** A statement, or this member's part of one. */
  | 'statement'
  /** What a listener wrote, and its checkpoint. */
  | 'write-set';

/** All kinds, in the order in which they are shown. */
export const HELD_KINDS: readonly HeldKind[] = [
  ...(['put', 'remove', 'condition', 'absence', 'old-value', 'own-read', 'duplicate'] as const),
  ...(['processor', 'ready-made', 'statement', 'write-set'] as const),
];

export class HeldAnswers {
  readonly #counts = new Map<HeldKind, number>(HELD_KINDS.map((kind) => [kind, 0]));

  /** `answers` more of a kind are held. */
  note(kind: HeldKind, answers = 1): void {
    this.#counts.set(kind, this.#counts.get(kind)! + answers);
  }

  /** How many were held since the member started. */
  of(kind: HeldKind): number {
    return this.#counts.get(kind)!;
  }
}
