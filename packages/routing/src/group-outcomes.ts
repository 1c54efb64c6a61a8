/**
 * What became of each operation of a group call, and the error that says so.
 *
 * group-outcomes O1  Each operation, by its position in the group, gets one outcome, the first; one byte a position stands
 *                    for it.
 * group-outcomes O2  Keys are named up to KEYS_NAMED_MAX of a kind; and their number is given. The same holds for refusals,
 *                    with code and details.
 * group-outcomes O3  A group of mutations that was done in part is PARTIAL, never retryable as a whole; if nothing of it was
 *                    applied, its code is that of the first failure.
 */
import { CancelledError, GridError, type KeyRefusal, type RefusalFacts } from '@ashlar/core';
import { decodeKey, type Key } from '@ashlar/serialization';

/** Keys of one kind named in an error, and those kept to be named. */
export const KEYS_NAMED_MAX = 1000;
const FIRST_CAPACITY = 64;

const PENDING = 0;
const DONE = 1;
const NOT_DONE = 2;
const UNKNOWN = 3;
/** Not an outcome yet: it has left. */
const SENT = 4;

/** After these nobody knows whether a mutation was applied. */
const IN_DOUBT: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'CLIENT_CLOSED', 'INTERNAL', 'CORRUPT_DATA']);

/** Whether nobody knows if a mutation that failed so was applied. */
export function isInDoubt(error: GridError): boolean {
  return IN_DOUBT.has(error.code);
}

/** Keys of one kind: as many texts as are named, and how many there are. */
interface Named {
  readonly keys: string[];
  count: number;
}

export class GroupOutcomes {
  /** By position, at least the first KEYS_NAMED_MAX of them; whoever asks adds to it or hands all of them in. */
  readonly #keys: readonly Key[];
  readonly #writes: boolean;
  #byPosition = new Uint8Array(FIRST_CAPACITY);
  /** The texts of keys that failed and are not among `#keys`. */
  readonly #texts = new Map<number, string>();
  /** By outcome: how many of these. */
  readonly #textCounts = [0, 0, 0, 0];
  #firstError: GridError | undefined;
  /** The first KEYS_NAMED_MAX. */
  #refusals: KeyRefusal[] | undefined;
  /** What was asked for leaves later, or never (sends()). */
  #leavesLater = false;
  /** Positions with an outcome. */
  settled = 0;
  /** Keys that were never asked for. */
  unasked = 0;

  /** @param writes  the operations change entries */
  constructor(keys: readonly Key[], writes: boolean) {
    this.#keys = keys;
    this.#writes = writes;
  }

  get firstError(): GridError | undefined {
    return this.#firstError;
  }

  /** @returns false when the position had an outcome already */
  done(position: number): boolean {
    return this.#settle(position, DONE);
  }

