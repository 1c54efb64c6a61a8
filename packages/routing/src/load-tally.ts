/** What a load has done so far, and what it answers or fails with. */
import { types } from 'node:util';
import { CancelledError, GridError } from '@ashlar/core';
import type { Key } from '@ashlar/serialization';
import { isInDoubt, KEYS_NAMED_MAX, keyText } from './group-outcomes.ts';

/** An entry that was not stored, or of which nobody knows. */
export interface LoadFailure {
  readonly key: Key;
  /** Of the entry in the source, from 0. */
  readonly position: number;
  /** Nobody knows whether it was stored. */
  readonly isInDoubt: boolean;
  readonly error: GridError;
}

/** How far a load is. */
export interface LoadProgress {
  /** Entries stored. */
  readonly entries: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
  /** Entries not stored, those in doubt among them. */
  readonly failed: number;
}

export interface LoadResult extends LoadProgress {
  /** Entries of which nobody knows whether they were stored. */
  readonly unknown: number;
  /** The first 1,000 in the order in which they became known. */
  readonly failures: readonly LoadFailure[];
}

export class LoadTally {
  /** Entries taken from the source. */
  taken = 0;
  stored = 0;
  bytes = 0;
  notDone = 0;
  unknown = 0;
  readonly #failures: LoadFailure[] = [];
  #first: unknown;
  #hasFailed = false;
  #isBroken = false;
  #firstPosition = Number.POSITIVE_INFINITY;

  /** An entry failed, or the load broke. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** The source, or a callback, threw. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get progress(): LoadProgress {
    return { entries: this.stored, bytes: this.bytes, failed: this.notDone + this.unknown };
  }

  get result(): LoadResult {
    return { ...this.progress, unknown: this.unknown, failures: this.#failures };
  }

  failed(key: Key, position: number, error: GridError): void {
    const isUnknown = isInDoubt(error);
    if (isUnknown) this.unknown++;
    else this.notDone++;
    this.#firstPosition = Math.min(this.#firstPosition, position);
    if (this.#failures.length < KEYS_NAMED_MAX) {
      this.#failures.push({ key, position, isInDoubt: isUnknown, error });
    }
    this.#note(error);
  }

  /** The source, or a callback, threw: the load cannot go on. */
  broke(error: unknown): void {
    this.#isBroken = true;
    this.#note(error);
  }

  #note(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#first = error;
  }

  /** What the load rejects with: as it was, where nothing was stored; PARTIAL with what became of the entries. */
  error(): unknown {
    const first = this.#first;
    const code = first instanceof GridError ? first.code : undefined;
    const isNothing = this.stored === 0 && this.unknown === 0;
    if (isNothing && this.#failures.length === 0) return first;
    const message = nameOf(first).message;
    const counts = this.#counts();
    const hint = first instanceof GridError ? first.hint : undefined;
    const details = { ...(first instanceof GridError ? first.details : {}), ...this.#details() };
    if (first instanceof GridError && (isNothing || code === 'CLIENT_CLOSED')) {
      return new GridError(first.code, `load: ${counts}, the first failure: ${message}`, {
        hint,
        details,
        cause: first,
      });
    }
    return new GridError('PARTIAL', `load was done in part (${counts}), the first failure: ${message}`, {
      hint: 'all entries of the source before details.firstNotDone are stored; read unknownKeys before you repeat the rest',
      details: { ...details, cause: code ?? nameOf(first).name },
      cause: first,
    });
  }

  /** The caller gave up. */
  cancelled(): GridError {
    if (this.taken === 0) return new CancelledError('load');
    return new GridError('CANCELLED', `load was cancelled: ${this.#counts()}`, {
      hint: 'all entries of the source before details.firstNotDone are stored',
      details: this.#details(),
    });
  }

  #counts(): string {
    return `${this.stored} entries stored, ${this.notDone} not, ${this.unknown} unknown`;
  }

  #details(): Record<string, number | readonly string[]> {
    const named = (wanted: boolean): string[] =>
      this.#failures.filter(({ isInDoubt: isUnknown }) => isUnknown === wanted).map(({ key }) => keyText(key));
    return {
      ...{ taken: this.taken, done: this.stored, notDone: this.notDone, unknown: this.unknown },
      firstNotDone: Math.min(this.#firstPosition, this.taken),
      ...{ notDoneKeys: named(false), unknownKeys: named(true) },
    };
  }
}

/** What a source threw, which may be anything. */
function nameOf(thrown: unknown): { readonly name: string; readonly message: string } {
  if (thrown instanceof Error || types.isNativeError(thrown)) return thrown;
  return { name: typeof thrown, message: String(thrown) };
}
