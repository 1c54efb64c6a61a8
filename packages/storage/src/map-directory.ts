/**
 * How readers find a map's tables: a hash table in the control pages from map id to the map's partition directory.
 *
 *   bucket [map id][directory] -> directory [table of partition 0][0][table of partition 2] ...
 */
import { GridError } from '@ashlar/core';
import {
  MAP_BUCKET_DROPPED,
  MAP_BUCKET_STRIDE,
  MAP_BUCKETS,
  MAP_BUCKETS_START,
  MAPS_MAX,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from './layout.ts';
import type { Arena, Ref } from './memory/arena.ts';

const { imul } = Math;

function homeBucket(mapId: number): number {
  return (imul(mapId, 0x9e3779b1) >>> 8) & (MAP_BUCKETS - 1);
}

/** The map's partition directory, or 0. Any thread. */
export function findMapDirectory(arena: Arena, mapId: number): Ref {
  const u32 = arena.segments[0]!.u32;
  for (let bucket = homeBucket(mapId), probes = 0; probes < MAP_BUCKETS; bucket = (bucket + 1) & (MAP_BUCKETS - 1)) {
    const at = MAP_BUCKETS_START + bucket * MAP_BUCKET_STRIDE;
    const found = Atomics.load(u32, at);
    if (found === 0) return 0;
    if (found === mapId) return Atomics.load(u32, at + 1);
    probes += 1;
  }
  return 0;
}

/** The header of the map's table in a partition, or 0. Any thread. */
export function findTable(arena: Arena, mapId: number, partitionId: number): Ref {
  const directory = findMapDirectory(arena, mapId);
  if (directory === 0) return 0;
  const u32 = arena.segments[directory >>> SEGMENT_SHIFT]!.u32;
  return Atomics.load(u32, ((directory & SEGMENT_MASK) << 1) + partitionId);
}

/** The writer's side. */
export class MapDirectory {
  readonly #u32: Uint32Array;
  #maps = 0;
  /** Buckets that were ever used: probes stay short because ids of dropped maps are taken over. */
  constructor(arena: Arena) {
    this.#u32 = arena.segments[0]!.u32;
  }

  /** @throws GridError OVERLOADED when MAPS_MAX maps are open */
  add(mapId: number, directory: Ref): void {
    if (this.#maps === MAPS_MAX) {
      throw new GridError('OVERLOADED', `${MAPS_MAX} maps are open`, { hint: 'drop maps that are not used' });
    }
    let bucket = homeBucket(mapId);
    for (;;) {
      const found = this.#u32[this.#at(bucket)]!;
      if (found === 0 || found === MAP_BUCKET_DROPPED) break;
      bucket = (bucket + 1) & (MAP_BUCKETS - 1);
    }
    const at = this.#at(bucket);
    Atomics.store(this.#u32, at + 1, directory);
    Atomics.store(this.#u32, at, mapId);
    this.#maps += 1;
  }

  remove(mapId: number): void {
    for (let bucket = homeBucket(mapId); ; bucket = (bucket + 1) & (MAP_BUCKETS - 1)) {
      const at = this.#at(bucket);
      if (this.#u32[at] !== mapId) continue;
      Atomics.store(this.#u32, at, MAP_BUCKET_DROPPED);
      Atomics.store(this.#u32, at + 1, 0);
      this.#maps -= 1;
      return;
    }
  }

  #at(bucket: number): number {
    return MAP_BUCKETS_START + bucket * MAP_BUCKET_STRIDE;
  }
}
