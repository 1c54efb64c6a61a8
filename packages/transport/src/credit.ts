/** Bytes a caller has granted and a stream has not used. The last message may overdraw it. */
import { CancelledError, GridError } from '@ashlar/core';

export class Credit {
  #bytes: number;
  #wake: (() => void) | undefined;
  #isFinal = false;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  get isUsedUp(): boolean {
    return this.#bytes <= 0;
  }

  grant(bytes: number): void {
    this.#bytes += bytes;
    this.#wake?.();
  }

  /** The caller will grant no more. */
  finish(): void {
    this.#isFinal = true;
    this.#wake?.();
  }

  use(bytes: number): void {
    this.#bytes -= bytes;
  }

  /**
   * Resolves when there is credit.
   *
   * @throws CancelledError when `signal` fires first; GridError INVALID_ARGUMENT when none is left and none can come
   */
  async available(signal: AbortSignal): Promise<void> {
    while (this.isUsedUp) {
      if (this.#isFinal) throw noCredit();
      await this.#changed(signal);
    }
  }

  /**
   * Resolves when more than `bytes` stand granted, or the caller will grant no more.
   *
   * @throws CancelledError when `signal` fires first
   */
  async returned(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.#bytes <= bytes && !this.#isFinal) await this.#changed(signal);
  }

  async #changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new CancelledError('the call');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    // A long stream waits many times under one signal.
    signal.removeEventListener('abort', onAbort);
    this.#wake = undefined;
  }
}

function noCredit(): GridError {
  return new GridError(
    'INVALID_ARGUMENT',
    'there is more to send, the credit is used up, and the caller has closed its side',
    {
      hint: 'send credit_bytes with the request, and grants while you read',
    },
  );
}
