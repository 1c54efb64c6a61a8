/**
 * Looks at single entries by key, as the writer's thread may: at what is committed, or at the newest state with what is
 * sealed. What is due is hidden, and its expiry is written by the look that meets it.
 *
 * entry-finder F1  Nobody sees what an open batch of somebody else has staged.
 * entry-finder F2  An entry that is due is absent by a record: the look that finds it due has staged that record, or names in
 *                  `found.undecided` the batch that will write it. Only where it cannot be written at this moment (memory has no
 *                  room for it, the partition takes no writes for want of copies), and in backups, whose primary writes it, is the
 *                  entry hidden without one.
 */
import { GridError, type MapId, type PartitionId } from '@ashlar/core';
import { hashBytes } from '@ashlar/serialization';
import { WriteBatch } from './batch/write-batch.ts';
import { assertRange } from './edge-asserts.ts';
import {
  CHUNK_MASK,
  CHUNK_SHIFT,
  ENTRY_KEY_BYTES,
  ENTRY_NEWEST,
  ENTRY_STAGED_ONE,
  ENTRY_VALUE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
} from './layout.ts';
import { RecordCause } from './log/log-record.ts';
import type { Ref } from './memory/arena.ts';
import { committedSlot, FoundEntry } from './slots/found-entry.ts';
import { SlotChunkView } from './slots/slot-chunk.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';
import type { StoredMap } from './stored-map.ts';

/** Why the record of an expiry cannot be written at this moment; whoever only reads is answered all the same. */
const NOT_NOW: ReadonlySet<string> = new Set(['LOG_FULL', 'OUT_OF_MEMORY', 'NOT_ENOUGH_IN_SYNC']);

export class EntryFinder {
  readonly found: FoundEntry;
  readonly #core: StoreCore;

  constructor(core: StoreCore) {
    this.#core = core;
    this.found = new FoundEntry(core.arena, new SlotChunkView(core.arena));
  }

  /**
   * Finds the newest value of a key; `found` then says where it lies. An entry that is due is expired first, and only the
   * committed record of that makes it absent: until then `found.undecided` says what to wait for.
   *
   * @param key       canonical bytes key[start, end)
   * @param within    an open batch that sees its own changes too; the version of what it staged is NaN
   * @param isNewest  sealed changes count: `found.undecided` is then the batch on which the answer hangs
   * @throws GridError STALE_EPOCH when the partition is not on this member: nobody can say here that a key is absent
   */
  find(
    mapId: MapId,
    partitionId: PartitionId,
    key: Uint8Array,
    start: number,
    end: number,
    within: WriteBatch | undefined,
    isNewest: boolean,
  ): boolean {
    const core = this.#core;
    this.found.undecided = undefined;
    const map = core.maps.get(mapId);
    if (map === undefined) return false;
    const table = map.tables[partitionId];
    if (table === undefined) {
      if (core.partitions[partitionId] === undefined) throw notHere(partitionId);
      return false;
    }
    assertRange(key, start, end);
    const hash = hashBytes(key, start, end, core.hashSeed);
    const entry = table.index.find(hash, key, start, end);
    if (entry === 0) return false;
    const words = core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const at = (entry & SEGMENT_MASK) << 1;
    const newest = words[at + ENTRY_NEWEST]!;
    let slot = newest - 1;
    // The ordinary case needs no look at the slots; the version is read when somebody asks for it.
    let value = words[at + ENTRY_VALUE]!;
    if (words[at + ENTRY_KEY_BYTES]! >= ENTRY_STAGED_ONE) {
      slot = isNewest
        ? this.found.newestSlot(core.words, table, entry, newest, within)
        : committedSlot(core.arena, table, entry, newest, within?.lane ?? -1, core.patchQueue.length === 0);
      if (slot < 0) return false;
      value = table.valueOf(slot);
    }
    if (value === 0) return false;
    if (table.hasDeadlines && this.#expireIfDue(map, table, entry, slot, within)) return false;
    this.found.note(table, entry, hash);
    this.found.position(table, slot, value);
    return true;
  }

  /**
   * A read that meets a due entry writes the record first. The entry is not shown in any case, also where the record cannot be
   * written.
   */
  #expireIfDue(map: StoredMap, table: SlotTable, entry: Ref, slot: number, within: WriteBatch | undefined): boolean {
    const core = this.#core;
    const expiresAt = table.expiresAtOf(slot);
    if (expiresAt === 0 && map.maxIdleUs === 0) return false;
    const now = core.clock.now();
    const cause = core.dueCause(map, table, entry, expiresAt, now);
    if (cause === RecordCause.request) {
      if (map.maxIdleUs !== 0) core.touch(entry, now);
      return false;
    }
    const { openBatch, role } = core.partitions[table.partitionId]!;
    if (role === 'backup') return true;
    const writer = writerAbove(core, table, entry, slot);
    if (writer !== undefined) this.found.undecided = writer;
    else if (openBatch !== undefined && openBatch !== within) this.found.undecided = openBatch;
    else this.#expire(table, entry, cause, openBatch);
    return true;
  }

  /** In the open batch of the one who looks, or in one of its own. */
  #expire(table: SlotTable, entry: Ref, cause: RecordCause, within: WriteBatch | undefined): void {
    const core = this.#core;
    const partitionId = table.partitionId as PartitionId;
    let batch: WriteBatch | undefined;
    try {
      batch = within ?? new WriteBatch(core, { isProgress: true });
      batch.expire(partitionId, table, entry, cause);
    } catch (error) {
      if (within === undefined) batch?.abort();
      // Without a word, what holds one is waited for.
      if (GridError.is(error, 'OVERLOADED')) this.found.undecided = core.partitions[partitionId]!.staged.last;
      else if (!NOT_NOW.has(GridError.wrap(error).code)) throw error;
      return;
    }
    if (within !== undefined) return;
    batch.seal();
    core.decide(batch);
    if (batch.state === 'sealed') this.found.undecided = batch;
  }
}

function notHere(partitionId: PartitionId): GridError {
  return new GridError('STALE_EPOCH', `partition ${partitionId} is not on this member`, { details: { partitionId } });
}

/**
 * The batch that wrote or closed the entry above a slot that is visible, and is not decided; the open one that wrote the
 * slot itself, which would take its own write back if it wrote the expiry.
 */
function writerAbove(core: StoreCore, table: SlotTable, entry: Ref, slot: number): WriteBatch | undefined {
  const newest = core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
  const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
  const at = newest & CHUNK_MASK;
  const own = core.words.batchOf(chunk.f64[chunk.begin + at]!);
  if (own?.state === 'open') return own;
  const batch = newest === slot ? core.words.batchOf(chunk.f64[chunk.end + at]!) : own;
  return batch?.state === 'open' || batch?.state === 'sealed' ? batch : undefined;
}
