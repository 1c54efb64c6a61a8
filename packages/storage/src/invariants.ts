/** The walk over everything: checks the numbered invariants of tables, entries, log, timers and accounts. For tests. */
import { assert } from '@ashlar/core';
import { resolveLane, wordOfLane } from './batch/pending-words.ts';
import {
  ABORTED,
  CHUNK_MASK,
  CHUNK_SHIFT,
  CONTROL_MAGIC,
  CONTROL_MAGIC_WORD,
  ENTRY_KEY_BYTES,
  ENTRY_NEWEST,
  ENTRY_REFS,
  ENTRY_STAGED_ONE,
  ENTRY_VALUE,
  FREE,
  LIVE,
  PENDING_BASE,
  PENDING_END,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TALLY_HIDDEN,
  TALLY_PENDING,
  VALUE_REFS,
} from './layout.ts';
import { LogRecordView } from './log/log-record.ts';
import type { ByteAccount } from './memory/accounts.ts';
import type { Ref } from './memory/arena.ts';
import { checkExtents, liesInExtents } from './memory/value-extents.ts';
import type { SlotChunkView } from './slots/slot-chunk.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';

/** References that the walk has met, by block. */
class RefCounts {
  readonly #counts = new Map<Ref, number>();

  add(ref: Ref): void {
    this.#counts.set(ref, (this.#counts.get(ref) ?? 0) + 1);
  }

  [Symbol.iterator](): IterableIterator<[Ref, number]> {
    return this.#counts[Symbol.iterator]();
  }
}

/** @throws AssertionError naming the broken invariant */
export function checkStore(core: StoreCore): void {
  const control = core.arena.segments[0]!.i32;
  assert(control[CONTROL_MAGIC_WORD] === CONTROL_MAGIC, 'nothing is ever written through reference 0');
  const entries = new RefCounts();
  const values = new RefCounts();
  const tables: SlotTable[] = [...core.reclaimer.tables, ...core.doomedTables];
  for (const map of core.maps.values()) for (const table of map.tables) if (table !== undefined) tables.push(table);
  const isQuiet = core.reclaimer.tables.length === 0;
  for (const table of tables) if (!table.dropped) checkTable(core, table, entries, values);
  const view = new LogRecordView(core.arena);
  let logBytes = 0;
  let excess = 0;
  for (const partition of core.partitions) {
    if (partition === undefined) continue;
    partition.install?.visitHeld(
      (entry) => entries.add(entry),
      (value) => values.add(value),
    );
    logBytes += partition.log.bytes;
    excess += Math.max(0, partition.log.bytes - core.logBudget.floorBytes);
    partition.log.checkInvariants(view, (record) => {
      if (record.entryRef !== 0) entries.add(record.entryRef);
      if (record.hasValue) values.add(record.valueRef);
      if (record.hasOldValue) values.add(record.oldValueRef);
    });
  }
  assert(logBytes === core.logBudget.bytesUsed, 'the bytes of the logs add up');
  assert(excess === core.logBudget.excessBytes, 'what logs have beyond their floors adds up');
  core.timers.checkInvariants();
  const accounts: ByteAccount[] = [core.systemAccount, ...core.accounts.values()];
  core.blocks.checkInvariants(accounts);
  if (!isQuiet) return;
  for (const [ref, count] of entries)
    assert(wordAt(core, ref, ENTRY_REFS) === count, 'blocks K1: entry references add up');
  for (const [ref, count] of values) {
    assert(wordAt(core, ref, VALUE_REFS) === count, 'blocks K1: value references add up');
    if (liesInExtents(core.arena, ref)) checkExtents(core.arena, ref);
  }
}

function wordAt(core: StoreCore, ref: Ref, field: number): number {
  return core.arena.segments[ref >>> SEGMENT_SHIFT]!.u32[((ref & SEGMENT_MASK) << 1) + field]!;
}

function checkTable(core: StoreCore, table: SlotTable, entries: RefCounts, values: RefCounts): void {
  let live = 0;
  let undecided = 0;
  const listed = listedSlots(table);
  for (let index = 0; index < table.chunks.length; index++) {
    const chunk = table.chunks[index]!;
    const counts = checkChunk(chunk, index, listed, entries, values);
    live += counts.live;
    undecided += counts.pending;
  }
  assert(live === table.liveCount, 'liveCount counts committed live slots');
  assert(core.patchQueue.length > 0 || undecided >= table.undecided, 'undecided changes have pending lanes');
  table.index.checkInvariants((entry) => {
    entries.add(entry);
    checkChain(core, table, entry);
  });
  for (const entry of table.unlinkedEntries()) {
    assert(wordAt(core, entry, ENTRY_NEWEST) === 0, 'slot-table I6: an unlinked entry has no newest slot');
    entries.add(entry);
  }
}

