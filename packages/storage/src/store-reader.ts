/**
 * The reader's side: a worker thread that looks at the arena where it lies.
 *
 *   enter() -> table() -> chunk() -> visibleSlots() -> values, keys, columns -> leave()
 *
 * store-reader S1  References are used between enter() and the next enter() or leave() only; enter anew for each chunk, so
 *                  that the writer can use memory again. Tables and chunks are asked for anew after each enter().
 * store-reader S2  A version is one of an open snapshot that the worker heard of before enter(). Check snapshotAlive()
 *                  before a result is delivered: an expired snapshot's slots may have been used again while it was read.
 */
import { assert, type MapId, type PartitionId, type Version } from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import { resolveLane } from './batch/pending-words.ts';
import { assertRange } from './edge-asserts.ts';
import {
  CHUNK_MASK,
  CHUNK_SHIFT,
  CONTROL_EPOCH_WORD,
  CONTROL_MAGIC,
  CONTROL_MAGIC_WORD,
  ENTRY_NEWEST,
  FREE,
  INDEX_BUCKETS,
  INDEX_CAPACITY,
  PENDING_BASE,
  PENDING_WORDS_MAX,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TABLE_CHUNK_COUNT,
  TABLE_CHUNK_DIRECTORY,
  TABLE_INDEX,
  TABLE_LIVE_COUNT,
  WORKER_WORD_STRIDE,
  WORKER_WORDS_START,
  WORKERS_MAX,
} from './layout.ts';
import { findMapDirectory, findTable } from './map-directory.ts';
import { Arena, type Ref } from './memory/arena.ts';
import { probeIndex } from './slots/index-probe.ts';
import { SlotChunkView } from './slots/slot-chunk.ts';
import { isSnapshotAlive } from './snapshots.ts';

/** What a worker needs to read; structured-cloneable. Goes over a private port, never into workerData. */
export interface StoreHandle {
  readonly segments: readonly SharedArrayBuffer[];
  readonly hashSeed: number;
  readonly partitionCount: number;
  readonly maxWorkers: number;
}

