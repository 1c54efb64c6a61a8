/**
 * A key that a batch writes again: which slot was live before the batch, and which record of it no longer counts.
 *
 * Records are looked up by entry from the first key on that comes again; until then nothing is kept. What the log dropped
 * meanwhile is gone and needs no mark.
 */

import {
  CHUNK_MASK,
  CHUNK_SHIFT,
  ENTRY_KEY_BYTES,
  ENTRY_NEWEST,
  ENTRY_STAGED_ONE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from '../layout.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { SlotTable } from '../slots/slot-table.ts';

/** The keys that one undecided batch writes more than once. */
export class KeyRewrites {
  /** By log and entry: the sequence of the record that counts. */
  readonly #last = new Map<PartitionLog, Map<Ref, number>>();

  /**
   * The entry is written again: what the batch recorded of it before counts no more.
   *
   * @param firstSequence  of the batch in this log
   */
  supersede(log: PartitionLog, firstSequence: number, entry: Ref): void {
    let last = this.#last.get(log);
    if (last === undefined) this.#last.set(log, (last = recordsFrom(log, firstSequence)));
    const sequence = last.get(entry);
    if (sequence === undefined) return;
    last.delete(entry);
    if (sequence >= log.firstSequence) log.supersede(sequence);
  }

  /** A record was appended. */
  note(log: PartitionLog, entry: Ref, sequence: number): void {
    this.#last.get(log)?.set(entry, sequence);
  }
}

function recordsFrom(log: PartitionLog, firstSequence: number): Map<Ref, number> {
  const last = new Map<Ref, number>();
  for (let sequence = Math.max(firstSequence, log.firstSequence); sequence < log.nextSequence; sequence++) {
    last.set(log.entryOf(sequence), sequence);
  }
  return last;
}

/** Whether the batch with this lane staged or closed the newest slot of the entry. */
export function isWrittenBy(lane: number, arena: Arena, table: SlotTable, entry: Ref): boolean {
  const words = arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
  const at = (entry & SEGMENT_MASK) << 1;
  if (words[at + ENTRY_KEY_BYTES]! < ENTRY_STAGED_ONE) return false;
  const newest = words[at + ENTRY_NEWEST]! - 1;
  if (newest < 0) return false;
  const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
  const slot = newest & CHUNK_MASK;
  return chunk.f64[chunk.begin + slot] === lane || chunk.f64[chunk.end + slot] === lane;
}

/** The slot that the batch closed when it first wrote the key, given the newest one; -1: nothing was live before. */
export function slotBefore(lane: number, table: SlotTable, newest: number): number {
  const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
  const at = newest & CHUNK_MASK;
  if (chunk.f64[chunk.begin + at] !== lane) return newest;
  const link = chunk.u32[chunk.previous + at]!;
  if (link === 0) return -1;
  const below = table.chunks[(link - 1) >>> CHUNK_SHIFT]!;
  const slot = (link - 1) & CHUNK_MASK;
  const isSameEntry = below.u32[below.entryRef + slot] === chunk.u32[chunk.entryRef + at];
  return isSameEntry && below.f64[below.end + slot] === lane ? link - 1 : -1;
}
