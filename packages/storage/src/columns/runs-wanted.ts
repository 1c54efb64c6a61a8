/** How many pages a task should bring for a column chunk: the main thread asks before it lends them. */
import { PAGE_BYTES, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import type { SlotChunkView } from '../slots/slot-chunk.ts';
import { REGION_BYTES, REGION_CHUNK_REF, REGION_FILLED_AT_F64, REGION_HEAD_BYTES } from './region-layout.ts';

/** Chunks with fewer rows are read from bytes: a column would take a page for a few of them. */
export const BUILD_SLOTS_MIN = 256;

const NUMBER_BYTES = 8;
const TAG_BYTES = 1;

/**
 * Lengths of the runs of pages to lend: none where the column holds everything that was committed; of the size that it
 * has; or, where there is none yet, one run for texts by code and one for numbers, of which the column takes the one that
 * fits it best.
 */
export function runsWanted(chunk: SlotChunkView, columnNumber: number): readonly number[] {
  if (chunk.used < BUILD_SLOTS_MIN) return [];
  const numberPages = Math.ceil((REGION_HEAD_BYTES + chunk.capacity * (NUMBER_BYTES + TAG_BYTES)) / PAGE_BYTES);
  const region = chunk.columnRef(columnNumber);
  if (region === 0) return numberPages === 1 ? [1] : [1, numberPages];
  const { i32, u32, f64 } = chunk.arena.segments[region >>> SEGMENT_SHIFT]!;
  const granule = region & SEGMENT_MASK;
  const isOfChunk = u32[(granule << 1) + REGION_CHUNK_REF] === chunk.ref;
  if (isOfChunk && chunk.maxBegin <= f64[granule + REGION_FILLED_AT_F64]!) return [];
  // a little more than the present one: rows may have come
  return [Math.max(1, Math.min(numberPages, Math.ceil((i32[(granule << 1) + REGION_BYTES]! * 1.25) / PAGE_BYTES)))];
}
