/**
 * Values in extents: a value that no free run of pages holds lies in several, and in free blocks of slabs where these do
 * not do, chained through their headers.
 *
 *   valueRef -> [refs][~bytes][next][bytes here] data ... -> [0][0][next][bytes here] data ... -> [0][0][0][bytes here] data
 *
 * Only values longer than a slab's block are stored so, and only when no run is long enough though as much is free.
 * The alternative, to clear a window by moving what lies in it, would have to find every reference to a block (value lanes of
 * all tables, log records, what a batch has staged), keep the old bytes until every reader has passed, and so could not
 * make room within the put that needs it; readers that compare references would have to know. A chain is written once and
 * never changes, so whatever is true for readers of a block in one piece is true for it: the slot's or the log record's
 * reference holds the first extent, that one the others. Its price is a copy in one piece at each read (O(value), as decoding
 * is), and one test of a sign that was loaded anyway at the reads of all others.
 *
 * value-extents V1  The sign of VALUE_BYTES_USED says how a value lies; it and the chain stay as they are while anybody may
 *                   see the value.
 * value-extents V2  Extents hold a multiple of 8 bytes, but for the last; together they hold the value. None is empty.
 * value-extents V3  Extents are taken from the shortest free runs: the long ones stay for what has to lie in one (tables,
 *                   indexes, columns).
 * value-extents V4  Nothing is given up for a value that fits into what is free, in pieces.
 */
import { assert } from '@ashlar/core';
import {
  EXTENT_BYTES_USED,
  EXTENT_NEXT,
  EXTENT_OFFSET,
  PAGE_BYTES,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  VALUE_BYTES_USED,
  VALUE_REFS,
} from '../layout.ts';
import { finishMurmur, mixWords } from '../log/checksum.ts';
import { type ByteAccount, MemoryKind } from './accounts.ts';
import type { Arena, Ref } from './arena.ts';
import type { BlockAllocator } from './block-allocator.ts';

/** Bytes of a value that fit into an extent of one page. */
const EXTENT_PAGE_BYTES = PAGE_BYTES - EXTENT_OFFSET;

export function liesInExtents(arena: Arena, value: Ref): boolean {
  return arena.segmentOf(value).i32[((value & SEGMENT_MASK) << 1) + VALUE_BYTES_USED]! < 0;
}

/** Bytes of a value, however it lies. Any thread. */
export function valueBytesOf(arena: Arena, value: Ref): number {
  const bytes = arena.segments[value >>> SEGMENT_SHIFT]!.i32[((value & SEGMENT_MASK) << 1) + VALUE_BYTES_USED]!;
  return bytes < 0 ? ~bytes : bytes;
}

/* ---- The writer's side ---------------------------------------------------------------------------------------- */

/** The longest value that fits into what is free, in as many extents as it takes. */
export function extentBytesMax(blocks: BlockAllocator): number {
  return blocks.pages.availablePages * EXTENT_PAGE_BYTES + blocks.slackCapacity(EXTENT_OFFSET);
}

export function fitsInExtents(blocks: BlockAllocator, bytes: number): boolean {
  return bytes <= blocks.pages.availablePages * EXTENT_PAGE_BYTES || bytes <= extentBytesMax(blocks);
}

/**
 * A value holding buffer[start, end) in as many extents as it takes, with one reference.
 *
 * @returns 0 when it does not fit; nothing has changed then
 */
export function createExtents(
  blocks: BlockAllocator,
  account: ByteAccount,
  buffer: Uint8Array,
  start: number,
  end: number,
): Ref {
  if (!fitsInExtents(blocks, end - start)) return 0;
  let value: Ref = 0;
  let last: Ref = 0;
  for (let from = start; from < end; ) {
    const extent = allocateExtent(blocks, account, EXTENT_OFFSET + end - from);
    assert(extent !== 0, 'as much is free as was counted');
    const to = Math.min(end, from + blocks.blockBytes(extent) - EXTENT_OFFSET);
    writeExtent(blocks.arena, extent, buffer, from, to);
    if (last === 0) value = extent;
    else setNext(blocks.arena, last, extent);
    last = extent;
    from = to;
  }
  const { i32 } = blocks.arena.segmentOf(value);
  const at = (value & SEGMENT_MASK) << 1;
  i32[at + VALUE_REFS] = 1;
  i32[at + VALUE_BYTES_USED] = ~(end - start);
  return value;
}

