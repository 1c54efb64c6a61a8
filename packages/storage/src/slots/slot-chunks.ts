/**
 * The chunks of one slot table and their free slots (the writer's side).
 *
 *   table header -> chunk directory [first chunk: 32, 63, ... 4096 slots][4096 slots][4096 slots] ...
 *
 * The last chunk grows by copy, swing, retire; slot numbers stay. Then full chunks are added; where no run of pages holds a
 * full one though pages are free, chunks of one page. A slot's number is chunk index * 4096 + place.
 *
 * slot-chunks H1  Readers find a chunk only when all of its header is written, and a slot only when `used` covers it.
 * slot-chunks H2  An old copy of a chunk stays true for whoever reads it: its readers came before any later commit.
 * slot-chunks H3  Free slots hang in one list through their `previous` lanes; they count as hidden.
 */
import { assert } from '@ashlar/core';
import { dropChunkColumns } from '../columns/chunk-columns.ts';
import {
  CHUNK_CAPACITY,
  CHUNK_HEADER_BYTES,
  CHUNK_MASK,
  CHUNK_MAX_BEGIN_F64,
  CHUNK_PAGE_SLOTS,
  CHUNK_SHIFT,
  CHUNK_SLOTS_MAX,
  CHUNK_TALLY,
  CHUNK_USED,
  FIRST_CHUNK_CAPACITIES,
  FREE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  SLOT_BYTES,
  TABLE_CHUNK_COUNT,
  TABLE_CHUNK_DIRECTORY,
  TALLY_HIDDEN,
} from '../layout.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import { SlotChunkView } from './slot-chunk.ts';
import type { TableHost } from './table-host.ts';

const FIRST_DIRECTORY_CHUNKS = 4;

export class SlotChunks {
  /** One view a chunk. The last is replaced as it grows. */
  readonly list: SlotChunkView[] = [];
  readonly host: TableHost;
  /** Where the table's header lies. */
  readonly #header: Ref;
  #directory: Ref = 0;
  #directoryCapacity = 0;
  /** First free slot + 1. */
  #freeHead = 0;

  constructor(host: TableHost, header: Ref) {
    this.host = host;
    this.#header = header;
  }

  /** Makes sure that take() finds one. @returns false when memory is full */
  reserve(): boolean {
    if (this.#freeHead !== 0) return true;
    const last = this.list.length - 1;
    if (last >= 0) {
      const chunk = this.list[last]!;
      if (chunk.i32[chunk.header + CHUNK_USED]! < chunk.capacity) return true;
      if (chunk.capacity < CHUNK_SLOTS_MAX && this.#growLastChunk()) return true;
      if (chunk.capacity < CHUNK_PAGE_SLOTS) return false;
    }
    if (this.list.length === this.#directoryCapacity && !this.#growDirectory()) return false;
    let ref = this.#createChunk(last < 0 ? FIRST_CHUNK_CAPACITIES[0] : CHUNK_SLOTS_MAX);
    if (ref === 0 && last >= 0) ref = this.#createChunk(CHUNK_PAGE_SLOTS);
    if (ref === 0) return false;
    this.list.push(new SlotChunkView(this.host.blocks.arena).attach(ref));
    this.#storeDirectory(this.list.length - 1, ref);
    this.#storeHeader(TABLE_CHUNK_COUNT, this.list.length);
    return true;
  }

  /** Nothing is given up for a chunk of several pages while one of a single page can be had. */
  #createChunk(capacity: number): Ref {
    const bytes = CHUNK_HEADER_BYTES + capacity * SLOT_BYTES;
    const { blocks, account } = this.host;
    const ref =
      capacity > CHUNK_PAGE_SLOTS
        ? blocks.allocateUnlessInPieces(bytes, 1, account, MemoryKind.slots)
        : blocks.allocate(bytes, account, MemoryKind.slots);
    if (ref === 0) return 0;
    const i32 = blocks.arena.segments[ref >>> SEGMENT_SHIFT]!.i32;
    const at = (ref & SEGMENT_MASK) << 1;
    i32.fill(0, at, at + CHUNK_HEADER_BYTES / 4);
    i32[at + CHUNK_CAPACITY] = capacity;
    return ref;
  }

  /** Copy, swing, retire. The old copy stays true for whoever reads it: its readers came before any later commit. */
  #growLastChunk(): boolean {
    const index = this.list.length - 1;
    const old = this.list[index]!;
    const capacity = FIRST_CHUNK_CAPACITIES.find((size) => size > old.capacity)!;
    const ref = this.#createChunk(capacity);
    if (ref === 0) return false;
    dropChunkColumns(this.host, old);
    const grown = new SlotChunkView(this.host.blocks.arena).attach(ref);
    const used = old.used;
    grown.i32[grown.header + CHUNK_USED] = used;
    grown.i32[grown.header + CHUNK_TALLY] = old.tally;
    grown.f64[(grown.header >>> 1) + CHUNK_MAX_BEGIN_F64] = old.maxBegin;
    for (const lane of ['begin', 'end', 'expiresAt'] as const) {
      grown.f64.set(old.f64.subarray(old[lane], old[lane] + used), grown[lane]);
    }
    for (const lane of ['valueRef', 'entryRef', 'previous'] as const) {
      grown.u32.set(old.u32.subarray(old[lane], old[lane] + used), grown[lane]);
    }
    this.list[index] = grown;
    this.#storeDirectory(index, ref);
    const { blocks, account, epochs } = this.host;
    epochs.retire(blocks.blockBytes(old.ref), () => blocks.free(old.ref, account, MemoryKind.slots));
    return true;
  }

  #growDirectory(): boolean {
    const { blocks, account, epochs } = this.host;
    const capacity = this.#directoryCapacity === 0 ? FIRST_DIRECTORY_CHUNKS : this.#directoryCapacity * 2;
    const ref = blocks.allocate(capacity * 4, account, MemoryKind.slots);
    if (ref === 0) return false;
    const u32 = blocks.arena.segments[ref >>> SEGMENT_SHIFT]!.u32;
    const at = (ref & SEGMENT_MASK) << 1;
    u32.fill(0, at, at + capacity);
    for (let index = 0; index < this.list.length; index++) u32[at + index] = this.list[index]!.ref;
    const old = this.#directory;
    this.#directory = ref;
    this.#directoryCapacity = capacity;
    this.#storeHeader(TABLE_CHUNK_DIRECTORY, ref);
    if (old !== 0) epochs.retire(blocks.blockBytes(old), () => blocks.free(old, account, MemoryKind.slots));
    return true;
  }

