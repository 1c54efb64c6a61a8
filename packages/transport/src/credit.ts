/** Bytes a caller has granted and a stream has not used. The last message may overdraw it. */
import { CancelledError } from '@ashlar/core';

export class Credit {
  #bytes: number;
  #wake: (() => void) | undefined;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  grant(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > 0) this.#wake?.();
  }

  use(bytes: number): void {
    this.#bytes -= bytes;
  }

  /**
   * Resolves when there is credit.
   *
   * @throws CancelledError when `signal` fires first
   */
  async available(signal: AbortSignal): Promise<void> {
    while (this.#bytes <= 0) {
      if (signal.aborted) throw new CancelledError('the call');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      this.#wake = undefined;
    }
  }
}
