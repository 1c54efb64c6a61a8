/**
 * The versions at which one partition is being read for other members. They hold slots as snapshots do (snapshots.ts), but only those
 * of that partition: however slowly another member takes its copy, writers of all other partitions pay nothing for it.
 */
export class CapturedVersions {
  /** In the order in which they came; a few. */
  readonly #versions: number[] = [];
  /** The lowest of them; Infinity: none. */
  oldest = Infinity;

  add(version: number): void {
    this.#versions.push(version);
    this.oldest = Math.min(this.oldest, version);
  }

  remove(version: number): void {
    this.#versions.splice(this.#versions.indexOf(version), 1);
    this.oldest = Math.min(Infinity, ...this.#versions);
  }

  /** Whether any of them sees a slot of these versions. */
  needs(begin: number, end: number): boolean {
    return this.#versions.some((version) => begin <= version && version < end);
  }
}
