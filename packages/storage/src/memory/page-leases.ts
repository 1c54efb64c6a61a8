/**
 * Pages lent to workers: for columns they fill and for the memory of queries. A lease is a run of neighbouring pages,
 * named by its first page. What a worker held when it died is returned by whoever watched it. Writer's thread only.
 */
import { assert, type MapId } from '@ashlar/core';
import { assertCount } from '../edge-asserts.ts';
import { PAGE_BYTES, PAGE_GRANULES, PAGE_SHIFT } from '../layout.ts';
import type { StoreCore } from '../store-core.ts';
import { type ByteAccount, MemoryKind } from './accounts.ts';
import type { Ref } from './arena.ts';

/** Columns are a cache: no pages for them when less than this share of all pages is free. */
const COLUMN_FREE_SHARE_MIN = 1 / 16;

interface Lease {
  readonly pages: number;
  readonly account: ByteAccount;
  readonly kind: MemoryKind;
}

/** The reference of a page's first granule. */
export function pageRef(page: number): Ref {
  return page * PAGE_GRANULES;
}

export class PageLeases {
  readonly #core: StoreCore;
  /** By first page. */
  readonly #leases = new Map<number, Lease>();

  constructor(core: StoreCore) {
    this.#core = core;
  }

  lease(count: number, account: MapId | 'query'): Int32Array | undefined {
    assertCount(count, 1);
    const { blocks } = this.#core;
    const lease: Lease =
      account === 'query'
        ? { pages: count, account: this.#core.systemAccount, kind: MemoryKind.query }
        : { pages: count, account: this.#core.mapOf(account).account, kind: MemoryKind.columns };
    const free = blocks.pages.freePages - count;
    if (account !== 'query' && free < blocks.pages.pageCount * COLUMN_FREE_SHARE_MIN) return undefined;
    // Where free memory is in pieces, nothing is given up for a run of it.
    const ref = blocks.allocateUnlessInPieces(count * PAGE_BYTES, count, lease.account, lease.kind);
    if (ref === 0) return undefined;
    const first = ref >>> PAGE_SHIFT;
    this.#leases.set(first, lease);
    return Int32Array.from({ length: count }, (_, index) => first + index);
  }

  give(pages: Int32Array): void {
    const first = pages[0]!;
    const lease = this.#leases.get(first);
    assert(lease !== undefined && lease.pages === pages.length, 'a lease is returned whole, once');
    this.#leases.delete(first);
    this.#core.blocks.free(pageRef(first), lease.account, lease.kind);
  }

  isLeased(region: Ref, pageCount: number, mapId: MapId): boolean {
    const lease = this.#leases.get(region >>> PAGE_SHIFT);
    return lease !== undefined && lease.pages === pageCount && lease.account === this.#core.accountOf(mapId);
  }

  /** The pages now belong to the chunk's column directory. */
  forget(region: Ref): void {
    this.#leases.delete(region >>> PAGE_SHIFT);
  }
}
