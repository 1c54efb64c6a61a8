/**
 * Entry index of one table: hash -> entry, open addressing in the arena (the writer's side; index-probe.ts reads).
 *
 *   table header -> descriptor { buckets, capacity } -> buckets [hash, entry][0, 0][hash, TOMBSTONE] ...
 *
 * It grows beside itself: the new buckets are cleared, then filled, a slice with every insert or removal, while readers
 * go on in the old ones, which stay complete; then the descriptor is swung. No insert does more than a slice.
 *
 * entry-index X1  An entry stands in exactly one bucket; probing from its home bucket meets no empty bucket before it.
 * entry-index X2  The buckets that readers find are complete at every moment.
 * entry-index X3  While growing, the new buckets hold exactly the entries of the old buckets below the copy cursor.
 * entry-index X4  Empty buckets remain, so that every probe ends: used + tombstones stay below FULL_SHARE of the capacity.
 */
import { assert } from '@ashlar/core';
import {
  INDEX_BUCKET_BYTES,
  INDEX_BUCKET_WORDS,
  INDEX_BUCKETS,
  INDEX_CAPACITY,
  INDEX_CAPACITY_MIN,
  INDEX_DESCRIPTOR_BYTES,
  INDEX_TOMBSTONE,
  PAGE_BYTES,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TABLE_INDEX,
} from '../layout.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import { SLAB_BYTES_MAX } from '../memory/block-allocator.ts';
import { keyHash } from '../memory/blocks.ts';
import { probeIndex } from './index-probe.ts';
import type { TableHost } from './table-host.ts';

const GROW_SHARE = 0.7;
/** Share of full buckets from which on growing is urgent: new entries are close to being refused. */
const PRESSING_SHARE = 0.9;
const FULL_SHARE = 0.94;
/** Share of further entries after which growing is tried again where it got no memory. */
const RETRY_SHARE = 1 / 128;
/** Words cleared and buckets copied by one insert. */
const CLEAR_SLICE_WORDS = 1024;
const COPY_SLICE_BUCKETS = 32;
/** Of 64 bytes. */
const BUCKETS_A_LINE = 8;
/** Tables up to this size grow in one go. */
const ONE_GO_BUCKETS = 1024;

export class EntryIndex {
  readonly #host: TableHost;
  readonly #tableHeader: Ref;
  #descriptor: Ref = 0;
  #buckets: Ref = 0;
  #capacity = 0;
  #entries = 0;
  /** Entries that were removed so far: while it stays the same an entry that was found is there. */
  removals = 0;
  /** Buckets that are not empty: entries and tombstones. */
  #occupied = 0;
  #nextBuckets: Ref = 0;
  #nextCapacity = 0;
  #nextOccupied = 0;
  #clearCursor = 0;
  #copyCursor = 0;
  /** Occupied buckets at which growing is tried again after it got no memory. */
  #growAgainAt = 0;

  constructor(host: TableHost, tableHeader: Ref) {
    this.#host = host;
    this.#tableHeader = tableHeader;
  }

