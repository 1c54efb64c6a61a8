/**
 * Hands out runs of neighbouring pages and joins them again when they come back.
 *
 *   pages   [control][run in use][ free run  ][run in use][        free run        ] | next segment ...
 *            free runs hang in lists by size: bin b holds runs of 2^b .. 2^(b+1)-1 pages
 *
 * Only the writer's thread runs it; its tables lie on the ordinary heap, 17 bytes a page.
 *
 * page-allocator P1  A run never crosses two segments.
 * page-allocator P2  No two neighbouring runs of one segment are both free.
 * page-allocator P4  Short runs are cut from the beginning of the smallest free run that holds them, long ones from the end
 *                    of theirs: so that pages which come and go one by one leave the long runs alone.
 * page-allocator P3  The last `reservePages` free pages go only to privileged requests: removes and expiry work when memory
 *                    is full.
 */
import { assert } from '@ashlar/core';
import { PAGE_SHIFT, SEGMENT_SHIFT } from '../layout.ts';

const PAGES_PER_SEGMENT_SHIFT = SEGMENT_SHIFT - PAGE_SHIFT;
const BINS = 20;
/** Runs of the request's own bin looked at before a larger bin is split. */
const OWN_BIN_TRIES = 16;
/** From here on a run is long (page-allocator P4). */
const LONG_RUN_PAGES = 8;

const { clz32 } = Math;

function binOf(pages: number): number {
  return 31 - clz32(pages);
}

export class PageAllocator {
  readonly pageCount: number;
  readonly reservePages: number;
  /** Length of a run, at its first and at its last page. */
  readonly #length: Int32Array;
  /** 1 at the first and the last page of a free run. */
  readonly #free: Uint8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #bins = new Int32Array(BINS).fill(-1);
  #freePages = 0;

  constructor(pageCount: number, firstPage: number, reservePages: number) {
    this.pageCount = pageCount;
    this.reservePages = reservePages;
    this.#length = new Int32Array(pageCount);
    this.#free = new Uint8Array(pageCount);
    this.#next = new Int32Array(pageCount);
    this.#previous = new Int32Array(pageCount);
    const segmentPages = 2 ** PAGES_PER_SEGMENT_SHIFT;
    for (let start = firstPage; start < pageCount; ) {
      const end = Math.min(pageCount, (Math.floor(start / segmentPages) + 1) * segmentPages);
      this.#addFree(start, end - start);
      this.#freePages += end - start;
      start = end;
    }
  }

  get freePages(): number {
    return this.#freePages;
  }

