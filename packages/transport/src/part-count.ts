/**
 * Counts the parts of a stream and checks them against the number in its last message: a short result must never look
 * like a whole one.
 */
import { GridError } from '@ashlar/core';

export class PartCount {
  /** What the stream is, for errors: "the result", "the rows of member 'b'". */
  readonly #what: string;
  #received = 0;
  #isEnded = false;

  constructor(what: string) {
    this.#what = what;
  }

  /** A part came. */
  add(): void {
    this.#received += 1;
  }

  /**
   * The last message came.
   *
   * @param sent  the parts that it says came before it
   * @throws GridError INTERNAL when another number did
   */
  end(sent: number): void {
    this.#isEnded = true;
    if (sent === this.#received) return;
    throw new GridError('INTERNAL', `${this.#what}: ${this.#received} of ${sent} parts arrived`, {
      hint: 'what arrived is not used: try again, and report it',
      details: { received: this.#received, sent },
    });
  }

  /** The stream is over. @throws GridError CONNECTION_LOST when its last message did not come */
  checkEnded(): void {
    if (this.#isEnded) return;
    throw new GridError('CONNECTION_LOST', `${this.#what} broke off after ${this.#received} parts`, {
      details: { received: this.#received },
    });
  }
}
