/**
 * Blocks by size class: small ones in slabs of one page, larger ones in runs of pages. Every block begins at a granule
 * and is charged to an account (accounts.ts) by the bytes it takes.
 *
 *   slab page of class c:  [block][block][free -> next free][block] ... [never used: bump]
 *
 * Only the writer's thread runs it. A block given back here must be out of every reader's sight already (epochs.ts).
 *
 * block-allocator B1  Pages of one class with a free block hang in one list; full pages in none; an empty page goes back.
 * block-allocator B2  charged bytes + slack + free pages + control pages = the arena.
 */
import { assert } from '@ashlar/core';
import {
  CONTROL_PAGES,
  GRANULE_BYTES,
  LOG_BLOCK_BYTES,
  PAGE_BYTES,
  PAGE_GRANULES,
  PAGE_SHIFT,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from '../layout.ts';
import type { ByteAccount, MemoryKind } from './accounts.ts';
import type { Arena, Ref } from './arena.ts';
import { PageAllocator } from './page-allocator.ts';

/** Block sizes in granules: at most an eighth (a quarter over 2 KiB) is lost, and a page is filled well. */
const CLASS_GRANULES = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64,
  72, 80, 88, 96, 112, 128, 160, 192, 240, 292, 372, 454, 512, 585, 682, 819, 1024, 1365, 2048,
] as const;
const SLAB_GRANULES_MAX = 2048;
/** Longer blocks are runs of pages. */
export const SLAB_BYTES_MAX = SLAB_GRANULES_MAX * GRANULE_BYTES;
const NO_CLASS = 255;
const RUN_CLASS = 254;

/** CLASS_OF[granules] is the smallest class that holds them. */
const CLASS_OF = new Uint8Array(SLAB_GRANULES_MAX + 1);
for (let granules = 0, index = 0; granules <= SLAB_GRANULES_MAX; granules++) {
  if (granules > CLASS_GRANULES[index]!) index++;
  CLASS_OF[granules] = index;
}
const GRANULES_OF = new Int32Array(CLASS_GRANULES);
/**
 * Free blocks of 512 bytes and more take pieces of long values; not those that log blocks take: what is free among them may
 * be of the reserve, and is for removes.
 */
const PIECE_CLASSES = Array.from(GRANULES_OF.keys()).filter(
  (sizeClass) => GRANULES_OF[sizeClass]! >= 64 && sizeClass !== CLASS_OF[LOG_BLOCK_BYTES / GRANULE_BYTES],
);

/** Outcome of an attempt to make room: what nobody needs was freed, something was given up for it, or nothing is left. */
export type Relief = 'freed' | 'givenUp' | 'nothing';

export class BlockAllocator {
  readonly arena: Arena;
  readonly pages: PageAllocator;
  readonly #class: Uint8Array;
  /** Granule within the page of the first free block, -1 if none. */
  readonly #freeHead: Int16Array;
  /** Granule within the page from which on nothing was ever handed out. */
  readonly #bump: Int16Array;
  readonly #usedBlocks: Int16Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #partial = new Int32Array(CLASS_GRANULES.length).fill(-1);
  /** By size class: blocks in use, and pages. */
  readonly #usedOfClass = new Int32Array(CLASS_GRANULES.length);
  readonly #pagesOfClass = new Int32Array(CLASS_GRANULES.length);
  #slabPages = 0;
  #runPages = 0;
  /** Called when there are no such pages; gives less each time until there is nothing. */
  onPressure: (pagesWanted: number) => Relief = () => 'nothing';

  constructor(arena: Arena, reservePages: number) {
    this.arena = arena;
    this.pages = new PageAllocator(arena.pageCount, CONTROL_PAGES, reservePages);
    const count = arena.pageCount;
    this.#class = new Uint8Array(count).fill(NO_CLASS);
    this.#freeHead = new Int16Array(count);
    this.#bump = new Int16Array(count);
    this.#usedBlocks = new Int16Array(count);
    this.#next = new Int32Array(count);
    this.#previous = new Int32Array(count);
  }

  /** Bytes in slab pages that no block takes: what a neighbour of the same class can still use. */
  get slackBytes(): number {
    return this.#slabPages * PAGE_BYTES - this.#slabBytesUsed;
  }

