/**
 * The chain of an entry's slots, from the newest to older ones (the writer's side): links that are checked before they are
 * followed, and slots that leave from between. slot-table I4 and I7.
 */

import { resolveLane } from '../batch/pending-words.ts';
import { CHUNK_MASK, CHUNK_SHIFT, FREE, PENDING_BASE, PENDING_WORDS_MAX } from '../layout.ts';
import type { Ref } from '../memory/arena.ts';
import type { SlotChunkView } from './slot-chunk.ts';

type Chunks = readonly SlotChunkView[];

/**
 * A slot leaves the chain of its entry: the one above it, if it is still reachable, takes over the link. What is not
 * reachable from the newest slot is needed by no snapshot.
 */
export function bridge(chunks: Chunks, entry: Ref, newest: number, leaving: number, link: number): void {
  let bound = Infinity;
  for (let above = newest, stagedLeft = PENDING_WORDS_MAX; above !== 0 && stagedLeft > 0; ) {
    const chunk = chunks[(above - 1) >>> CHUNK_SHIFT]!;
    const at = (above - 1) & CHUNK_MASK;
    if (chunk.u32[chunk.entryRef + at] !== entry) return;
    const begin = resolveLane(chunk.arena, chunk.f64[chunk.begin + at]!);
    if (begin === FREE || begin >= bound) return;
    if (begin >= PENDING_BASE) stagedLeft -= 1;
    else bound = begin;
    above = chunk.u32[chunk.previous + at]!;
    if (above !== leaving + 1) continue;
    Atomics.store(chunk.u32, chunk.previous + at, link);
    return;
  }
}

/** The link, or 0 when its slot has been given up meanwhile (slot-table I4). */
export function validPrevious(chunks: Chunks, entry: Ref, link: number): number {
  if (link === 0) return 0;
  const slot = link - 1;
  const chunk = chunks[slot >>> CHUNK_SHIFT]!;
  const at = slot & CHUNK_MASK;
  return chunk.u32[chunk.entryRef + at] === entry && chunk.f64[chunk.begin + at] !== FREE ? link : 0;
}

/** The link of a committed slot that begins at `bound`, or 0 when there is nothing older any more (slot-table I4). */
export function olderThan(chunks: Chunks, entry: Ref, link: number, bound: number): number {
  const valid = validPrevious(chunks, entry, link);
  if (valid === 0) return 0;
  const chunk = chunks[(valid - 1) >>> CHUNK_SHIFT]!;
  return resolveLane(chunk.arena, chunk.f64[chunk.begin + ((valid - 1) & CHUNK_MASK)]!) < bound ? valid : 0;
}