/** A map's table in one partition, as a flyweight: valid until the reader's next table() or enter(). */
export class SlotTableView {
  readonly #arena: Arena;
  readonly #chunk: SlotChunkView;
  #u32: Uint32Array;
  #header = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#chunk = new SlotChunkView(arena);
    this.#u32 = arena.segments[0]!.u32;
  }

  attach(header: Ref): this {
    this.#u32 = this.#arena.segments[header >>> SEGMENT_SHIFT]!.u32;
    this.#header = (header & SEGMENT_MASK) << 1;
    return this;
  }

  get chunkCount(): number {
    return Atomics.load(this.#u32, this.#header + TABLE_CHUNK_COUNT);
  }

  /** Entries with a live value, about: it is changed while writes go on. For planning. */
  get liveCount(): number {
    return this.#u32[this.#header + TABLE_LIVE_COUNT]!;
  }

  /**
   * A chunk by its index, 0 .. chunkCount - 1.
   *
   * @param target  a view to move there; the table's own one by default
   */
  chunk(index: number, target: SlotChunkView = this.#chunk): SlotChunkView {
    const directory = Atomics.load(this.#u32, this.#header + TABLE_CHUNK_DIRECTORY);
    const u32 = this.#arena.segments[directory >>> SEGMENT_SHIFT]!.u32;
    return target.attach(Atomics.load(u32, ((directory & SEGMENT_MASK) << 1) + index));
  }

  /** The entry of a key, or 0; it may have no version that the snapshot sees. */
  findEntry(hash: number, key: Uint8Array, start: number, end: number): Ref {
    const descriptor = Atomics.load(this.#u32, this.#header + TABLE_INDEX);
    const fields = this.#arena.segments[descriptor >>> SEGMENT_SHIFT]!.u32;
    const at = (descriptor & SEGMENT_MASK) << 1;
    return probeIndex(this.#arena, fields[at + INDEX_BUCKETS]!, fields[at + INDEX_CAPACITY]!, hash, key, start, end);
  }
}

export class StoreReader {
  readonly arena: Arena;
  readonly workerIndex: number;
  readonly #control: Int32Array;
  readonly #word: number;
  readonly #hashSeed: number;
  readonly #partitionCount: number;
  readonly #table: SlotTableView;
  readonly #getTable: SlotTableView;
  /** Where get() found the value: use foundChunk.bytes[start, stop), foundSlot and foundChunk.versionOf(). */
  readonly foundChunk: SlotChunkView;
  foundSlot = -1;

  private constructor(handle: StoreHandle, workerIndex: number) {
    this.arena = Arena.attach(handle.segments);
    this.workerIndex = workerIndex;
    this.#control = this.arena.segments[0]!.i32;
    assert(this.#control[CONTROL_MAGIC_WORD] === CONTROL_MAGIC, 'the handle names an arena of this layout');
    assert(workerIndex >= 0 && workerIndex < Math.min(handle.maxWorkers, WORKERS_MAX), 'every worker has a word');
    this.#word = WORKER_WORDS_START + workerIndex * WORKER_WORD_STRIDE;
    this.#hashSeed = handle.hashSeed;
    this.#partitionCount = handle.partitionCount;
    this.#table = new SlotTableView(this.arena);
    this.#getTable = new SlotTableView(this.arena);
    this.foundChunk = new SlotChunkView(this.arena);
  }

  /** @param workerIndex  0 .. maxWorkers - 1, one reader each at a time */
  static attach(handle: StoreHandle, workerIndex: number): StoreReader {
    return new StoreReader(handle, workerIndex);
  }

  /** From here on what is reachable stays as it is, until the next enter() or leave(). */
  enter(): void {
    Atomics.store(this.#control, this.#word, Atomics.load(this.#control, CONTROL_EPOCH_WORD));
  }

  leave(): void {
    Atomics.store(this.#control, this.#word, 0);
  }

  /** Whether the snapshot is open; false also when it has expired. */
  snapshotAlive(snapshotId: number): boolean {
    return isSnapshotAlive(this.arena, snapshotId);
  }

  /** Whether the map is here: one that was dropped is not, and none of its rows is found any more. */
  hasMap(mapId: MapId): boolean {
    return findMapDirectory(this.arena, mapId) !== 0;
  }

  /** The map's table in the partition; undefined while it has no entry, or when the map is not here (hasMap). */
  table(mapId: MapId, partitionId: PartitionId): SlotTableView | undefined {
    return this.#find(this.#table, mapId, partitionId);
  }

  #find(view: SlotTableView, mapId: MapId, partitionId: PartitionId): SlotTableView | undefined {
    assert(partitionId >= 0 && partitionId < this.#partitionCount, 'partitions are numbered below their count');
    const header = findTable(this.arena, mapId, partitionId);
    return header === 0 ? undefined : view.attach(header);
  }

  /**
   * Finds the value of a key as a snapshot at `version` sees it: foundChunk, foundSlot, and the bytes
   * foundChunk.bytes[foundChunk.start, foundChunk.stop).
   *
   * @param key  canonical bytes key[start, end)
   * @returns whether there is one
   */
  get(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    start: number,
    end: number,
    version: Version | number,
  ): boolean {
    assertRange(key, start, end);
    const table = this.#find(this.#getTable, mapId, partitionId);
    if (table === undefined) return false;
    const entry = table.findEntry(hashBytes(key, start, end, this.#hashSeed), key, start, end);
    if (entry === 0 || !this.#findVersion(table, entry, version)) return false;
    this.foundChunk.positionValue(this.foundSlot);
    return true;
  }

  /** Walks from the newest slot of the entry to the one that `version` sees; links are checked, see slot-table I4. */
  #findVersion(table: SlotTableView, entry: Ref, version: number): boolean {
    const chunk = this.foundChunk;
    const words = this.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    let link = Atomics.load(words, ((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST);
    let chunkIndex = -1;
    let bound = Infinity;
    // More staged versions than batches can be under way: the walk has strayed through a slot used again.
    for (let stagedLeft = PENDING_WORDS_MAX; link !== 0 && stagedLeft > 0; ) {
      const slot = link - 1;
      if (slot >>> CHUNK_SHIFT !== chunkIndex) {
        chunkIndex = slot >>> CHUNK_SHIFT;
        table.chunk(chunkIndex, chunk);
      }
      const at = slot & CHUNK_MASK;
      if (at >= chunk.capacity || chunk.u32[chunk.entryRef + at] !== entry) return false;
      const begin = resolveLane(this.arena, chunk.f64[chunk.begin + at]!);
      if (begin === FREE) return false;
      if (begin <= version) {
        this.foundSlot = at;
        return resolveLane(this.arena, chunk.f64[chunk.end + at]!) > version;
      }
      if (begin >= PENDING_BASE) stagedLeft -= 1;
      else if (begin >= bound) return false;
      else bound = begin;
      link = chunk.u32[chunk.previous + at]!;
    }
    return false;
  }
}