  get #slabBytesUsed(): number {
    return (
      this.#usedOfClass.reduce((bytes, used, sizeClass) => bytes + used * GRANULES_OF[sizeClass]!, 0) * GRANULE_BYTES
    );
  }

  get freeBytes(): number {
    return this.pages.freePages * PAGE_BYTES;
  }

  /** The longest block of whole pages that can be had at this moment; shorter ones may also fit into slabs. */
  get largestFreeBytes(): number {
    return this.pages.longestRun * PAGE_BYTES;
  }

  /** Free pages that are kept for removes, expiry and the log. */
  get reservedBytes(): number {
    return Math.min(this.pages.freePages, this.pages.reservePages) * PAGE_BYTES;
  }

  /**
   * A block of at least `bytes`; its content is what the last owner left.
   *
   * @param privileged  may use the reserve (removes, expiry, the log)
   * @returns 0 when memory is full; nothing has changed then
   */
  allocate(bytes: number, account: ByteAccount, kind: MemoryKind, privileged = false): Ref {
    const granules = (bytes + GRANULE_BYTES - 1) >>> 3;
    if (granules > SLAB_GRANULES_MAX) return this.#allocateRun(bytes, account, kind, privileged);
    const sizeClass = CLASS_OF[granules]!;
    const size = GRANULES_OF[sizeClass]!;
    let page = this.#partial[sizeClass]!;
    if (page < 0) {
      page = this.#newSlab(sizeClass, privileged);
      if (page < 0) return 0;
    }
    const head = this.#freeHead[page]!;
    let ref: Ref;
    if (head >= 0) {
      ref = page * PAGE_GRANULES + head;
      this.#freeHead[page] = this.arena.segments[ref >>> SEGMENT_SHIFT]!.i32[(ref & SEGMENT_MASK) << 1]!;
    } else {
      const bump = this.#bump[page]!;
      ref = page * PAGE_GRANULES + bump;
      this.#bump[page] = bump + size;
    }
    this.#usedBlocks[page]! += 1;
    if (this.#freeHead[page]! < 0 && this.#bump[page]! + size > PAGE_GRANULES) this.#unlink(page, sizeClass);
    this.#usedOfClass[sizeClass]! += 1;
    account.bytes[kind]! += size * GRANULE_BYTES;
    return ref;
  }

  /** Gives a block back to its slab, or its pages to the page allocator. */
  free(ref: Ref, account: ByteAccount, kind: MemoryKind): void {
    const page = ref >>> PAGE_SHIFT;
    const sizeClass = this.#class[page]!;
    if (sizeClass === RUN_CLASS) {
      this.#freeRun(page, account, kind);
      return;
    }
    assert(sizeClass !== NO_CLASS, 'a freed block lies in a slab');
    const size = GRANULES_OF[sizeClass]!;
    const wasFull = this.#freeHead[page]! < 0 && this.#bump[page]! + size > PAGE_GRANULES;
    this.arena.segments[ref >>> SEGMENT_SHIFT]!.i32[(ref & SEGMENT_MASK) << 1] = this.#freeHead[page]!;
    this.#freeHead[page] = ref - page * PAGE_GRANULES;
    this.#usedBlocks[page]! -= 1;
    this.#usedOfClass[sizeClass]! -= 1;
    account.bytes[kind]! -= size * GRANULE_BYTES;
    if (wasFull) this.#link(page, sizeClass);
    if (this.#usedBlocks[page] === 0) this.#releaseSlab(page, sizeClass);
  }

  /** Bytes that the block takes. */
  blockBytes(ref: Ref): number {
    const page = ref >>> PAGE_SHIFT;
    const sizeClass = this.#class[page]!;
    if (sizeClass === RUN_CLASS) return this.pages.runLength(page) * PAGE_BYTES;
    return GRANULES_OF[sizeClass]! * GRANULE_BYTES;
  }

  /** Whole pages, for callers that count in them. 0 when memory is full. */
  allocatePages(count: number, account: ByteAccount, kind: MemoryKind, privileged = false): Ref {
    return this.#allocateRun(count * PAGE_BYTES, account, kind, privileged);
  }

  /**
   * One run for whoever can do without it.
   *
   * @param isHelped  says that it can, whatever is free by now: nothing more is given up then
   * @returns 0 when there is no such run
   */
  allocateUnless(isHelped: () => boolean, bytes: number, account: ByteAccount, kind: MemoryKind): Ref {
    const count = Math.ceil(bytes / PAGE_BYTES);
    const page = this.#takePages(count, false, isHelped);
    return page < 0 ? 0 : this.#newRun(page, count, account, kind);
  }

  /** allocateUnless() so many pages are free, in pieces. */
  allocateUnlessInPieces(bytes: number, piecesPages: number, account: ByteAccount, kind: MemoryKind): Ref {
    return this.allocateUnless(() => this.pages.availablePages >= piecesPages, bytes, account, kind);
  }

  /** The shortest free run, or `pagesMax` pages of it; nothing is given up for it. 0 when only the reserve is left. */
  allocatePiece(pagesMax: number, account: ByteAccount, kind: MemoryKind): Ref {
    const page = this.pages.allocateShortest(pagesMax);
    return page < 0 ? 0 : this.#newRun(page, this.pages.runLength(page), account, kind);
  }

  /** What free blocks of slabs hold in pieces with a header of `headerBytes` each. */
  slackCapacity(headerBytes: number): number {
    let bytes = 0;
    for (const sizeClass of PIECE_CLASSES) {
      const size = GRANULES_OF[sizeClass]!;
      const blocks = this.#pagesOfClass[sizeClass]! * Math.floor(PAGE_GRANULES / size);
      bytes += (blocks - this.#usedOfClass[sizeClass]!) * (size * GRANULE_BYTES - headerBytes);
    }
    return bytes;
  }

  /** A free block of a slab that there is: the shortest that holds `bytes`, else the longest. 0 when there is none. */
  allocateSlack(bytes: number, account: ByteAccount, kind: MemoryKind): Ref {
    let found = 0;
    for (const sizeClass of PIECE_CLASSES) {
      if (this.#partial[sizeClass]! < 0) continue;
      found = GRANULES_OF[sizeClass]! * GRANULE_BYTES;
      if (found >= bytes) break;
    }
    return found === 0 ? 0 : this.allocate(found, account, kind);
  }

  #allocateRun(bytes: number, account: ByteAccount, kind: MemoryKind, privileged: boolean): Ref {
    const count = Math.ceil(bytes / PAGE_BYTES);
    const page = this.#takePages(count, privileged);
    return page < 0 ? 0 : this.#newRun(page, count, account, kind);
  }

  #newRun(page: number, count: number, account: ByteAccount, kind: MemoryKind): Ref {
    this.#class[page] = RUN_CLASS;
    this.#runPages += count;
    account.bytes[kind]! += count * PAGE_BYTES;
    return page * PAGE_GRANULES;
  }

  #freeRun(page: number, account: ByteAccount, kind: MemoryKind): void {
    const count = this.pages.runLength(page);
    this.#class[page] = NO_CLASS;
    this.#runPages -= count;
    account.bytes[kind]! -= count * PAGE_BYTES;
    this.pages.free(page);
  }

  /**
   * Asks for what nobody needs as often as there is some, and once for something to be given up; what must go on (removes,
   * expiry, the log), until nothing more is. `isHelped`: the caller can do without them.
   */
  #takePages(count: number, privileged: boolean, isHelped: () => boolean = () => false): number {
    let page = this.pages.allocate(count, privileged);
    while (page < 0 && !isHelped()) {
      const relief = this.onPressure(count);
      if (relief === 'nothing') break;
      page = this.pages.allocate(count, privileged);
      if (relief === 'givenUp' && !privileged) break;
    }
    return page;
  }

  #newSlab(sizeClass: number, privileged: boolean): number {
    // Relieving the pressure may free blocks of this very class.
    const page = this.#takePages(1, privileged, () => this.#partial[sizeClass]! >= 0);
    if (page < 0) return this.#partial[sizeClass]!;
    this.#class[page] = sizeClass;
    this.#freeHead[page] = -1;
    this.#bump[page] = 0;
    this.#usedBlocks[page] = 0;
    this.#slabPages += 1;
    this.#pagesOfClass[sizeClass]! += 1;
    this.#link(page, sizeClass);
    return page;
  }

  #releaseSlab(page: number, sizeClass: number): void {
    this.#unlink(page, sizeClass);
    this.#class[page] = NO_CLASS;
    this.#slabPages -= 1;
    this.#pagesOfClass[sizeClass]! -= 1;
    this.pages.free(page);
  }

  #link(page: number, sizeClass: number): void {
    const head = this.#partial[sizeClass]!;
    this.#next[page] = head;
    this.#previous[page] = -1;
    if (head >= 0) this.#previous[head] = page;
    this.#partial[sizeClass] = page;
  }

  #unlink(page: number, sizeClass: number): void {
    const next = this.#next[page]!;
    const previous = this.#previous[page]!;
    if (previous >= 0) this.#next[previous] = next;
    else this.#partial[sizeClass] = next;
    if (next >= 0) this.#previous[next] = previous;
  }

  /** block-allocator B1, B2. `accounts` are all there are. */
  checkInvariants(accounts: Iterable<ByteAccount>): void {
    this.pages.checkInvariants(CONTROL_PAGES);
    for (let sizeClass = 0; sizeClass < GRANULES_OF.length; sizeClass++) {
      for (let page = this.#partial[sizeClass]!; page >= 0; page = this.#next[page]!) {
        assert(
          this.#class[page] === sizeClass && this.#usedBlocks[page]! > 0,
          'block-allocator B1: a listed slab is of its class',
        );
      }
    }
    let charged = 0;
    for (const account of accounts) {
      for (const bytes of account.bytes) assert(bytes >= 0, 'no account is negative');
      charged += account.total;
    }
    assert(
      charged === this.#slabBytesUsed + this.#runPages * PAGE_BYTES,
      'block-allocator B2: every block is charged to an account',
    );
    const pages = this.#slabPages + this.#runPages + this.pages.freePages + CONTROL_PAGES;
    assert(pages === this.arena.pageCount, 'block-allocator B2: every page is free, a slab, a run or control');
  }
}
