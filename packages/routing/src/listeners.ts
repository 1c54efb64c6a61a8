/** Who wants to be told of something, until they say that they do not. */
export class Listeners<T extends readonly unknown[]> {
  #all: ((...told: T) => void)[] = [];

  /** @returns the way to stop */
  add(listener: (...told: T) => void): () => void {
    this.#all.push(listener);
    return () => {
      this.#all = this.#all.filter((known) => known !== listener);
    };
  }

  tell(...told: T): void {
    for (const listener of this.#all) listener(...told);
  }

  /** As tell; nobody is told again. */
  tellLast(...told: T): void {
    for (const listener of this.#all.splice(0)) listener(...told);
  }
}
