/**
 * What the writer does with the columns of a chunk: publish a region that a worker filled, drop it. What a region holds
 * is the business of columns/. Which slots it holds follows from the versions in the lanes, so no write touches it.
 *
 *   chunk header -> column directory [region][0][region] ...    one reference a column number
 *
 * chunk-columns Q1  A region is whole when it is published and never changes; readers find it by one load of its reference.
 * chunk-columns Q2  What is taken away is freed when every reader has passed.
 */

import { CHUNK_COLUMNS, COLUMN_DIRECTORY_BYTES, COLUMNS_MAX, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import type { SlotChunkView } from '../slots/slot-chunk.ts';
import type { TableHost } from '../slots/table-host.ts';

/**
 * Swings the reference of a column to a filled region and retires the one before.
 *
 * @returns false when memory is full: nothing has changed and the region is still the caller's
 */
export function publishRegion(host: TableHost, chunk: SlotChunkView, columnNumber: number, region: Ref): boolean {
  const { blocks, account, epochs } = host;
  let directory = chunk.u32[chunk.header + CHUNK_COLUMNS]!;
  if (directory === 0) {
    directory = blocks.allocate(COLUMN_DIRECTORY_BYTES, account, MemoryKind.columns);
    if (directory === 0) return false;
    const words = blocks.arena.segments[directory >>> SEGMENT_SHIFT]!.u32;
    const start = (directory & SEGMENT_MASK) << 1;
    words.fill(0, start, start + COLUMNS_MAX);
    Atomics.store(chunk.u32, chunk.header + CHUNK_COLUMNS, directory);
  }
  const words = blocks.arena.segments[directory >>> SEGMENT_SHIFT]!.u32;
  const place = ((directory & SEGMENT_MASK) << 1) + columnNumber;
  const old = words[place]!;
  Atomics.store(words, place, region);
  if (old !== 0) epochs.retire(blocks.blockBytes(old), () => blocks.free(old, account, MemoryKind.columns));
  return true;
}

/** Takes all columns of a chunk away. @returns whether it had any */
export function dropChunkColumns(host: TableHost, chunk: SlotChunkView): boolean {
  const { blocks, account, epochs } = host;
  const directory = chunk.u32[chunk.header + CHUNK_COLUMNS]!;
  if (directory === 0) return false;
  Atomics.store(chunk.u32, chunk.header + CHUNK_COLUMNS, 0);
  let bytes = COLUMN_DIRECTORY_BYTES;
  const regions: Ref[] = [];
  const words = blocks.arena.segments[directory >>> SEGMENT_SHIFT]!.u32;
  const start = (directory & SEGMENT_MASK) << 1;
  for (let column = 0; column < COLUMNS_MAX; column++) {
    const region = words[start + column]!;
    if (region === 0) continue;
    regions.push(region);
    bytes += blocks.blockBytes(region);
  }
  epochs.retire(bytes, () => {
    for (const region of regions) blocks.free(region, account, MemoryKind.columns);
    blocks.free(directory, account, MemoryKind.columns);
  });
  return true;
}