  /** @param key  canonical bytes, for positions whose key is not known here */
  failed(position: number, error: GridError, key: Uint8Array | undefined): void {
    const outcome = this.#writes && isInDoubt(error) ? UNKNOWN : NOT_DONE;
    if (!this.#settle(position, outcome)) return;
    this.#firstError ??= error;
    if (error.refusal !== undefined) this.#noteRefusal(position, error.refusal, key);
    if (key === undefined || position < this.#keys.length) return;
    if (this.#textCounts[outcome]!++ >= KEYS_NAMED_MAX) return;
    this.#texts.set(position, keyText(decodeKey(key, 0, key.length)));
  }

  #noteRefusal(position: number, { code, details }: RefusalFacts, bytes: Uint8Array | undefined): void {
    const key = position < this.#keys.length ? this.#keys[position] : bytes && decodeKey(bytes, 0, bytes.length);
    this.#refusals ??= [];
    if (key !== undefined && this.#refusals.length < KEYS_NAMED_MAX) this.#refusals.push({ key, code, details });
  }

  /** `count` keys will not be asked for. */
  skip(count: number, error: GridError): void {
    this.#firstError ??= error;
    this.unasked += count;
  }

  /** From now on what has not left is not in doubt. */
  sends(positions: Uint32Array, count: number): void {
    this.#leavesLater = true;
    for (let index = 0; index < count; index++) {
      const position = positions[index]!;
      if (position >= this.#byPosition.length) this.#grow(position);
      if (this.#byPosition[position] === PENDING) this.#byPosition[position] = SENT;
    }
  }

  #settle(position: number, outcome: number): boolean {
    if (position >= this.#byPosition.length) this.#grow(position);
    const known = this.#byPosition[position];
    if (known !== PENDING && known !== SENT) return false;
    this.#byPosition[position] = outcome;
    this.settled++;
    return true;
  }

  #grow(position: number): void {
    const grown = new Uint8Array(Math.max(this.#byPosition.length * 2, position + 1));
    grown.set(this.#byPosition);
    this.#byPosition = grown;
  }

  /**
   * The error of the whole group.
   *
   * @param asked  positions there are
   * @param first  the first failure
   */
  error(what: string, asked: number, first: GridError): GridError {
    const total = asked + this.unasked;
    const [, done, notDone, unknown] = this.#named(total) as [Named, Named, Named, Named];
    const failed = notDone.count + unknown.count;
    const keys = [...notDone.keys, ...unknown.keys].slice(0, KEYS_NAMED_MAX);
    const details = { ...first.details, failed, asked: total, keys, more: failed - keys.length };
    const refused = { refusal: first.refusal, refusals: this.#refusals };
    const isMixed = done.count > 0 || (unknown.count > 0 && notDone.count > 0);
    if (!isMixed || !this.#writes || first.code === 'CLIENT_CLOSED') {
      const message = `${what}: ${failed} of ${total} failed${moreText(details.more)}, the first: ${first.message}`;
      return new GridError(first.code, message, { hint: first.hint, details, cause: first, ...refused });
    }
    const counts = `${done.count} of ${total} keys done, ${notDone.count} not done, ${unknown.count} unknown`;
    const message = `${what} was done in part (${counts}), the first failure: ${first.message}`;
    return new GridError('PARTIAL', message, {
      hint: 'do not repeat the whole: repeat it for notDoneKeys, and read unknownKeys before you do',
      details: { ...details, cause: first.code, ...byOutcome(done, notDone, unknown) },
      cause: first,
      ...refused,
    });
  }

  /** The group's caller gives up: of mutations, what was asked for and is not answered may be done or not. */
  cancelled(what: string, asked: number): GridError {
    if (!this.#writes || asked === 0) return new CancelledError(what);
    for (let position = 0; position < asked; position++) {
      const isHere = this.#leavesLater && !(this.#byPosition[position]! > PENDING);
      this.#settle(position, isHere ? NOT_DONE : UNKNOWN);
    }
    const [, done, notDone, unknown] = this.#named(asked) as [Named, Named, Named, Named];
    return new GridError('CANCELLED', `${what} was cancelled`, {
      hint: 'details say what had been done by then',
      details: { asked, ...byOutcome(done, notDone, unknown) },
    });
  }

  /** By outcome. What is pending is not done: it was never asked for. */
  #named(total: number): readonly Named[] {
    const named: Named[] = Array.from({ length: 4 }, () => ({ keys: [], count: 0 }));
    for (let position = 0; position < total; position++) {
      const kind = named[this.#byPosition[position] || NOT_DONE]!;
      kind.count++;
      if (kind.keys.length >= KEYS_NAMED_MAX) continue;
      const text = position < this.#keys.length ? keyText(this.#keys[position]!) : this.#texts.get(position);
      if (text !== undefined) kind.keys.push(text);
    }
    return named;
  }
}

function byOutcome(done: Named, notDone: Named, unknown: Named): Record<string, number | readonly string[]> {
  return {
    ...{ done: done.count, notDone: notDone.count, unknown: unknown.count },
    ...{ doneKeys: done.keys, notDoneKeys: notDone.keys, unknownKeys: unknown.keys },
  };
}

function moreText(more: number): string {
  return more === 0 ? '' : ` (${more} more than the keys named)`;
}

/** A key for people: JSON, with bytes as hex and bigints as digits. */
export function keyText(key: Key): string {
  return JSON.stringify(key, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  });
}
