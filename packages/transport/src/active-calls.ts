/** The calls that a server has under way, so that the last of them can be ended with an error instead of a dead link. */
import { GridError, OutcomeUnknownError } from '@ashlar/core';
import type { Effect } from './methods.ts';

export class ActiveCalls {
  readonly #cuts = new Set<() => void>();

  /**
   * Settles as `run` does, or with an error when the call is cut; `abort` fires then.
   *
   * @param effect  a cut write may have been applied
   */
  track<T>(what: string, effect: Effect, abort: AbortController, run: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cut = (): void => {
        reject(
          effect === 'write' ? new OutcomeUnknownError(what) : new GridError('CONNECTION_LOST', 'the member shut down'),
        );
        abort.abort();
      };
      this.#cuts.add(cut);
      run.then(resolve, reject).finally(() => this.#cuts.delete(cut));
    });
  }

  /** Adds something that can be cut; returns how to forget it. */
  add(cut: () => void): () => void {
    this.#cuts.add(cut);
    return () => {
      this.#cuts.delete(cut);
    };
  }

  /** Calls under way. */
  get count(): number {
    return this.#cuts.size;
  }

  cutAll(): void {
    for (const cut of [...this.#cuts]) cut();
    this.#cuts.clear();
  }
}
