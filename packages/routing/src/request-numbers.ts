/**
 * Numbers of a session's mutations, and the lowest that may still be sent again: below it members forget answers.
 *
 * request-numbers N1  Numbers rise by one and are never reused within a session.
 * request-numbers N2  `lowest` never passes a number whose mutation may yet be sent (again).
 */

/** A run of numbers given to one batch. */
export interface NumberRange {
  readonly session: number;
  readonly first: number;
  /** The highest version that the session had seen when the batch was sealed: every record of it is above. */
  readonly version: number;
  /** Mutations of it that may yet be sent (again). */
  left: number;
}

/** Most numbers between a session's lowest unanswered mutation and its newest: bounds the answers that a member keeps. */
const SPAN_MAX = 1 << 18;

export class RequestNumbers {
  /** 0 until a session is open. */
  readonly session: number;
  #next = 1;
  #ranges: NumberRange[] = [];
  #head = 0;

  constructor(session: number) {
    this.session = session;
  }

  /** @param version  the highest that the session has seen */
  take(count: number, version: number): NumberRange {
    const range: NumberRange = { session: this.session, first: this.#next, version, left: count };
    this.#next += count;
    if (count > 0) this.#ranges.push(range);
    return range;
  }

  get lowest(): number {
    while (this.#head < this.#ranges.length && this.#ranges[this.#head]!.left === 0) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#ranges.length) {
      this.#ranges = this.#ranges.slice(this.#head);
      this.#head = 0;
    }
    return this.#ranges[this.#head]?.first ?? this.#next;
  }

  /** No more mutations may be numbered until some are answered. */
  get isFull(): boolean {
    return this.#next - this.lowest >= SPAN_MAX;
  }
}
