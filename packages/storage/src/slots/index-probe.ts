/** Finding an entry by its key: the part of the entry index that every thread runs. */

import {
  ENTRY_KEY_BYTES,
  ENTRY_KEY_BYTES_MASK,
  ENTRY_KEY_OFFSET,
  INDEX_BUCKET_WORDS,
  INDEX_TOMBSTONE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';

/**
 * Linear probing from the hash's home bucket.
 *
 * A reader that runs beside the writer may miss an entry inserted meanwhile, which its snapshot does not see anyway, and
 * may meet one that is unlinked meanwhile, whose memory its epoch protects; the key's bytes are compared in any case.
 *
 * @param buckets   reference of the buckets
 * @param capacity  of the buckets, a power of two
 * @returns the entry, or 0
 */
export function probeIndex(
  arena: Arena,
  buckets: Ref,
  capacity: number,
  hash: number,
  key: Uint8Array,
  start: number,
  end: number,
): Ref {
  const segment = arena.segments[buckets >>> SEGMENT_SHIFT]!;
  const u32 = segment.u32;
  const base = (buckets & SEGMENT_MASK) << 1;
  const mask = capacity - 1;
  for (let bucket = hash & mask, probes = 0; probes < capacity; bucket = (bucket + 1) & mask, probes++) {
    const at = base + bucket * INDEX_BUCKET_WORDS;
    const entry = Atomics.load(u32, at + 1);
    if (entry === 0) return 0;
    if (u32[at] === hash && entry !== INDEX_TOMBSTONE && entryHasKey(arena, entry, key, start, end)) return entry;
  }
  return 0;
}

/** Whether an entry is that of a key. */
export function entryHasKey(arena: Arena, entry: Ref, key: Uint8Array, start: number, end: number): boolean {
  const segment = arena.segments[entry >>> SEGMENT_SHIFT]!;
  const at = entry & SEGMENT_MASK;
  const length = end - start;
  if ((segment.i32[(at << 1) + ENTRY_KEY_BYTES]! & ENTRY_KEY_BYTES_MASK) !== length) return false;
  const u8 = segment.u8;
  const keyAt = at * 8 + ENTRY_KEY_OFFSET;
  for (let index = 0; index < length; index++) if (u8[keyAt + index] !== key[start + index]) return false;
  return true;
}