/** Takes a piece of at most `bytes`: from pages while there are any, then from what is left in slabs. */
function allocateExtent(blocks: BlockAllocator, account: ByteAccount, bytes: number): Ref {
  const pages = blocks.allocatePiece(Math.ceil(bytes / PAGE_BYTES), account, MemoryKind.values);
  return pages === 0 ? blocks.allocateSlack(bytes, account, MemoryKind.values) : pages;
}

function writeExtent(arena: Arena, extent: Ref, buffer: Uint8Array, from: number, to: number): void {
  const { i32, u8 } = arena.segmentOf(extent);
  const granule = extent & SEGMENT_MASK;
  i32.fill(0, granule << 1, (granule << 1) + EXTENT_OFFSET / 4);
  i32[(granule << 1) + EXTENT_BYTES_USED] = to - from;
  u8.set(buffer.subarray(from, to), granule * 8 + EXTENT_OFFSET);
}

function setNext(arena: Arena, extent: Ref, next: Ref): void {
  arena.segmentOf(extent).u32[((extent & SEGMENT_MASK) << 1) + EXTENT_NEXT] = next;
}

/** Gives the pages of all extents back. O(extents). */
export function freeExtents(blocks: BlockAllocator, account: ByteAccount, value: Ref): void {
  for (let extent = value; extent !== 0; ) {
    const next = nextOf(blocks.arena, extent);
    blocks.free(extent, account, MemoryKind.values);
    extent = next;
  }
}

/** As murmurOfBlock() of the same bytes in one piece. */
export function murmurOfExtents(arena: Arena, value: Ref, seed: number): number {
  let hash = seed;
  for (let extent = value; ; ) {
    const { i32 } = arena.segmentOf(extent);
    const at = (extent & SEGMENT_MASK) << 1;
    const words = i32[at + EXTENT_BYTES_USED]! >> 2;
    const first = at + EXTENT_OFFSET / 4;
    hash = mixWords(i32, first, words, hash);
    const next = nextOf(arena, extent);
    if (next === 0) return finishMurmur(i32, first + words, valueBytesOf(arena, value), hash);
    extent = next;
  }
}

/* ---- Any thread ------------------------------------------------------------------------------------------------- */

function nextOf(arena: Arena, extent: Ref): Ref {
  return arena.segmentOf(extent).u32[((extent & SEGMENT_MASK) << 1) + EXTENT_NEXT]!;
}

/** The value in one piece, in memory of its own. */
export function assembleExtents(arena: Arena, value: Ref): Uint8Array {
  // Looked at first: what an expired snapshot leads to may be anything, and must not be taken for a length.
  checkExtents(arena, value);
  const bytes = new Uint8Array(valueBytesOf(arena, value));
  copyExtents(arena, value, bytes, 0);
  return bytes;
}

/** Copies the value to target[at, ...). */
export function copyExtents(arena: Arena, value: Ref, target: Uint8Array, at: number): void {
  for (let extent = value, to = at; extent !== 0; extent = nextOf(arena, extent)) {
    const { i32, u8 } = arena.segmentOf(extent);
    const granule = extent & SEGMENT_MASK;
    const start = granule * 8 + EXTENT_OFFSET;
    const bytes = i32[(granule << 1) + EXTENT_BYTES_USED]!;
    target.set(u8.subarray(start, start + bytes), to);
    to += bytes;
  }
}

/** value-extents V2. @throws AssertionError */
export function checkExtents(arena: Arena, value: Ref): void {
  let left = valueBytesOf(arena, value);
  for (let extent = value; extent !== 0; extent = nextOf(arena, extent)) {
    assert(extent < arena.bytes / 8, 'value-extents V2: an extent lies in the arena');
    const bytes = arena.segmentOf(extent).i32[((extent & SEGMENT_MASK) << 1) + EXTENT_BYTES_USED]!;
    assert(bytes > 0 && bytes <= left, 'value-extents V2: extents hold the value and no more');
    left -= bytes;
  }
  assert(left === 0, 'value-extents V2: extents hold the whole value');
}

/** The last value that a view assembled, for the columns of one row: good as long as its reference is. */
export class AssembledValue {
  readonly #arena: Arena;
  #value: Ref = 0;
  #bytes: Uint8Array | undefined;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  of(value: Ref): Uint8Array {
    if (this.#value === value && this.#bytes !== undefined) return this.#bytes;
    const bytes = assembleExtents(this.#arena, value);
    this.#value = value;
    this.#bytes = bytes;
    return bytes;
  }

  /** References that are asked for from here on may be of other values. */
  forget(): void {
    this.#bytes = undefined;
  }
}
