/**
 * The batches that are sealed and not decided, in the order of their versions: a chain through the batches themselves.
 * One comes, and one from anywhere in the chain goes, at the same small cost however many there are.
 *
 * sealed-batches S1  Versions rise along the chain: a batch is added as it is given its version.
 * sealed-batches S2  A batch that has left refers to none that stays: otherwise each, once V8 holds it for old, would keep
 *                    all later ones in memory.
 */
import { assert } from '@ashlar/core';

/** What a batch keeps for the chain. Nobody else writes to it. */
export interface ChainedBatch<Batch> {
  readonly version: number;
  sealedBefore: Batch | undefined;
  sealedAfter: Batch | undefined;
}

export class SealedBatches<Batch extends ChainedBatch<Batch>> {
  #first: Batch | undefined;
  #last: Batch | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one with the lowest version. */
  get first(): Batch | undefined {
    return this.#first;
  }

  /** @param batch  is not in it, and was given its version just now */
  add(batch: Batch): void {
    const last = this.#last;
    assert(last === undefined || last.version < batch.version, 'sealed-batches S1: versions rise along the chain');
    if (last === undefined) this.#first = batch;
    else last.sealedAfter = batch;
    batch.sealedBefore = last;
    this.#last = batch;
    this.#size += 1;
  }

  /** @returns whether it was in it */
  delete(batch: Batch): boolean {
    const { sealedBefore: before, sealedAfter: after } = batch;
    if (before === undefined && this.#first !== batch) return false;
    if (before === undefined) this.#first = after;
    else before.sealedAfter = after;
    if (after === undefined) this.#last = before;
    else after.sealedBefore = before;
    batch.sealedBefore = undefined;
    batch.sealedAfter = undefined;
    this.#size -= 1;
    return true;
  }

  /** Those at or below the version, in order. None may leave during the walk. */
  *upTo(version: number): Generator<Batch> {
    for (let batch = this.#first; batch !== undefined && batch.version <= version; batch = batch.sealedAfter)
      yield batch;
  }
}
