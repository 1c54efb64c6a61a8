/** The calls that a server has under way, so that the last of them can be ended with an error instead of a dead link. */
import { GridError, OutcomeUnknownError } from '@ashlar/core';
import type { Effect } from './methods.ts';

export class ActiveCalls {
  readonly #cuts = new Set<() => void>();
  #whenIdle: (() => void)[] = [];

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
      run.then(resolve, reject).finally(() => this.#forget(cut));
    });
  }

  /** Adds something that can be cut; returns how to forget it. */
  add(cut: () => void): () => void {
    this.#cuts.add(cut);
    return () => this.#forget(cut);
  }

  #forget(cut: () => void): void {
    this.#cuts.delete(cut);
    this.#lookWhetherIdle();
  }

  #lookWhetherIdle(): void {
    if (this.#cuts.size > 0 || this.#whenIdle.length === 0) return;
    for (const wake of this.#whenIdle.splice(0)) wake();
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#lookWhetherIdle();
    });
  }

  /** Calls under way. */
  get count(): number {
    return this.#cuts.size;
  }

  cutAll(): void {
    for (const cut of [...this.#cuts]) cut();
    this.#cuts.clear();
    this.#lookWhetherIdle();
  }
}
