/**
 * Operations of one kind that wait to be sent to a member, and whether they are worth a message now.
 *
 *   flush -> worth a message? -- yes --> sealed, sent: owed += count ... answers: owed -= count
 *                            \-- no ---> gathers on, until answers came or HOLD_MS are over
 *
 * A message costs each end as much as some twenty operations. Where a turn's calls go to three members, three thin batches leave, their
 * answers come thin, and what those let callers ask is thinner still. So a batch that is thin beside what the member
 * owes already waits for more (Nagle's rule, by operations instead of bytes).
 *
 * gathering G1  Few callers do not wait: nothing is held while the member owes SPARSE_OPERATIONS or fewer. Nor while no
 *               batch is under way to another member: client and members work at the same time.
 * gathering G2  Nothing is held for longer than HOLD_MS, nor parts of a call for many entries at all: their callers wait for
 *               the last one.
 */
import { BatchBuilder } from './batch-builder.ts';

/** Operations that a member may owe with whom nobody gathers. */
const SPARSE_OPERATIONS = 16;
/** A batch with that many operations, or bytes, is worth a message whatever is owed. */
const DENSE_OPERATIONS = 128;
const DENSE_BYTES = 16 << 10;
/** Longest time that operations are held to gather more; timers take a millisecond at least. */
export const HOLD_MS = 1;

export class Gathering {
  readonly builder: BatchBuilder;
  /** Operations that were sent, and are not answered. */
  #owed = 0;
  /** Since when it is held; undefined: it is not. */
  #heldSinceMs: number | undefined;

  constructor(options: ConstructorParameters<typeof BatchBuilder>[0]) {
    this.builder = new BatchBuilder(options);
  }

  /**
   * Whether what has gathered is to be sent now; if not, it is held from here on.
   *
   * @param batchesElsewhere  that are under way to other members
   */
  isWorthAMessage(nowMs: number, batchesElsewhere: number): boolean {
    if (batchesElsewhere === 0 || this.#isDense() || nowMs - (this.#heldSinceMs ?? nowMs) >= HOLD_MS) return true;
    this.#heldSinceMs ??= nowMs;
    return false;
  }

  #isDense(): boolean {
    const { count, bytes, targets } = this.builder;
    return (
      this.#owed <= SPARSE_OPERATIONS ||
      count >= this.#owed ||
      count >= DENSE_OPERATIONS ||
      bytes >= DENSE_BYTES ||
      targets[count - 1]?.isOneCall === false
    );
  }

  /** Whether it gathers on because it was not worth a message. */
  get isHeld(): boolean {
    return this.#heldSinceMs !== undefined;
  }

  /** It is sealed, or waits for something else. */
  release(): void {
    this.#heldSinceMs = undefined;
  }

  sent(operations: number): void {
    this.#owed += operations;
  }

  answered(operations: number): void {
    this.#owed -= operations;
  }

  /** The link is lost, and what was owed with it. */
  forget(): void {
    this.#owed = 0;
    this.release();
  }
}
