/**
 * Entries of a partition that another member writes: found by their keys, and made where there are none. Keys come as they lie in
 * what travelled.
 */
import { hashBytes } from '@ashlar/serialization';
import { ENTRY_TIMER, SEGMENT_MASK, SEGMENT_SHIFT } from './layout.ts';
import { MemoryKind } from './memory/accounts.ts';
import type { Ref } from './memory/arena.ts';
import { createEntry, releaseValue } from './memory/blocks.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';
import type { StoredMap } from './stored-map.ts';

/** 0: there is none. */
export function findEntry(core: StoreCore, table: SlotTable, bytes: Uint8Array, start: number, end: number): Ref {
  return table.index.find(hashBytes(bytes, start, end, core.hashSeed), bytes, start, end);
}

/**
 * The entry of the key bytes[start, end), made where there is none; with a timer where it has a deadline. The index has room. No
 * object is made for it: a backup does this for every record.
 *
 * @param value     given back when it throws
 * @param deadline  of the value; 0: none
 * @param usedAt    when it was used last, in version units, where that matters to the map
 * @throws OutOfMemoryError
 */
export function entryFor(
  core: StoreCore,
  map: StoredMap,
  table: SlotTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  value: Ref,
  deadline: number,
  usedAt: number,
): Ref {
  const { blocks, timers } = core;
  const known = findEntry(core, table, bytes, start, end);
  const wantsTimer = deadline !== 0 || map.maxIdleUs !== 0;
  const oldTimer = known === 0 ? 0 : timerOf(core, known);
  if (known !== 0 && (!wantsTimer || oldTimer !== 0)) {
    if (deadline !== 0) timers.ensure(oldTimer, deadline);
    return known;
  }
  const timer = wantsTimer ? timers.create(map.account) : 0;
  const entry = known !== 0 ? known : createEntry(blocks, map.account, bytes, start, end);
  if (entry === 0 || (wantsTimer && timer === 0)) {
    releaseValue(blocks, map.account, value);
    if (timer !== 0) blocks.free(timer, map.account, MemoryKind.entries);
    if (known === 0 && entry !== 0) blocks.free(entry, map.account, MemoryKind.entries);
    throw core.outOfMemory(end - start);
  }
  if (known === 0) table.index.insert(hashBytes(bytes, start, end, core.hashSeed), entry);
  if (timer !== 0) {
    table.hasDeadlines = true;
    const idle = map.maxIdleUs === 0 ? Infinity : usedAt + map.maxIdleUs;
    timers.start(timer, entry, table.tableIndex, Math.min(deadline === 0 ? Infinity : deadline, idle));
  }
  return entry;
}

function timerOf({ arena }: StoreCore, entry: Ref): Ref {
  return arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_TIMER]!;
}
