/**
 * Entry and value blocks: allocation and reference counts. A value is shared by its slot and by the log records that
 * name it; an entry is held by the index, its slots and its log records. Writer's thread only.
 *
 * blocks K1  A block is freed when its last reference goes; references of slots and of the index go only after every reader
 *            has passed (slot-table.ts), so the last one to go may free at once.
 */
import { assert } from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import {
  ENTRY_ACCESS,
  ENTRY_KEY_BYTES,
  ENTRY_KEY_BYTES_MASK,
  ENTRY_KEY_OFFSET,
  ENTRY_NEWEST,
  ENTRY_REFS,
  ENTRY_TIMER,
  ENTRY_VALUE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  VALUE_BYTES_USED,
  VALUE_OFFSET,
  VALUE_REFS,
} from '../layout.ts';
import { type ByteAccount, MemoryKind } from './accounts.ts';
import type { Ref } from './arena.ts';
import { type BlockAllocator, SLAB_BYTES_MAX } from './block-allocator.ts';
import { copyToWords } from './copy-to-words.ts';
import { createExtents, fitsInExtents, freeExtents } from './value-extents.ts';

/**
 * A value block holding buffer[start, end), with one reference; in extents where no run of pages is long enough.
 *
 * @returns 0 when memory is full
 */
export function createValue(
  blocks: BlockAllocator,
  account: ByteAccount,
  buffer: Uint8Array,
  start: number,
  end: number,
): Ref {
  const bytes = VALUE_OFFSET + end - start;
  if (bytes > SLAB_BYTES_MAX) return createLongValue(blocks, account, buffer, start, end);
  const ref = blocks.allocate(bytes, account, MemoryKind.values);
  return ref === 0 ? 0 : filled(blocks, ref, buffer, start, end);
}

/** A function of its own, because its closure would cost every short value a context. */
function createLongValue(
  blocks: BlockAllocator,
  account: ByteAccount,
  buffer: Uint8Array,
  start: number,
  end: number,
): Ref {
  const isHelped = (): boolean => fitsInExtents(blocks, end - start);
  const ref = blocks.allocateUnless(isHelped, VALUE_OFFSET + end - start, account, MemoryKind.values);
  if (ref === 0) return createExtents(blocks, account, buffer, start, end);
  return filled(blocks, ref, buffer, start, end);
}

/** A new block of one piece takes its value. */
function filled(blocks: BlockAllocator, ref: Ref, buffer: Uint8Array, start: number, end: number): Ref {
  const segment = blocks.arena.segments[ref >>> SEGMENT_SHIFT]!;
  const at = ref & SEGMENT_MASK;
  segment.i32[(at << 1) + VALUE_REFS] = 1;
  segment.i32[(at << 1) + VALUE_BYTES_USED] = end - start;
  copyToWords(segment.i32, (at << 1) + VALUE_OFFSET / 4, segment.u8, buffer, start, end);
  return ref;
}

export function holdValue(blocks: BlockAllocator, value: Ref): void {
  blocks.arena.segments[value >>> SEGMENT_SHIFT]!.i32[((value & SEGMENT_MASK) << 1) + VALUE_REFS]! += 1;
}

export function releaseValue(blocks: BlockAllocator, account: ByteAccount, value: Ref): void {
  const i32 = blocks.arena.segments[value >>> SEGMENT_SHIFT]!.i32;
  const at = (value & SEGMENT_MASK) << 1;
  const refs = i32[at + VALUE_REFS]! - 1;
  assert(refs >= 0, 'blocks K1: a value is not released twice');
  i32[at + VALUE_REFS] = refs;
  if (refs !== 0) return;
  if (i32[at + VALUE_BYTES_USED]! < 0) freeExtents(blocks, account, value);
  else blocks.free(value, account, MemoryKind.values);
}

/**
 * An entry block for the key buffer[start, end), held once (for the index), without slots.
 *
 * @returns 0 when memory is full
 */
export function createEntry(
  blocks: BlockAllocator,
  account: ByteAccount,
  buffer: Uint8Array,
  start: number,
  end: number,
): Ref {
  const ref = blocks.allocate(ENTRY_KEY_OFFSET + end - start, account, MemoryKind.entries);
  if (ref === 0) return 0;
  const segment = blocks.arena.segments[ref >>> SEGMENT_SHIFT]!;
  const u32 = segment.u32;
  const at = (ref & SEGMENT_MASK) << 1;
  u32[at + ENTRY_VALUE] = 0;
  u32[at + ENTRY_NEWEST] = 0;
  u32[at + ENTRY_KEY_BYTES] = end - start;
  u32[at + ENTRY_REFS] = 1;
  u32[at + ENTRY_ACCESS] = 0;
  u32[at + ENTRY_TIMER] = 0;
  copyToWords(segment.i32, at + ENTRY_KEY_OFFSET / 4, segment.u8, buffer, start, end);
  return ref;
}

/** The hash of an entry's key, as the index uses it. */
export function keyHash(host: { readonly blocks: BlockAllocator; readonly hashSeed: number }, entry: Ref): number {
  const segment = host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!;
  const at = entry & SEGMENT_MASK;
  const start = at * 8 + ENTRY_KEY_OFFSET;
  const length = segment.i32[(at << 1) + ENTRY_KEY_BYTES]! & ENTRY_KEY_BYTES_MASK;
  return hashBytes(segment.u8, start, start + length, host.hashSeed);
}

export function holdEntry(blocks: BlockAllocator, entry: Ref): void {
  blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.i32[((entry & SEGMENT_MASK) << 1) + ENTRY_REFS]! += 1;
}

export function releaseEntry(blocks: BlockAllocator, account: ByteAccount, entry: Ref): void {
  const i32 = blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.i32;
  const at = ((entry & SEGMENT_MASK) << 1) + ENTRY_REFS;
  const refs = i32[at]! - 1;
  assert(refs >= 0, 'blocks K1: an entry is not released twice');
  i32[at] = refs;
  if (refs === 0) blocks.free(entry, account, MemoryKind.entries);
}