function listedSlots(table: SlotTable): Set<number> {
  const listed = new Set<number>();
  for (const list of [table.closed, table.held, table.limbo, table.waiting]) {
    for (let slot = list.head; slot >= 0; slot = list.next(slot)) {
      assert(!listed.has(slot), 'a slot stands in one list');
      listed.add(slot);
    }
  }
  for (const slot of table.slots.free()) {
    assert(!listed.has(slot), 'a free slot stands in no other list');
    listed.add(slot);
  }
  return listed;
}

function checkChunk(
  chunk: SlotChunkView,
  chunkIndex: number,
  listed: Set<number>,
  entries: RefCounts,
  values: RefCounts,
): { live: number; pending: number } {
  let live = 0;
  let hidden = 0;
  let pending = 0;
  for (let at = 0; at < chunk.used; at++) {
    const begin = chunk.f64[chunk.begin + at]!;
    const end = chunk.f64[chunk.end + at]!;
    const isListed = listed.has((chunkIndex << CHUNK_SHIFT) + at);
    const isStaged = wordOfLane(begin) >= 0;
    if (isStaged) pending += 1;
    if (wordOfLane(end) >= 0 && end !== begin && begin < PENDING_END) {
      pending += 1;
      // Closed by a later batch before its own is decided: hidden twice over.
      if (isStaged) hidden += 1;
    }
    if (begin < PENDING_BASE && end === LIVE) {
      assert(begin <= chunk.maxBegin, 'maxBegin covers every committed slot');
      assert(!isListed, 'slot-table I1: a live slot is in no list');
    } else hidden += 1;
    if (isLiveNow(chunk, begin, end)) live += 1;
    if (begin < PENDING_BASE && end < PENDING_BASE)
      assert(begin < end && isListed, 'slot-table I1: a closed slot is in a list');
    if (begin === FREE || begin === ABORTED) assert(isListed, 'a slot given up is in a list');
    const entry = chunk.u32[chunk.entryRef + at]!;
    const value = chunk.u32[chunk.valueRef + at]!;
    assert((entry === 0) === (value === 0), 'a slot has an entry and a value, or neither');
    if (entry === 0) assert(begin === FREE && end === 0 && isListed, 'slot-table I1: a slot without an entry is free');
    if (entry !== 0) {
      entries.add(entry);
      values.add(value);
    }
  }
  assert(
    chunk.tally === hidden * TALLY_HIDDEN + pending * TALLY_PENDING,
    'slot-table I5: the tally counts hidden and pending',
  );
  return { live, pending };
}

/** Pending lanes of committed batches count as what they stand for. */
function isLiveNow(chunk: SlotChunkView, begin: number, end: number): boolean {
  return resolveLane(chunk.arena, begin) < PENDING_BASE && resolveLane(chunk.arena, end) >= PENDING_BASE;
}

/** slot-table I2, I4: along the chain versions fall and do not overlap. */
function checkChain(core: StoreCore, table: SlotTable, entry: Ref): void {
  let link = wordAt(core, entry, ENTRY_NEWEST);
  assert(link !== 0, 'slot-table I6: an entry in the index has a newest slot');
  checkEntryValue(core, table, entry, link - 1);
  let bound = Infinity;
  while (link !== 0) {
    const slot = link - 1;
    const chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    const begin = chunk.f64[chunk.begin + at]!;
    if (chunk.u32[chunk.entryRef + at] !== entry || begin === FREE) return;
    if (begin < PENDING_BASE) {
      if (begin >= bound) return;
      const end = chunk.f64[chunk.end + at]!;
      assert(end >= PENDING_BASE || end <= bound, 'slot-table I2: a version ends before the next begins');
      bound = begin;
    }
    link = chunk.u32[chunk.previous + at]!;
  }
}

/** An entry without staged changes names its newest value. */
function checkEntryValue(core: StoreCore, table: SlotTable, entry: Ref, newest: number): void {
  if (wordAt(core, entry, ENTRY_KEY_BYTES) >= ENTRY_STAGED_ONE) return;
  const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
  const isLive = chunk.f64[chunk.end + (newest & CHUNK_MASK)] === LIVE;
  assert(wordAt(core, entry, ENTRY_VALUE) === (isLive ? table.valueOf(newest) : 0), 'an entry names its newest value');
}
