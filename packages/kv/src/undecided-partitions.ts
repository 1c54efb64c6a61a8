/**
 * The partitions in which a session (or a stream that has none) has mutations that are not decided: there its reads see
 * the newest state, and are held, so that it reads what it wrote.
 */
export class UndecidedPartitions {
  readonly #counts = new Map<number, number>();

  has(partition: number): boolean {
    return this.#counts.size > 0 && this.#counts.has(partition);
  }

  /** One more thing is undecided: a batch, or a processor's call. */
  begin(partition: number): void {
    this.#counts.set(partition, (this.#counts.get(partition) ?? 0) + 1);
  }

  end(partition: number): void {
    const left = this.#counts.get(partition)! - 1;
    if (left === 0) this.#counts.delete(partition);
    else this.#counts.set(partition, left);
  }
}
