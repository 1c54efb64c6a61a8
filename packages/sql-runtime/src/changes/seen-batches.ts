/**
 * Undecided batches of others that a statement has looked at. What it derives from them (an answer, an error, that there is
 * nothing to do) is answered once they are decided.
 */
import { decided } from '@ashlar/partitions';
import type { WriteBatch } from '@ashlar/storage';

export class SeenBatches {
  /** Made with the first one: mostly everything is decided. */
  #batches: Set<WriteBatch> | undefined;

  /** @param batch  what a look hung on; undefined, or the statement's own: nothing to wait for */
  note(batch: WriteBatch | undefined, own: WriteBatch): void {
    if (batch === undefined || batch === own) return;
    this.#batches ??= new Set();
    this.#batches.add(batch);
  }

  get isEmpty(): boolean {
    return this.#batches === undefined;
  }

  /** Once all of them are decided: whether what was seen stays. */
  async haveStayed(): Promise<boolean> {
    let isWhole = true;
    for (const batch of this.#batches ?? []) isWhole = (await decided(batch)) && isWhole;
    return isWhole;
  }
}
