/**
 * The sweep: entries whose timers come up and that are due get their expiry record. An entry leaves snapshots and events
 * only by that record. Runs on the writer's thread in slices; time is the store's clock.
 *
 * A batch a partition, sealed behind what is under way there and decided in its turn: a partition whose commits are late
 * holds up no other, and no other writer holds up the expiry. Only a batch that is still open does, and an entry of which
 * something is undecided.
 */
import { GridError, type PartitionId } from '@ashlar/core';
import { resolveLane } from './batch/pending-words.ts';
import { WriteBatch } from './batch/write-batch.ts';
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_NEWEST, LIVE, PENDING_BASE, SEGMENT_MASK, SEGMENT_SHIFT } from './layout.ts';
import { RecordCause } from './log/log-record.ts';
import type { Ref } from './memory/arena.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';
import type { StoredMap } from './stored-map.ts';
import { TICK_US } from './timer-wheel.ts';

/**
 * Writes the expiry of what is due, in one batch.
 *
 * @param maxTimers  timers looked at
 * @returns whether nothing more is due
 */
export function sweepExpired(core: StoreCore, maxTimers: number): boolean {
  if (core.timers.count === 0) return true;
  const now = core.clock.now();
  const sweep = new Sweep(core, now);
  const looked = core.timers.advance(now, maxTimers, (timer, entry, tableIndex) =>
    sweep.timerFired(timer, entry, core.tables[tableIndex]!),
  );
  sweep.finish();
  return looked < maxTimers;
}

/**
 * The log, memory, or the words of batches have no room, or the partition is about to leave the member, or takes no writes at
 * this moment: the entry is looked at again.
 */
const NOT_NOW = [
  'LOG_FULL',
  'OUT_OF_MEMORY',
  'OVERLOADED',
  'STALE_EPOCH',
  'LEASE_EXPIRED',
  'NOT_ENOUGH_IN_SYNC',
] as const;

class Sweep {
  readonly #core: StoreCore;
  readonly #now: number;
  /** By partition. */
  readonly #batches = new Map<PartitionId, WriteBatch>();

  constructor(core: StoreCore, now: number) {
    this.#core = core;
    this.#now = now;
  }

  /** @returns the deadline to hang the timer up for again, or 0 when it was removed */
  timerFired(timer: Ref, entry: Ref, table: SlotTable): number {
    const map = this.#core.maps.get(table.mapId);
    if (map === undefined || table.dropped) return this.#remove(timer, table);
    const deadline = this.#deadlineOf(map, table, entry);
    if (deadline === Infinity) return this.#remove(timer, table);
    if (deadline > this.#now) return deadline;
    this.#expire(map, table, entry);
    // The timer goes once the record is committed: an aborted one leaves the entry due.
    return this.#now + TICK_US;
  }

  finish(): void {
    for (const batch of this.#batches.values()) {
      batch.seal();
      this.#core.decide(batch);
    }
  }

  #remove(timer: Ref, table: SlotTable): number {
    this.#core.timers.remove(timer, table.host.account);
    return 0;
  }

  /** Infinity: none. An entry that is being decided is looked at again soon. */
  #deadlineOf(map: StoredMap, table: SlotTable, entry: Ref): number {
    const words = this.#core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const newest = words[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
    if (newest < 0) return Infinity;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    const { arena } = this.#core;
    if (resolveLane(arena, chunk.f64[chunk.begin + at]!) >= PENDING_BASE) return this.#now + TICK_US;
    const end = chunk.f64[chunk.end + at]!;
    if (end !== LIVE) return resolveLane(arena, end) < PENDING_BASE ? Infinity : this.#now + TICK_US;
    const expiresAt = chunk.f64[chunk.expiresAt + at]!;
    const idle = map.maxIdleUs === 0 ? Infinity : this.#core.idleDeadline(map, table, entry, this.#now);
    return Math.min(expiresAt === 0 ? Infinity : expiresAt, idle);
  }

  /** Expires the entry, unless the primary's record will, another batch is open in the partition, or there is no room. */
  #expire(map: StoredMap, table: SlotTable, entry: Ref): void {
    const partitionId = table.partitionId as PartitionId;
    const partition = this.#core.partitions[partitionId]!;
    const known = this.#batches.get(partitionId);
    if (partition.role === 'backup' || partition.openBatch !== known) return;
    const words = this.#core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const newest = words[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const expiresAt = chunk.f64[chunk.expiresAt + (newest & CHUNK_MASK)]!;
    const cause = this.#core.dueCause(map, table, entry, expiresAt, this.#now);
    try {
      const batch = known ?? new WriteBatch(this.#core, {});
      this.#batches.set(partitionId, batch);
      batch.expire(partitionId, table, entry, cause === 0 ? RecordCause.maxIdle : cause);
    } catch (error) {
      if (!NOT_NOW.some((code) => GridError.is(error, code))) throw error;
    }
  }
}
