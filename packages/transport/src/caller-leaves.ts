/**
 * Waiting that ends when the caller leaves.
 *
 * Promise.race with one promise for the whole call would keep every result of every race until the call ends: its
 * reactions refer to them. Here one wait at a time is known, and forgotten when it is over.
 */
import { CancelledError } from '@ashlar/core';

export class CallerLeaves {
  readonly #signal: AbortSignal;
  #reject: ((error: unknown) => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#reject?.(new CancelledError('the call')), { once: true });
  }

  /** Settles as `promise` does, or with CANCELLED once the caller has left. One at a time. */
  orElse<T>(promise: Promise<T>): Promise<T> {
    if (this.#signal.aborted) {
      promise.catch(() => undefined);
      return Promise.reject(new CancelledError('the call'));
    }
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      const settled = (): void => {
        this.#reject = undefined;
      };
      promise.then(
        (value) => {
          settled();
          resolve(value);
        },
        (error: unknown) => {
          settled();
          reject(error);
        },
      );
    });
  }
}