  /** Takes the first buckets. @returns false when memory is full */
  create(): boolean {
    const buckets = this.#allocateBuckets(INDEX_CAPACITY_MIN);
    if (buckets === 0) return false;
    this.#clear(buckets, 0, INDEX_CAPACITY_MIN * INDEX_BUCKET_WORDS);
    if (this.#swing(buckets, INDEX_CAPACITY_MIN)) return true;
    this.#freeBuckets(buckets);
    return false;
  }

  /** Gives everything back; no reader may be left. */
  destroy(): void {
    if (this.#nextBuckets !== 0) this.#freeBuckets(this.#nextBuckets);
    this.#nextBuckets = 0;
    if (this.#buckets === 0) return;
    this.#freeBuckets(this.#buckets);
    this.#host.blocks.free(this.#descriptor, this.#host.account, MemoryKind.index);
    this.#buckets = 0;
  }

  get entryCount(): number {
    return this.#entries;
  }

  find(hash: number, key: Uint8Array, start: number, end: number): Ref {
    return probeIndex(this.#host.blocks.arena, this.#buckets, this.#capacity, hash, key, start, end);
  }

  /**
   * The first entry of the hash from its home bucket on, as far as one cache line reaches, without a look at its key; 0: none.
   * A hint where an entry lies, and what fetches its bucket.
   */
  homeEntry(hash: number): Ref {
    const { u32 } = this.#host.blocks.arena.segments[this.#buckets >>> SEGMENT_SHIFT]!;
    const base = (this.#buckets & SEGMENT_MASK) << 1;
    const mask = this.#capacity - 1;
    for (let probes = 0; probes < BUCKETS_A_LINE; probes++) {
      const at = base + ((hash + probes) & mask) * INDEX_BUCKET_WORDS;
      const entry = u32[at + 1]!;
      if (entry === 0) return 0;
      if (u32[at] === hash && entry !== INDEX_TOMBSTONE) return entry;
    }
    return 0;
  }

  /** Makes sure that one more entry fits, and takes growing a slice on. @returns false when memory is full */
  reserve(): boolean {
    if (this.#nextBuckets !== 0) this.#grow();
    else if (this.#occupied >= this.#capacity * GROW_SHARE && (this.#occupied >= this.#growAgainAt || this.#isFull)) {
      this.#startGrowing();
    }
    return !this.#isFull;
  }

  get #isFull(): boolean {
    return this.#occupied + 1 >= this.#capacity * FULL_SHARE;
  }

  /** Adds an entry that is not in the index. reserve() has just said yes. */
  insert(hash: number, entry: Ref): void {
    const bucket = this.#place(this.#buckets, this.#capacity, hash, entry);
    this.#entries += 1;
    if (this.#reusedTombstone) this.#reusedTombstone = false;
    else this.#occupied += 1;
    if (this.#nextBuckets !== 0 && bucket < this.#copyCursor) this.#placeNext(hash, entry);
  }

  remove(hash: number, entry: Ref): void {
    const bucket = this.#entomb(this.#buckets, this.#capacity, hash, entry);
    assert(bucket >= 0, 'entry-index X1: a removed entry is in the index');
    this.#entries -= 1;
    this.removals += 1;
    if (this.#nextBuckets !== 0 && bucket < this.#copyCursor) {
      assert(
        this.#entomb(this.#nextBuckets, this.#nextCapacity, hash, entry) >= 0,
        'entry-index X3: copied entries are in both',
      );
    }
  }

  /** Visits the entries of buckets [from, from + count). @returns the next bucket, or -1 at the end */
  visit(from: number, count: number, visit: (entry: Ref) => void): number {
    const { u32, base } = this.#wordsOf(this.#buckets);
    const to = Math.min(this.#capacity, from + count);
    for (let bucket = from; bucket < to; bucket++) {
      const entry = u32[base + bucket * INDEX_BUCKET_WORDS + 1]!;
      if (entry !== 0 && entry !== INDEX_TOMBSTONE) visit(entry);
    }
    return to === this.#capacity ? -1 : to;
  }

  #reusedTombstone = false;

  #wordsOf(buckets: Ref): { u32: Uint32Array; base: number } {
    return {
      u32: this.#host.blocks.arena.segments[buckets >>> SEGMENT_SHIFT]!.u32,
      base: (buckets & SEGMENT_MASK) << 1,
    };
  }

  #place(buckets: Ref, capacity: number, hash: number, entry: Ref): number {
    const u32 = this.#host.blocks.arena.segments[buckets >>> SEGMENT_SHIFT]!.u32;
    const base = (buckets & SEGMENT_MASK) << 1;
    const mask = capacity - 1;
    for (let bucket = hash & mask; ; bucket = (bucket + 1) & mask) {
      const at = base + bucket * INDEX_BUCKET_WORDS;
      const found = u32[at + 1]!;
      if (found !== 0 && found !== INDEX_TOMBSTONE) continue;
      this.#reusedTombstone = found === INDEX_TOMBSTONE;
      u32[at] = hash;
      // After the hash: a reader that finds the entry finds its hash.
      Atomics.store(u32, at + 1, entry);
      return bucket;
    }
  }

  #placeNext(hash: number, entry: Ref): void {
    this.#place(this.#nextBuckets, this.#nextCapacity, hash, entry);
    if (this.#reusedTombstone) this.#reusedTombstone = false;
    else this.#nextOccupied += 1;
  }

  #entomb(buckets: Ref, capacity: number, hash: number, entry: Ref): number {
    const u32 = this.#host.blocks.arena.segments[buckets >>> SEGMENT_SHIFT]!.u32;
    const base = (buckets & SEGMENT_MASK) << 1;
    const mask = capacity - 1;
    for (let bucket = hash & mask; ; bucket = (bucket + 1) & mask) {
      const at = base + bucket * INDEX_BUCKET_WORDS;
      const found = u32[at + 1]!;
      if (found === 0) return -1;
      if (found !== entry) continue;
      Atomics.store(u32, at + 1, INDEX_TOMBSTONE);
      return bucket;
    }
  }

  /** Begins to grow, or to drop tombstones. Full memory is no failure yet: there is room up to FULL_SHARE. */
  #startGrowing(): void {
    let capacity = INDEX_CAPACITY_MIN;
    while (capacity * GROW_SHARE < this.#entries * 1.5 + 1) capacity *= 2;
    const buckets = this.#bucketsToGrow(capacity);
    if (buckets === 0) {
      this.#growAgainAt = this.#occupied + Math.ceil(this.#capacity * RETRY_SHARE);
      return;
    }
    this.#nextBuckets = buckets;
    this.#nextCapacity = capacity;
    this.#nextOccupied = 0;
    this.#clearCursor = 0;
    this.#copyCursor = 0;
    if (capacity <= ONE_GO_BUCKETS) while (this.#nextBuckets !== 0 && this.#grow());
  }

  /**
   * While there is room, nothing is given up for buckets that free memory would hold if it were in one piece: a run may
   * come free until they have to be.
   */
  #bucketsToGrow(capacity: number): Ref {
    const bytes = capacity * INDEX_BUCKET_BYTES;
    if (bytes <= SLAB_BYTES_MAX || this.#occupied >= this.#capacity * PRESSING_SHARE) {
      return this.#allocateBuckets(capacity);
    }
    const { blocks, account } = this.#host;
    return blocks.allocateUnlessInPieces(bytes, Math.ceil(bytes / PAGE_BYTES), account, MemoryKind.index);
  }

  /** One slice. @returns false when the last step has to wait for memory */
  #grow(): boolean {
    const words = this.#nextCapacity * INDEX_BUCKET_WORDS;
    if (this.#clearCursor < words) {
      const to = Math.min(words, this.#clearCursor + CLEAR_SLICE_WORDS);
      this.#clear(this.#nextBuckets, this.#clearCursor, to);
      this.#clearCursor = to;
      return true;
    }
    if (this.#copyCursor < this.#capacity) {
      const to = Math.min(this.#capacity, this.#copyCursor + COPY_SLICE_BUCKETS);
      const { u32, base } = this.#wordsOf(this.#buckets);
      for (let bucket = this.#copyCursor; bucket < to; bucket++) {
        const entry = u32[base + bucket * INDEX_BUCKET_WORDS + 1]!;
        if (entry !== 0 && entry !== INDEX_TOMBSTONE) this.#placeNext(u32[base + bucket * INDEX_BUCKET_WORDS]!, entry);
      }
      this.#copyCursor = to;
      return true;
    }
    if (!this.#swing(this.#nextBuckets, this.#nextCapacity)) return false;
    this.#occupied = this.#nextOccupied;
    this.#nextBuckets = 0;
    this.#growAgainAt = 0;
    return true;
  }

  /** Makes `buckets` the ones that readers find and retires the old ones. */
  #swing(buckets: Ref, capacity: number): boolean {
    const { blocks, account, epochs } = this.#host;
    const descriptor = blocks.allocate(INDEX_DESCRIPTOR_BYTES, account, MemoryKind.index);
    if (descriptor === 0) return false;
    const fields = this.#wordsOf(descriptor);
    fields.u32[fields.base + INDEX_BUCKETS] = buckets;
    fields.u32[fields.base + INDEX_CAPACITY] = capacity;
    const oldDescriptor = this.#descriptor;
    const oldBuckets = this.#buckets;
    this.#descriptor = descriptor;
    this.#buckets = buckets;
    this.#capacity = capacity;
    const header = this.#wordsOf(this.#tableHeader);
    Atomics.store(header.u32, header.base + TABLE_INDEX, descriptor);
    if (oldDescriptor !== 0) {
      epochs.retire(blocks.blockBytes(oldBuckets), () => {
        blocks.free(oldDescriptor, account, MemoryKind.index);
        blocks.free(oldBuckets, account, MemoryKind.index);
      });
    }
    return true;
  }

  #allocateBuckets(capacity: number): Ref {
    return this.#host.blocks.allocate(capacity * INDEX_BUCKET_BYTES, this.#host.account, MemoryKind.index);
  }

  #freeBuckets(buckets: Ref): void {
    this.#host.blocks.free(buckets, this.#host.account, MemoryKind.index);
  }

  #clear(buckets: Ref, fromWord: number, toWord: number): void {
    const { u32, base } = this.#wordsOf(buckets);
    u32.fill(0, base + fromWord, base + toWord);
  }

  /** entry-index X1, X4; `onEntry` sees every entry once. */
  checkInvariants(onEntry: (entry: Ref) => void): void {
    let entries = 0;
    let occupied = 0;
    const { u32, base } = this.#wordsOf(this.#buckets);
    for (let bucket = 0; bucket < this.#capacity; bucket++) {
      const entry = u32[base + bucket * INDEX_BUCKET_WORDS + 1]!;
      if (entry !== 0) occupied += 1;
      if (entry === 0 || entry === INDEX_TOMBSTONE) continue;
      entries += 1;
      const hash = u32[base + bucket * INDEX_BUCKET_WORDS]!;
      assert(keyHash(this.#host, entry) === hash, 'entry-index X1: a bucket holds its entry with its hash');
      for (let probe = hash & (this.#capacity - 1); probe !== bucket; probe = (probe + 1) & (this.#capacity - 1)) {
        assert(
          u32[base + probe * INDEX_BUCKET_WORDS + 1] !== 0,
          'entry-index X1: no empty bucket lies before an entry',
        );
      }
      onEntry(entry);
    }
    assert(entries === this.#entries && occupied === this.#occupied, 'entry-index X4: counts agree with the buckets');
    assert(occupied < this.#capacity, 'entry-index X4: an empty bucket ends every probe');
  }
}
