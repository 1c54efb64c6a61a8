/** The watchers of a value: called in the order in which they came, each with every change until it leaves. */
export class Watchers<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** @returns the way to stop */
  add(listener: (value: T) => void): () => void {
    const own = (value: T): void => listener(value);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
