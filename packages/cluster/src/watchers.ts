/** Who is told of a value that changes: in the order in which they came, each to the end of what it is told. */
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
