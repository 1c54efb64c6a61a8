/**
 * The contents of a map, partition by partition: how much, whether any snapshot may see some of it, and the walk along its
 * entries in slices.
 */
import type { MapId, PartitionId } from '@ashlar/core';
import { assertCount, assertSlice } from './edge-asserts.ts';
import { ABORTED, CHUNK_MASK, CHUNK_SHIFT, LIVE } from './layout.ts';
import type { SlotChunkView } from './slots/slot-chunk.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';

/** As MemberStore.entryCount(). */
export function entryCount(core: StoreCore, mapId: MapId, partitionId?: PartitionId): number {
  const map = core.maps.get(mapId);
  if (map === undefined) return 0;
  if (partitionId !== undefined) return map.tables[partitionId]?.liveCount ?? 0;
  let sum = 0;
  for (const table of map.tables) if (table !== undefined) sum += table.liveCount;
  return sum;
}

/** As MemberStore.hasVersions(). */
export function hasVersions(core: StoreCore, mapId: MapId, partitionId: PartitionId): boolean {
  const table = core.maps.get(mapId)?.tables[partitionId];
  return (
    table !== undefined && (table.liveCount > 0 || table.undecided > 0 || !table.closed.isEmpty || !table.held.isEmpty)
  );
}

/**
 * Visits the keys of the entries in slots [fromSlot, ...) of one partition: each where it lies, `bytes[start, stop)` of the
 * chunk.
 *
 * @param maxSlots  slots looked at
 * @returns the slot to go on from, or -1 at the end
 */
export function visitKeys(
  core: StoreCore,
  mapId: MapId,
  partitionId: PartitionId,
  fromSlot: number,
  maxSlots: number,
  visit: (chunk: SlotChunkView) => void,
): number {
  assertCount(fromSlot, 0);
  assertSlice(maxSlots);
  const table = core.mapOf(mapId).tables[partitionId];
  if (table === undefined) return -1;
  return visitNewest(table, fromSlot, maxSlots, (chunk, slot) => {
    chunk.positionKey(slot);
    visit(chunk);
  });
}

/**
 * Visits the slots [from, from + count) that hold the newest value of their entry, staged or committed.
 *
 * @returns the slot to go on from, or -1 at the end
 */
function visitNewest(
  table: SlotTable,
  from: number,
  count: number,
  visit: (chunk: SlotChunkView, slot: number) => void,
): number {
  const chunkIndex = from >>> CHUNK_SHIFT;
  const chunk = table.chunks[chunkIndex];
  if (chunk === undefined) return -1;
  const start = from & CHUNK_MASK;
  const stop = Math.min(chunk.used, start + count);
  for (let at = start; at < stop; at++) {
    const begin = chunk.f64[chunk.begin + at]!;
    if (begin < ABORTED && chunk.f64[chunk.end + at] === LIVE) visit(chunk, at);
  }
  if (stop < chunk.used) return from - start + stop;
  return chunkIndex + 1 < table.chunks.length ? (chunkIndex + 1) << CHUNK_SHIFT : -1;
}
