/**
 * The batches that are neither committed nor aborted in one partition, in log order.
 *
 *   commits <- [first][others ...........] -> aborts, and where new ones stage
 *
 * staged-batches G1  Log order is the order of sealing: versions rise along it, and only the last may be open.
 * staged-batches G2  Coming and going take O(1), on average, however many there are.
 */
import type { BatchState } from './write-batch.ts';

/** What the list needs of a batch. */
interface StagedBatch {
  readonly state: BatchState;
  /** Given once it is sealed. */
  readonly version: number;
}

/** Places of batches that have left, before the others move up. */
const GONE_MAX = 32;

/** As the partition's log has them, from the front to the back. Mostly there is one, which costs no array. */
export class StagedBatches<Batch extends StagedBatch> {
  #first: Batch | undefined = undefined;
  /** The others, behind `#gone` empty places. */
  readonly #others: (Batch | undefined)[] = [];
  #gone = 0;

  get first(): Batch | undefined {
    return this.#first;
  }

  get last(): Batch | undefined {
    return this.#others.at(-1) ?? this.#first;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Calls `visit` for each at or below the version, in log order: versions rise along it. */
  visitUpTo(version: number, visit: (batch: Batch) => void): void {
    if (this.#first === undefined || !isAtOrBelow(this.#first, version)) return;
    visit(this.#first);
    for (let at = this.#gone; at < this.#others.length; at++) {
      const batch = this.#others[at]!;
      if (!isAtOrBelow(batch, version)) return;
      visit(batch);
    }
  }

  push(batch: Batch): void {
    if (this.#first === undefined) this.#first = batch;
    else this.#others.push(batch);
  }

  removeFirst(): void {
    this.#first = this.#others[this.#gone];
    if (this.#first === undefined) return;
    this.#others[this.#gone] = undefined;
    this.#gone += 1;
    if (this.#gone === this.#others.length) this.#others.length = 0;
    else if (this.#gone < GONE_MAX || this.#gone * 2 < this.#others.length) return;
    else this.#others.splice(0, this.#gone);
    this.#gone = 0;
  }

  removeLast(): void {
    if (this.#others.length === this.#gone) this.#first = undefined;
    else this.#others.pop();
    if (this.#others.length > this.#gone) return;
    this.#others.length = 0;
    this.#gone = 0;
  }
}

/** A batch that is not sealed gets a version above every one that is known. */
function isAtOrBelow(batch: StagedBatch, version: number): boolean {
  return batch.state === 'sealed' && batch.version <= version;
}
