/**
 * Fetches the memory of entries that a batch is about to visit. Visits one after the other wait for memory again and again,
 * each time for what the last wait has brought; here every step is taken for all keys before the next one is, so that the
 * processor waits for many of them at once.
 *
 *   keys -> hashes -> home buckets -> entries -> newest slots -> values
 *
 * Keys of callers, or of the records of a frame that a backup is about to apply.
 *
 * entry-prefetcher J1  It is a hint: nothing is decided by what it reads, and where it guesses wrong (a key that lies in another
 *                      bucket, a value in extents) only time is lost.
 */
import type { MapId } from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import {
  CHUNK_MASK,
  CHUNK_SHIFT,
  ENTRY_NEWEST,
  ENTRY_VALUE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  VALUE_BYTES_USED,
} from './layout.ts';
import type { RecordFrame } from './log/record-frame.ts';
import type { StoreCore } from './store-core.ts';
import type { StoredMap } from './stored-map.ts';

/** Keys of one call, at most: what is fetched for them stays in the nearer caches until they are visited. */
export const PREFETCH_MAX = 512;

/** Fewer records are not worth it. */
const FRAME_MIN = 8;

/** Nobody has said yet that the keys are as short as they have to be. */
const KEY_BYTES_MAX = 256;

export class EntryPrefetcher {
  readonly #core: StoreCore;
  /** By key: its hash, then its entry, its slot + 1, its value; 0: nothing more is fetched. */
  readonly #words = new Uint32Array(PREFETCH_MAX);
  /** Of a frame's records: their partitions, and the ends of their keys. */
  readonly #partitions = new Uint32Array(PREFETCH_MAX);
  readonly #keyEnds = new Uint32Array(PREFETCH_MAX);
  /** What the reads come to, so that none may be left out. */
  #sum = 0;

  constructor(core: StoreCore) {
    this.#core = core;
  }

  /**
   * @param partitions  of the keys
   * @param keys        canonical bytes, key after key
   * @param keyEnds     where each ends
   * @param first       the first key to fetch
   * @param count       at most PREFETCH_MAX
   */
  prefetch(
    mapId: MapId,
    partitions: Uint32Array,
    keys: Uint8Array,
    keyEnds: Uint32Array,
    first: number,
    count: number,
  ): void {
    const map = this.#core.maps.get(mapId);
    if (map === undefined) return;
    this.#hash(keys, keyEnds, first, count);
    this.#fetchBuckets(map, partitions, first, count);
    this.#fetchEntries(count);
    this.#fetchSlots(map, partitions, first, count);
    this.#fetchValues(count);
  }

  /** What the first records of a frame change: mostly all of them. They are taken to be of the map of the first. */
  prefetchFrame(frame: RecordFrame): void {
    const count = frame.fillPlaces(this.#partitions, this.#keyEnds);
    if (count < FRAME_MIN) return;
    const mapId = frame.at(0).field('mapId', 0) as MapId;
    this.prefetch(mapId, this.#partitions, frame.keys, this.#keyEnds, 0, count);
  }

  #hash(keys: Uint8Array, keyEnds: Uint32Array, first: number, count: number): void {
    const { hashSeed } = this.#core;
    let start = first === 0 ? 0 : keyEnds[first - 1]!;
    for (let key = 0; key < count; key++) {
      const end = keyEnds[first + key]!;
      this.#words[key] = end - start > KEY_BYTES_MAX ? 0 : hashBytes(keys, start, end, hashSeed);
      start = end;
    }
  }

  #fetchBuckets(map: StoredMap, partitions: Uint32Array, first: number, count: number): void {
    const words = this.#words;
    for (let key = 0; key < count; key++) {
      words[key] = map.tables[partitions[first + key]!]?.index.homeEntry(words[key]!) ?? 0;
    }
  }

  #fetchEntries(count: number): void {
    const words = this.#words;
    const { segments } = this.#core.arena;
    let sum = 0;
    for (let key = 0; key < count; key++) {
      const entry = words[key]!;
      if (entry === 0) continue;
      const { u32 } = segments[entry >>> SEGMENT_SHIFT]!;
      const at = (entry & SEGMENT_MASK) << 1;
      words[key] = u32[at + ENTRY_NEWEST]!;
      sum = (sum + u32[at + ENTRY_VALUE]!) | 0;
    }
    this.#sum = sum;
  }

  #fetchSlots(map: StoredMap, partitions: Uint32Array, first: number, count: number): void {
    const words = this.#words;
    let sum = 0;
    for (let key = 0; key < count; key++) {
      const slot = words[key]! - 1;
      if (slot < 0) continue;
      words[key] = 0;
      const chunk = map.tables[partitions[first + key]!]?.chunks[slot >>> CHUNK_SHIFT];
      if (chunk === undefined) continue;
      const at = slot & CHUNK_MASK;
      words[key] = chunk.u32[chunk.valueRef + at]!;
      if (chunk.f64[chunk.begin + at]! < chunk.f64[chunk.end + at]!) sum++;
      sum = (sum + chunk.u32[chunk.entryRef + at]! + chunk.f64[chunk.expiresAt + at]!) | 0;
    }
    this.#sum += sum;
  }

  #fetchValues(count: number): void {
    const words = this.#words;
    const { segments } = this.#core.arena;
    let sum = 0;
    for (let key = 0; key < count; key++) {
      const value = words[key]!;
      if (value === 0) continue;
      sum = (sum + segments[value >>> SEGMENT_SHIFT]!.i32[((value & SEGMENT_MASK) << 1) + VALUE_BYTES_USED]!) | 0;
    }
    this.#sum = (this.#sum + sum) | 0;
  }
}
