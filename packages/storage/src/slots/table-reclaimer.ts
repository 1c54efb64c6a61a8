/** Takes dropped tables apart, a slice at a time, once no reader can be in them. Writer's thread only. */
import type { ReaderEpochs } from '../reader-epochs.ts';
import type { SlotTable } from './slot-table.ts';

interface Dropped {
  readonly table: SlotTable;
  /** No reader that entered after it can find the table. */
  readonly stamp: number;
  /** The next slot to let go of; -1: done. */
  slot: number;
  /** The next bucket of the index to let go of; -1: done. */
  bucket: number;
}

export class TableReclaimer {
  readonly #queue: Dropped[] = [];
  readonly #gone: (table: SlotTable) => void;

  /** @param gone  called when nothing of a table is left */
  constructor(gone: (table: SlotTable) => void) {
    this.#gone = gone;
  }

  add(table: SlotTable, stamp: number): void {
    table.dropped = true;
    this.#queue.push({ table, stamp, slot: 0, bucket: 0 });
  }

  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** @returns steps done; less than `maxSteps` means that nothing more can be done at this moment */
  run(epochs: ReaderEpochs, maxSteps: number): number {
    let steps = 0;
    while (steps < maxSteps && this.#queue.length > 0) {
      const dropped = this.#queue[0]!;
      if (!epochs.passed(dropped.stamp)) return steps;
      const slice = Math.min(maxSteps - steps, 1024);
      if (dropped.slot >= 0) dropped.slot = dropped.table.reclaimSlots(dropped.slot, slice);
      else if (dropped.bucket >= 0) dropped.bucket = dropped.table.reclaimIndex(dropped.bucket, slice);
      else {
        dropped.table.destroy();
        this.#queue.shift();
        this.#gone(dropped.table);
      }
      steps += slice;
    }
    return steps;
  }

  /** Tables not yet taken apart. */
  get tables(): readonly SlotTable[] {
    return this.#queue.map((dropped) => dropped.table);
  }
}