  #storeDirectory(chunkIndex: number, ref: Ref): void {
    const u32 = this.host.blocks.arena.segments[this.#directory >>> SEGMENT_SHIFT]!.u32;
    Atomics.store(u32, ((this.#directory & SEGMENT_MASK) << 1) + chunkIndex, ref);
  }

  #storeHeader(field: number, value: number): void {
    const u32 = this.host.blocks.arena.segments[this.#header >>> SEGMENT_SHIFT]!.u32;
    Atomics.store(u32, ((this.#header & SEGMENT_MASK) << 1) + field, value);
  }

  /** A slot that nobody sees: begin is FREE and it counts as hidden. reserve() has just said yes. */
  take(): number {
    if (this.#freeHead !== 0) {
      const slot = this.#freeHead - 1;
      const chunk = this.list[slot >>> CHUNK_SHIFT]!;
      this.#freeHead = chunk.u32[chunk.previous + (slot & CHUNK_MASK)]!;
      return slot;
    }
    const last = this.list.length - 1;
    const chunk = this.list[last]!;
    const used = chunk.i32[chunk.header + CHUNK_USED]!;
    assert(used < chunk.capacity, 'a slot was reserved');
    // Before `used` covers it.
    chunk.f64[chunk.begin + used] = FREE;
    chunk.f64[chunk.end + used] = 0;
    chunk.u32[chunk.entryRef + used] = 0;
    chunk.i32[chunk.header + CHUNK_TALLY]! += TALLY_HIDDEN;
    Atomics.store(chunk.i32, chunk.header + CHUNK_USED, used + 1);
    return (last << CHUNK_SHIFT) + used;
  }

  /** A slot that no reader can see any more: it is free. */
  give(chunk: SlotChunkView, at: number, slot: number): void {
    chunk.f64[chunk.begin + at] = FREE;
    chunk.f64[chunk.end + at] = 0;
    chunk.u32[chunk.valueRef + at] = 0;
    chunk.u32[chunk.entryRef + at] = 0;
    chunk.u32[chunk.previous + at] = this.#freeHead;
    this.#freeHead = slot + 1;
  }

  /** For the walk of invariants. */
  *free(): IterableIterator<number> {
    for (let link = this.#freeHead; link !== 0; ) {
      const slot = link - 1;
      yield slot;
      const chunk = this.list[slot >>> CHUNK_SHIFT]!;
      link = chunk.u32[chunk.previous + (slot & CHUNK_MASK)]!;
    }
  }

  /** Gives everything back; no reader is left. */
  destroy(): void {
    const { blocks, account } = this.host;
    for (const chunk of this.list) {
      dropChunkColumns(this.host, chunk);
      blocks.free(chunk.ref, account, MemoryKind.slots);
    }
    this.list.length = 0;
    if (this.#directory !== 0) blocks.free(this.#directory, account, MemoryKind.slots);
    this.#directory = 0;
  }
}
