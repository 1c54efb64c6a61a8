/**
 * The facts about every row: which writes were sent, which answers came. One writer writes a key, one write at a time, so
 * a reader that began after an answer has a bound from below, and every reader one from above.
 *
 * ledger L1  A read that begins after write n of a key was answered sees n or a later one; after a remove, a later one or
 *            none.
 * ledger L2  Nobody sees a write that was not sent.
 * ledger L3  A row that was stored to stay is there until a remove or a write that expires is sent.
 * ledger L4  A row whose time to live has passed by EXPIRY_SLACK_MS is gone.
 */
import { type CheckedRow, whatIsWrong } from '../rows.ts';
import { SoakFault } from '../tally.ts';

/** A sweep comes some 100 ms behind the deadline; a machine that does ten things at once may be late with it. */
const EXPIRY_SLACK_MS = 5000;

/** The ledger as it was when a read began. */
export interface LedgerView {
  readonly floor: Int32Array;
  readonly mustBeThere: Uint8Array;
  readonly clearings: Int32Array;
}

export class Ledger {
  readonly keyCount: number;
  /** The highest write sent, by key. */
  readonly sent: Int32Array;
  readonly #floor: Int32Array;
  readonly #mustBeThere: Uint8Array;
  /** How often mustBeThere was taken back. */
  readonly #clearings: Int32Array;
  readonly #goneByMs: Float64Array;

  constructor(keyCount: number) {
    this.keyCount = keyCount;
    this.sent = new Int32Array(keyCount);
    this.#floor = new Int32Array(keyCount);
    this.#mustBeThere = new Uint8Array(keyCount);
    this.#clearings = new Int32Array(keyCount);
    this.#goneByMs = new Float64Array(keyCount).fill(Infinity);
  }

  /* ---- Writers ----------------------------------------------------------------------------------------------------- */

  /** The number of the write that is sent now. */
  next(key: number): number {
    return ++this.sent[key]!;
  }

  isThere(key: number): boolean {
    return this.#mustBeThere[key] === 1;
  }

  /** Something is sent after which the row may be gone. */
  mayGo(key: number): void {
    this.#mustBeThere[key] = 0;
    this.#clearings[key]!++;
  }

  /** The write was refused: the row is as it was before mayGo. */
  stays(key: number): void {
    this.#mustBeThere[key] = 1;
  }

  stored(key: number, n: number): void {
    this.#settle(key, n, 1, Infinity);
  }

  storedFor(key: number, n: number, ttlMs: number): void {
    this.#settle(key, n, 0, Date.now() + ttlMs + EXPIRY_SLACK_MS);
  }

  /** Stored; whether it stays is not known: it may have kept the deadline of the one before. */
  storedSomehow(key: number, n: number): void {
    this.#settle(key, n, 0, Infinity);
  }

  /** @param n  a number that no row was written with: the rows before it are gone */
  removed(key: number, n: number): void {
    this.#settle(key, n, 0, Infinity);
  }

  /** Whether the write was applied is not known. */
  unsure(key: number): void {
    this.mayGo(key);
    this.#goneByMs[key] = Infinity;
  }

  #settle(key: number, n: number, isThere: 0 | 1, goneByMs: number): void {
    this.#floor[key] = n;
    this.#mustBeThere[key] = isThere;
    this.#goneByMs[key] = goneByMs;
  }

  /* ---- Readers ----------------------------------------------------------------------------------------------------- */

  view(): LedgerView {
    const nowMs = Date.now();
    for (let key = 0; key < this.keyCount; key++) {
      if (this.#goneByMs[key]! > nowMs) continue;
      this.#floor[key]!++;
      this.#goneByMs[key] = Infinity;
    }
    return { floor: this.#floor.slice(), mustBeThere: this.#mustBeThere.slice(), clearings: this.#clearings.slice() };
  }

  /**
   * Checks a row that a read brought.
   *
   * @param most  the writes that can be in it, by key: those sent when its snapshot was open already
   * @throws SoakFault
   */
  check(view: LedgerView, key: unknown, value: unknown, by: string, most: Int32Array = this.sent): void {
    const wrong = whatIsWrong(key, value);
    if (wrong !== undefined)
      throw new SoakFault(`torn or freed row, by ${by}: key ${String(key)}: ${wrong}`, { value });
    this.checkWrite(view, key as number, (value as CheckedRow).n, by, most);
  }

  checkWrite(view: LedgerView, key: number, n: number, by: string, most: Int32Array = this.sent): void {
    const [least, sent] = [view.floor[key]!, most[key]!];
    if (n >= least && n <= sent) return;
    const what = n > sent ? 'future row' : 'row that was overwritten, removed or expired before the read began';
    throw new SoakFault(`${what}, by ${by}: key ${key} shows write ${n}`, { least, sent });
  }

  /** Checks that nothing is missing in a read of all rows. @throws SoakFault */
  checkAll(view: LedgerView, seen: ReadonlySet<number>, by: string): void {
    for (let key = 0; key < this.keyCount; key++) {
      if (view.mustBeThere[key] === 0 || this.#clearings[key] !== view.clearings[key] || seen.has(key)) continue;
      throw new SoakFault(`missing row, by ${by}: key ${key}`, { least: view.floor[key], sent: this.sent[key] });
    }
  }
}