  /** Free pages that an unprivileged request may have. */
  get availablePages(): number {
    return Math.max(0, this.#freePages - this.reservePages);
  }

  /**
   * A run of `pages` neighbouring pages.
   *
   * @returns the first page, or -1 when there is no such run or only the reserve is left
   */
  allocate(pages: number, privileged: boolean): number {
    if (pages > (privileged ? this.#freePages : this.#freePages - this.reservePages)) return -1;
    const found = this.#find(pages);
    return found < 0 ? -1 : this.#take(found, pages);
  }

  /**
   * A run of at most `pagesMax` pages, the shortest that is free: for what may lie in many, so that the long runs stay for
   * what may not.
   *
   * @returns the first page, or -1 when only the reserve is left
   */
  allocateShortest(pagesMax: number): number {
    const pages = Math.min(pagesMax, this.availablePages);
    for (let bin = 0; bin < BINS && pages > 0; bin++) {
      const run = this.#bins[bin]!;
      if (run >= 0) return this.#take(run, Math.min(pages, this.#length[run]!));
    }
    return -1;
  }

  /** Cuts `pages` pages from the free run `found` (page-allocator P4). @returns the first of them */
  #take(found: number, pages: number): number {
    const rest = this.#length[found]! - pages;
    this.#removeFree(found);
    const first = pages < LONG_RUN_PAGES ? found : found + rest;
    if (rest > 0) this.#addFree(first === found ? found + pages : found, rest);
    this.#mark(first, pages, 0);
    this.#freePages -= pages;
    return first;
  }

  /** Gives back a whole run, named by its first page. */
  free(first: number): void {
    const pages = this.#length[first]!;
    assert(pages > 0 && this.#free[first] === 0, 'only a run in use is freed');
    this.#freePages += pages;
    let start = first;
    let end = first + pages;
    if (start > 0 && this.#free[start - 1] === 1 && sameSegment(start - 1, start)) {
      start -= this.#length[start - 1]!;
      this.#removeFree(start);
    }
    if (end < this.pageCount && this.#free[end] === 1 && sameSegment(end - 1, end)) {
      const following = this.#length[end]!;
      this.#removeFree(end);
      end += following;
    }
    this.#addFree(start, end - start);
  }

  /** The longest run that an unprivileged request can have. O(free runs of its size). */
  get longestRun(): number {
    let longest = 0;
    for (let bin = BINS - 1; bin >= 0 && longest === 0; bin--) {
      for (let run = this.#bins[bin]!; run >= 0; run = this.#next[run]!)
        longest = Math.max(longest, this.#length[run]!);
    }
    return Math.min(longest, this.availablePages);
  }

  /** Pages of the run that begins at `first`. */
  runLength(first: number): number {
    return this.#length[first]!;
  }

  #find(pages: number): number {
    const own = binOf(pages);
    let tries = 0;
    for (let run = this.#bins[own]!; run >= 0 && tries < OWN_BIN_TRIES; run = this.#next[run]!, tries++) {
      if (this.#length[run]! >= pages) return run;
    }
    for (let bin = own + 1; bin < BINS; bin++) if (this.#bins[bin]! >= 0) return this.#bins[bin]!;
    for (let run = this.#bins[own]!; run >= 0; run = this.#next[run]!) if (this.#length[run]! >= pages) return run;
    return -1;
  }

  #mark(first: number, pages: number, free: number): void {
    this.#length[first] = pages;
    this.#length[first + pages - 1] = pages;
    this.#free[first] = free;
    this.#free[first + pages - 1] = free;
  }

  #addFree(first: number, pages: number): void {
    this.#mark(first, pages, 1);
    const bin = binOf(pages);
    const head = this.#bins[bin]!;
    this.#next[first] = head;
    this.#previous[first] = -1;
    if (head >= 0) this.#previous[head] = first;
    this.#bins[bin] = first;
  }

  #removeFree(first: number): void {
    const pages = this.#length[first]!;
    const next = this.#next[first]!;
    const previous = this.#previous[first]!;
    if (previous >= 0) this.#next[previous] = next;
    else this.#bins[binOf(pages)] = next;
    if (next >= 0) this.#previous[next] = previous;
    this.#free[first] = 0;
    this.#free[first + pages - 1] = 0;
  }

  /** Walks all free runs: lists, marks and counts agree (page-allocator P1, P2). */
  checkInvariants(firstPage: number): void {
    let counted = 0;
    for (let bin = 0; bin < BINS; bin++) {
      for (let run = this.#bins[bin]!; run >= 0; run = this.#next[run]!) {
        const pages = this.#length[run]!;
        assert(this.#free[run] === 1 && binOf(pages) === bin, 'a listed run is free and in its bin');
        assert(sameSegment(run, run + pages - 1), 'page-allocator P1: a run lies in one segment');
        counted += pages;
      }
    }
    assert(counted === this.#freePages, 'the lists hold all free pages');
    let lastFree = false;
    for (let page = firstPage; page < this.pageCount; page += this.#length[page]!) {
      const free = this.#free[page] === 1;
      assert(this.#length[page]! > 0, 'runs follow each other without gaps');
      assert(
        !(free && lastFree && sameSegment(page - 1, page)),
        'page-allocator P2: neighbouring free runs are joined',
      );
      lastFree = free;
    }
  }
}

function sameSegment(page: number, other: number): boolean {
  return page >>> PAGES_PER_SEGMENT_SHIFT === other >>> PAGES_PER_SEGMENT_SHIFT;
}
