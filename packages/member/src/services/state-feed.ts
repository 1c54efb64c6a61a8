/** A value that changes, as streams: each follower gets the newest, and skips those for which it was too slow. */
export class StateFeed<T> {
  #value: { readonly of: T } | undefined;
  #version = 0;
  readonly #wake = new Set<() => void>();

  publish(value: T): void {
    this.#value = { of: value };
    this.#version++;
    for (const wake of [...this.#wake]) wake();
  }

  /** The newest value, then every newer one, until the signal fires. */
  async *follow(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen = 0;
    while (!signal.aborted) {
      if (this.#version > seen && this.#value !== undefined) {
        seen = this.#version;
        yield this.#value.of;
      } else {
        await this.#changed(signal);
      }
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
