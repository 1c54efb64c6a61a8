/**
 * A set of a few elements that come and go all the time, in an array: each operation looks at all of them.
 *
 * A Set or Map copies itself as its elements change, and each copy refers to the next one. Once V8 holds one of them for
 * old, it holds all later ones and what was in them until it collects the whole heap: short collections of a busy client
 * took ten times as long (bench/README.md).
 */
export class SmallSet<T> {
  readonly #elements: T[] = [];

  get size(): number {
    return this.#elements.length;
  }

  /** @param element  is not in it */
  add(element: T): void {
    this.#elements.push(element);
  }

  /** @returns whether it was in it */
  delete(element: T): boolean {
    const at = this.#elements.indexOf(element);
    if (at < 0) return false;
    this.#elements.splice(at, 1);
    return true;
  }

  /** The first, in the order in which they came, for which `isWanted` answers true. */
  find(isWanted: (element: T) => boolean): T | undefined {
    return this.#elements.find(isWanted);
  }

  /** In the order in which they came. */
  [Symbol.iterator](): Iterator<T> {
    return this.#elements.values();
  }

  /** Empties it. */
  takeAll(): T[] {
    return this.#elements.splice(0);
  }
}
