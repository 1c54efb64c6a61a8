/** Takes dropped tables apart, a slice at a time, once no reader can be in them. Writer's thread only. */
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_TIMER, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { releaseEntry, releaseValue } from '../memory/blocks.ts';
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
      if (dropped.slot >= 0) dropped.slot = reclaimSlots(dropped.table, dropped.slot, slice);
      else if (dropped.bucket >= 0) dropped.bucket = reclaimIndex(dropped.table, dropped.bucket, slice);
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

/** Lets go of what slots [from, from + count) hold. No reader is left. @returns the next slot, or -1 at the end */
function reclaimSlots({ host, chunks }: SlotTable, from: number, count: number): number {
  const { blocks, account } = host;
  const chunk = chunks[from >>> CHUNK_SHIFT];
  if (chunk === undefined) return -1;
  const start = from & CHUNK_MASK;
  const stop = Math.min(chunk.used, start + count);
  for (let at = start; at < stop; at++) {
    const entry = chunk.u32[chunk.entryRef + at]!;
    if (entry === 0) continue;
    releaseValue(blocks, account, chunk.u32[chunk.valueRef + at]!);
    releaseEntry(blocks, account, entry);
    chunk.u32[chunk.entryRef + at] = 0;
  }
  return stop < chunk.used ? from - start + stop : ((from >>> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
}

/** Lets go of the entries in buckets [from, from + count). @returns the next bucket, or -1 at the end */
function reclaimIndex({ host, index }: SlotTable, from: number, count: number): number {
  const { blocks, account, timers } = host;
  return index.visit(from, count, (entry) => {
    const timer = blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_TIMER]!;
    if (timer !== 0) timers.remove(timer, account);
    releaseEntry(blocks, account, entry);
  });
}
