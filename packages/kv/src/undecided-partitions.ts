/**
 * The partitions in which a session (or a stream that has none) has mutations that are not decided: there its reads see
 * the newest state, and are held, so that it reads what it wrote.
 */
export class UndecidedPartitions {
  /** By partition, as far as any was undecided: batches and calls that are. */
  #counts = new Uint32Array(0);

  has(partition: number): boolean {
    return partition < this.#counts.length && this.#counts[partition] !== 0;
  }

  /** One more thing is undecided: a batch, or a processor's call. */
  begin(partition: number): void {
    if (partition >= this.#counts.length) this.#grow(partition + 1);
    this.#counts[partition]!++;
  }

  end(partition: number): void {
    this.#counts[partition]!--;
  }

  #grow(count: number): void {
    const grown = new Uint32Array(Math.max(count, this.#counts.length * 2));
    grown.set(this.#counts);
    this.#counts = grown;
  }
}
