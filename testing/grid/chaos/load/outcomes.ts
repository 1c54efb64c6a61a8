/**
 * How the calls of a chaos run ended.
 *
 * outcomes O1  What is refused with a retryable error has applied nothing. What may have been applied is unknown. Everything else that
 *              fails is a fault of the grid, whatever was done to it: faults of machines and networks have codes of their own.
 * outcomes O2  Every call ends, one way or the other, within its time. One that does not is a fault, and is waited for no longer.
 */
import { GridError } from '@ashlar/client';

/** A call that has not ended so long after it was made, whatever its time, is a fault (outcomes O2). */
const OVERDUE_MS = 45_000;
/** It may have been applied, as a whole or in part. */
const UNSURE: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'PARTIAL', 'PARTIAL_COMMIT']);
const FAULTS_SHOWN = 20;

export type Outcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

export class Outcomes {
  /** Calls that were answered, reads included. */
  answered = 0;
  /** Mutations that were acknowledged. */
  acknowledged = 0;
  /** Mutations of which nobody knows whether they were applied. */
  unknown = 0;
  /** By what was asked, and the code. */
  readonly refused = new Map<string, number>();
  /** What failed as nothing should (outcomes O1); the first of them. */
  readonly faults: string[] = [];
  faultCount = 0;

  took(isMutation: boolean): void {
    this.answered++;
    if (isMutation) this.acknowledged++;
  }

  /** @returns how a call ended that threw */
  failed(what: string, isMutation: boolean, cause: unknown): 'refused' | 'unknown' {
    const error = GridError.wrap(cause);
    const isUnsure = UNSURE.has(error.code);
    if (!error.retryable && !isUnsure) this.fault(`${what}: ${error.code}: ${error.message}`);
    if (isMutation && !error.retryable) {
      this.unknown++;
      return 'unknown';
    }
    const name = `${what}: ${error.code}`;
    this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
    return 'refused';
  }

  mutate<T>(what: string, run: () => Promise<T>): Promise<Outcome<T>> {
    return this.#attempt(what, true, run);
  }

  ask<T>(what: string, run: () => Promise<T>): Promise<Outcome<T>> {
    return this.#attempt(what, false, run);
  }

  /** The call, or `instead` once it is overdue (outcomes O2). */
  async inTime<T>(what: string, call: Promise<T>, instead: T): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<T>((resolve) => {
      timer = setTimeout(() => {
        this.fault(`${what} has not ended after ${OVERDUE_MS} ms`);
        resolve(instead);
      }, OVERDUE_MS);
    });
    try {
      return await Promise.race([call, overdue]);
    } finally {
      clearTimeout(timer);
    }
  }

  fault(text: string): void {
    this.faultCount++;
    if (this.faults.length < FAULTS_SHOWN) this.faults.push(text);
  }

  #attempt<T>(what: string, isMutation: boolean, run: () => Promise<T>): Promise<Outcome<T>> {
    return this.inTime<Outcome<T>>(what, this.#outcomeOf(what, isMutation, run), { kind: 'unknown' });
  }

  async #outcomeOf<T>(what: string, isMutation: boolean, run: () => Promise<T>): Promise<Outcome<T>> {
    try {
      const value = await run();
      this.took(isMutation);
      return { kind: 'answered', value };
    } catch (error) {
      return { kind: this.failed(what, isMutation, error) };
    }
  }
}
