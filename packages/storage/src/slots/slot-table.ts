/**
 * Slot table: where each version of each entry of one map in one partition lies in shared memory (the writer's side).
 *
 *   key -> hash -> index -> entry.newest -> slot -> begin, end, valueRef ... -> previous slot (an older version)
 *
 * Life of a slot:
 *
 *   free --stage--> staged --commit--> live --close, commit--> closed --no snapshot needs it--> limbo --epoch--> free
 *                     |                                           +--a snapshot needs it--> held --not any more--^
 *                     +-----abort--------------------------------------------------------------------------------^
 *
 * Closed, held and limbo slots hang in lists of the table; the links lie in their expiresAt lane, which only the writer reads:
 * a remove needs no memory.
 *
 * slot-table I1  begin < end of a committed slot; a live slot has end === LIVE; a free one begin === FREE and no entry.
 * slot-table I2  At every version a key has at most one visible slot.
 * slot-table I3  A slot is used again only when the record that closed it is committed, no open snapshot sees it, and every
 *                worker has passed the reader epoch in which it could still be found.
 * slot-table I4  `previous` of a committed slot may name one that was given up or used again since: whoever follows it
 *                checks that the slot's entry is the same and that versions fall. A staged slot's `previous` is right, or 0.
 * slot-table I5  tally = hidden slots of [0, used) and pending lanes of the chunk (layout.ts).
 * slot-table I7  A slot that leaves from between two others of its chain is bridged first and keeps its lanes until it is
 *                free: who stands on it goes on to the older ones. The newest slot of an entry leaves only after all older
 *                ones.
 * slot-table I6  An entry stands in the index exactly while its `newest` is not 0.
 */

import { wordOfLane } from '../batch/pending-words.ts';
import {
  ABORTED,
  CHUNK_MASK,
  CHUNK_MAX_BEGIN_F64,
  CHUNK_SHIFT,
  CHUNK_TALLY,
  ENTRY_ACCESS,
  ENTRY_KEY_BYTES,
  ENTRY_NEWEST,
  ENTRY_REFS,
  ENTRY_STAGED_ONE,
  ENTRY_TIMER,
  ENTRY_VALUE,
  FREE,
  LIVE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TABLE_BYTES,
  TABLE_LIVE_COUNT,
  TABLE_MAP_ID,
  TABLE_PARTITION_ID,
  TALLY_HIDDEN,
  TALLY_PENDING,
} from '../layout.ts';
import { MemoryKind } from '../memory/accounts.ts';
import type { Ref } from '../memory/arena.ts';
import { keyHash, releaseEntry, releaseValue } from '../memory/blocks.ts';
import type { Snapshots } from '../snapshots.ts';
import { areAlike } from './alike-values.ts';
import type { CapturedVersions } from './captured-versions.ts';
import { NOTHING } from './decided-slots.ts';
import { EntryIndex } from './entry-index.ts';
import { bridge, olderThan, validPrevious } from './slot-chain.ts';
import type { SlotChunkView } from './slot-chunk.ts';
import { SlotChunks } from './slot-chunks.ts';
import { SlotList } from './slot-list.ts';
import type { TableHost, TablePartition } from './table-host.ts';

export class SlotTable {
  readonly host: TableHost;
  readonly mapId: number;
  readonly partitionId: number;
  readonly #captured: CapturedVersions;
  /** Its place in the store's list of tables. */
  readonly tableIndex: number;
  readonly index: EntryIndex;
  readonly header: Ref;
  readonly slots: SlotChunks;
  /** Those of `slots`. */
  readonly chunks: readonly SlotChunkView[];
  /** Closed by a committed record and not looked at since, oldest first. */
  readonly closed: SlotList;
  /** Closed, and needed by a snapshot when it was looked at last. */
  readonly held: SlotList;
  #heldCount = 0;
  /** Held slots that the present pass has still to look at, and the changes of the snapshots that it is about. */
  #passLeft = 0;
  #passOf = 0;
  /** Unlinked in the current reader epoch. */
  readonly limbo: SlotList;
  /** Unlinked before `waitStamp`. */
  readonly waiting: SlotList;
  waitStamp = 0;
  /** Entries out of the index, chained through their access field: of the current epoch, and before `waitStamp`. */
  entryLimbo: Ref = 0;
  entryWaiting: Ref = 0;
  /** Entries with a live, committed slot. */
  liveCount = 0;
  /** The open batch that stages here, and by how many it changes liveCount so far. */
  stagedBy: object | undefined = undefined;
  stagedChange = 0;
  /** Staged changes that are neither patched nor undone. */
  undecided = 0;
  /** Whether any of its entries ever had a deadline: until then nobody looks for one. */
  hasDeadlines = false;
  /** Slots that the batch being decided left behind so far. */
  newGarbage = 0;
  /** Whether the table is in the list of those with garbage. */
  queued = false;
  dropped = false;

  private constructor(host: TableHost, mapId: number, partition: TablePartition, tableIndex: number, header: Ref) {
    this.host = host;
    this.mapId = mapId;
    this.partitionId = partition.id;
    this.#captured = partition.captured;
    this.tableIndex = tableIndex;
    this.header = header;
    this.index = new EntryIndex(host, header);
    this.slots = new SlotChunks(host, header);
    this.chunks = this.slots.list;
    this.closed = new SlotList(this.chunks);
    this.held = new SlotList(this.chunks);
    this.limbo = new SlotList(this.chunks);
    this.waiting = new SlotList(this.chunks);
  }

  /** @returns undefined when memory is full; nothing is held then */
  static create(host: TableHost, mapId: number, partition: TablePartition, tableIndex: number): SlotTable | undefined {
    const header = host.blocks.allocate(TABLE_BYTES, host.account, MemoryKind.slots);
    if (header === 0) return undefined;
    const table = new SlotTable(host, mapId, partition, tableIndex, header);
    const u32 = host.blocks.arena.segments[header >>> SEGMENT_SHIFT]!.u32;
    const at = (header & SEGMENT_MASK) << 1;
    u32.fill(0, at, at + TABLE_BYTES / 4);
    u32[at + TABLE_MAP_ID] = mapId;
    u32[at + TABLE_PARTITION_ID] = partition.id;
    if (table.index.create() && table.slots.reserve()) return table;
    table.destroy();
    return undefined;
  }

  /* ---- Staging -------------------------------------------------------------------------------------------------- */

  /**
   * Stages a new version of an entry in a slot of its own. slots.reserve() has just said yes.
   *
   * @param value  its reference is taken over
   * @param lane   the pending lane of the batch
   * @returns the slot
   */
  stageNew(entry: Ref, value: Ref, expiresAt: number, lane: number): number {
    const slot = this.slots.take();
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const entryAt = (entry & SEGMENT_MASK) << 1;
    chunk.f64[chunk.end + at] = LIVE;
    chunk.f64[chunk.expiresAt + at] = expiresAt;
    chunk.u32[chunk.valueRef + at] = value;
    chunk.u32[chunk.entryRef + at] = entry;
    const newest = u32[entryAt + ENTRY_NEWEST]!;
    // A new entry may lie where one was whose table went while it was undecided.
    if (newest === 0) this.host.decidedSlots.forget(entry);
    chunk.u32[chunk.previous + at] = newest;
    chunk.f64[chunk.begin + at] = lane;
    chunk.i32[chunk.header + CHUNK_TALLY]! += TALLY_PENDING;
    u32[entryAt + ENTRY_REFS]! += 1;
    u32[entryAt + ENTRY_KEY_BYTES]! += ENTRY_STAGED_ONE;
    Atomics.store(u32, entryAt + ENTRY_NEWEST, slot + 1);
    this.undecided += 1;
    return slot;
  }

  /** Stages the end of a live slot. */
  stageClose(slot: number, lane: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    chunk.i32[chunk.header + CHUNK_TALLY]! += TALLY_HIDDEN + TALLY_PENDING;
    chunk.f64[chunk.end + (slot & CHUNK_MASK)] = lane;
    const entry = chunk.u32[chunk.entryRef + (slot & CHUNK_MASK)]!;
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    u32[((entry & SEGMENT_MASK) << 1) + ENTRY_KEY_BYTES]! += ENTRY_STAGED_ONE;
    this.undecided += 1;
  }

  /** The batch that staged the slot writes the key again: the slot takes the new value. The old one's reference goes. */
  restage(slot: number, value: Ref, expiresAt: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    const old = chunk.u32[chunk.valueRef + at]!;
    chunk.u32[chunk.valueRef + at] = value;
    chunk.f64[chunk.expiresAt + at] = expiresAt;
    chunk.f64[chunk.end + at] = LIVE;
    releaseValue(this.host.blocks, this.host.account, old);
  }

  /** The batch that staged the slot removes the key again: nobody will see the slot. */
  unstage(slot: number, lane: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    chunk.f64[chunk.end + (slot & CHUNK_MASK)] = lane;
  }

  /* ---- Deciding: after the batch's word is committed, or when it is aborted --------------------------------------- */

  /**
   * Puts the version into the lanes of an operation.
   *
   * @param staged  the slot that begins; -1: none
   * @param closed  the slot that ends; -1: none
   * @param lane    of the batch that staged them
   * @returns slots that nobody will see any more
   */
  patch(staged: number, closed: number, lane: number, version: number): number {
    const { host } = this;
    host.changes++;
    if (host.watchedChanges === 0 || !this.#keepsShape(staged, closed, lane)) host.reshapes++;
    if (staged >= 0 && closed >= 0 && this.#patchReplaced(staged, closed, lane, version)) return 1;
    let garbage = 0;
    if (closed >= 0) {
      this.#patchClosed(closed, version);
      garbage += 1;
    }
    if (staged >= 0 && !this.#patchNew(staged, lane, version)) garbage += 1;
    return garbage;
  }

  /** Whether an operation puts a document in the place of one that has the same fields with values of the same kinds. */
  #keepsShape(staged: number, closed: number, lane: number): boolean {
    this.host.watchedChanges--;
    if (staged < 0 || closed < 0) return false;
    const chunk = this.chunks[staged >>> CHUNK_SHIFT]!;
    const at = staged & CHUNK_MASK;
    // Its own batch has removed it again.
    if (chunk.f64[chunk.end + at] === lane) return false;
    const before = this.chunks[closed >>> CHUNK_SHIFT]!;
    const { arena } = this.host.blocks;
    return areAlike(arena, before.u32[before.valueRef + (closed & CHUNK_MASK)]!, chunk.u32[chunk.valueRef + at]!);
  }

  /**
   * The ordinary case, both slots in one chunk and neither touched by another operation: one store publishes both.
   *
   * @returns false when it is not so: nothing was done
   */
  #patchReplaced(staged: number, closed: number, lane: number, version: number): boolean {
    if (staged >>> CHUNK_SHIFT !== closed >>> CHUNK_SHIFT) return false;
    const chunk = this.chunks[staged >>> CHUNK_SHIFT]!;
    const { f64, begin, end } = chunk;
    const at = staged & CHUNK_MASK;
    const closedAt = closed & CHUNK_MASK;
    if (f64[begin + at] !== lane || f64[end + at] === lane || wordOfLane(f64[begin + closedAt]!) >= 0) return false;
    this.undecided -= 2;
    f64[end + closedAt] = version;
    f64[begin + at] = version;
    const maxAt = (chunk.header >>> 1) + CHUNK_MAX_BEGIN_F64;
    if (version > f64[maxAt]!) f64[maxAt] = version;
    // Last, as in #patchNew().
    storeTally(chunk, -2 * TALLY_PENDING - TALLY_HIDDEN);
    if (version <= this.host.snapshots.oldest && version <= this.#captured.oldest && this.closed.isEmpty) {
      // As #unlinkClosed(), which would find it first in the list.
      f64[begin + closedAt] = FREE;
      this.limbo.push(closed);
    } else {
      this.closed.push(closed);
    }
    this.#committed(chunk.u32[chunk.entryRef + at]!, staged, 2);
    return true;
  }

  /**
   * Puts the version into the begin lane of a committed slot, unless a later batch that closed it already did.
   *
   * @param lane  of the batch that staged it
   * @returns false when its own batch removed it again
   */
  #patchNew(slot: number, lane: number, version: number): boolean {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    if (chunk.f64[chunk.begin + at] !== lane) return true;
    this.undecided -= 1;
    if (chunk.f64[chunk.end + at] === lane) {
      this.#discard(slot, chunk, at);
      return false;
    }
    chunk.f64[chunk.begin + at] = version;
    const maxAt = (chunk.header >>> 1) + CHUNK_MAX_BEGIN_F64;
    if (version > chunk.f64[maxAt]!) chunk.f64[maxAt] = version;
    // Last: a reader that finds the tally 0 finds the lanes and maxBegin as they are now.
    storeTally(chunk, -TALLY_PENDING - TALLY_HIDDEN);
    this.#committed(chunk.u32[chunk.entryRef + at]!, slot, 1);
    return true;
  }

  /** Puts the version into the end lane of a closed slot; the slot waits until no snapshot needs it. */
  #patchClosed(slot: number, version: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    // A large batch may have been committed before and not be patched yet: first its slot begins, then it ends.
    const begin = chunk.f64[chunk.begin + (slot & CHUNK_MASK)]!;
    const word = wordOfLane(begin);
    if (word >= 0) this.#patchNew(slot, begin, this.host.words.versionOf(word));
    this.undecided -= 1;
    chunk.f64[chunk.end + (slot & CHUNK_MASK)] = version;
    const tallyAt = chunk.header + CHUNK_TALLY;
    Atomics.store(chunk.i32, tallyAt, chunk.i32[tallyAt]! - TALLY_PENDING);
    this.closed.push(slot);
    this.#committed(chunk.u32[chunk.entryRef + (slot & CHUNK_MASK)]!, slot, 1);
  }

  /** Changes of an entry are committed, in the order of its chain; the last of them in `slot`. */
  #committed(entry: Ref, slot: number, changes: number): void {
    if (this.#decided(entry, changes)) this.host.decidedSlots.note(entry, slot);
  }

  /**
   * Staged changes of the entry are decided. After the last one the entry names its newest value again.
   *
   * @returns whether others are undecided
   */
  #decided(entry: Ref, changes = 1): boolean {
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const at = (entry & SEGMENT_MASK) << 1;
    const staged = u32[at + ENTRY_KEY_BYTES]! - changes * ENTRY_STAGED_ONE;
    u32[at + ENTRY_KEY_BYTES] = staged;
    if (staged >= ENTRY_STAGED_ONE) return true;
    this.host.decidedSlots.forget(entry);
    const newest = u32[at + ENTRY_NEWEST]! - 1;
    if (newest < 0) {
      u32[at + ENTRY_VALUE] = 0;
      return false;
    }
    const chunk = this.chunks[newest >>> CHUNK_SHIFT]!;
    const slot = newest & CHUNK_MASK;
    u32[at + ENTRY_VALUE] = chunk.f64[chunk.end + slot] === LIVE ? chunk.u32[chunk.valueRef + slot]! : 0;
    return false;
  }

  /** A batch was committed that changed the number of live entries. */
  countLive(change: number): void {
    this.liveCount += change;
    const u32 = this.host.blocks.arena.segments[this.header >>> SEGMENT_SHIFT]!.u32;
    u32[((this.header & SEGMENT_MASK) << 1) + TABLE_LIVE_COUNT] = this.liveCount;
  }

  /** Undoes stageNew(). */
  undoNew(slot: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    this.undecided -= 1;
    this.#discard(slot, chunk, slot & CHUNK_MASK);
  }

  /** Undoes stageClose(). */
  undoClose(slot: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    this.undecided -= 1;
    chunk.f64[chunk.end + (slot & CHUNK_MASK)] = LIVE;
    const tallyAt = chunk.header + CHUNK_TALLY;
    Atomics.store(chunk.i32, tallyAt, chunk.i32[tallyAt]! - TALLY_PENDING - TALLY_HIDDEN);
    this.#decided(chunk.u32[chunk.entryRef + (slot & CHUNK_MASK)]!);
  }

  /** A staged slot that nobody will see: out of its entry's chain, into limbo. */
  #discard(slot: number, chunk: SlotChunkView, at: number): void {
    chunk.f64[chunk.begin + at] = ABORTED;
    const tallyAt = chunk.header + CHUNK_TALLY;
    Atomics.store(chunk.i32, tallyAt, chunk.i32[tallyAt]! - TALLY_PENDING);
    const entry = chunk.u32[chunk.entryRef + at]!;
    const previous = validPrevious(this.chunks, entry, chunk.u32[chunk.previous + at]!);
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const newestAt = ((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST;
    if (u32[newestAt] === slot + 1) {
      Atomics.store(u32, newestAt, previous);
      if (previous === 0) this.#unlinkEntry(entry);
    } else {
      bridge(this.chunks, entry, u32[newestAt]!, slot, previous);
    }
    this.#decided(entry);
    this.limbo.push(slot);
  }

  /* ---- Giving up ------------------------------------------------------------------------------------------------ */

  get hasGarbage(): boolean {
    return (
      !this.closed.isEmpty ||
      !this.held.isEmpty ||
      !this.limbo.isEmpty ||
      !this.waiting.isEmpty ||
      this.entryLimbo !== 0 ||
      this.entryWaiting !== 0
    );
  }

  /** Whether something is unlinked that readers may still stand on. */
  get awaitsReaders(): boolean {
    return !this.waiting.isEmpty || !this.limbo.isEmpty || this.entryWaiting !== 0 || this.entryLimbo !== 0;
  }

  /**
   * Moves closed slots that no snapshot needs into limbo, and frees what every worker has passed.
   *
   * @param passOf  `snapshots.changes` up to which held slots are to be looked at again
   * @returns steps done; less than `maxSteps` means that nothing more can be done at this moment
   */
  reclaim(snapshots: Snapshots, passOf: number, maxSteps: number): number {
    const steps = this.unlink(snapshots, passOf, maxSteps);
    if (!this.#canWait) return steps;
    return steps + this.free(this.host.epochs.advance(), maxSteps - steps);
  }

  /** The first half of reclaim(): frees what waited, and unlinks what is closed. free() follows. */
  unlink(snapshots: Snapshots, passOf: number, maxSteps: number): number {
    let steps = this.#freeWaiting(maxSteps);
    for (; steps < maxSteps && !this.closed.isEmpty; steps++) {
      const slot = this.closed.shift();
      if (!this.#unlinkClosed(slot, snapshots)) this.#hold(slot);
    }
    return steps + this.#lookAtHeld(snapshots, passOf, maxSteps - steps);
  }

  /** All versions that are over for every snapshot stand first; those in between are found by a pass over all. */
  #lookAtHeld(snapshots: Snapshots, passOf: number, maxSteps: number): number {
    if (this.#passOf !== passOf) {
      this.#passOf = passOf;
      this.#passLeft = this.#heldCount;
    }
    let steps = 0;
    for (; steps < maxSteps && this.#heldCount > 0; steps++) {
      if (this.#passLeft === 0 && this.endOf(this.held.head) > this.#oldestRead(snapshots)) break;
      const slot = this.held.shift();
      this.#heldCount -= 1;
      this.#passLeft = Math.max(0, this.#passLeft - 1);
      if (!this.#unlinkClosed(slot, snapshots)) this.#hold(slot);
    }
    return steps;
  }

  /** The lowest version at which anybody reads it; Infinity: nobody does. */
  #oldestRead(snapshots: Snapshots): number {
    return Math.min(snapshots.oldest, this.#captured.oldest);
  }

  #hold(slot: number): void {
    this.held.push(slot);
    this.#heldCount += 1;
  }

  endOf(slot: number): number {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.f64[chunk.end + (slot & CHUNK_MASK)]!;
  }

  /** @returns false when a snapshot needs it, or an older slot of its entry */
  #unlinkClosed(slot: number, snapshots: Snapshots): boolean {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    const begin = chunk.f64[chunk.begin + at]!;
    const end = chunk.f64[chunk.end + at]!;
    if (end > this.#oldestRead(snapshots)) {
      if (snapshots.needs(begin, end) || this.#captured.needs(begin, end)) return false;
      const entry = chunk.u32[chunk.entryRef + at]!;
      const older = olderThan(this.chunks, entry, chunk.u32[chunk.previous + at]!, begin);
      const newest = this.#newestOf(entry);
      if (newest !== slot + 1) {
        bridge(this.chunks, entry, this.#aboveDecided(entry, newest, slot), slot, older);
        this.limbo.push(slot);
        return true;
      }
      if (older !== 0) return false;
    }
    // From here on no version sees it, in whatever order a reader meets the lanes.
    chunk.f64[chunk.begin + at] = FREE;
    this.limbo.push(slot);
    return true;
  }

  #newestOf(entry: Ref): number {
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    return u32[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]!;
  }

  /** The link from which a slot that leaves is to be found: past what is undecided, where that is known. */
  #aboveDecided(entry: Ref, newest: number, leaving: number): number {
    const slot = this.decidedSlot(entry);
    return slot < 0 || slot === leaving ? newest : slot + 1;
  }

  /** The slot of an entry below which nothing is undecided, for one with undecided changes; UNKNOWN, NOTHING. */
  decidedSlot(entry: Ref): number {
    const slot = this.host.decidedSlots.of(entry);
    if (slot < 0) return slot;
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.f64[chunk.begin + (slot & CHUNK_MASK)] === FREE ? NOTHING : slot;
  }

  /** The second half: what is unlinked waits for the readers of epoch `stamp`, which has just ended. */
  free(stamp: number, maxSteps: number): number {
    if (!this.#canWait) return 0;
    this.waiting.takeAll(this.limbo);
    this.entryWaiting = this.entryLimbo;
    this.entryLimbo = 0;
    this.waitStamp = stamp;
    return this.#freeWaiting(maxSteps);
  }

  /** Nothing waits, and something is unlinked. */
  get #canWait(): boolean {
    return this.waiting.isEmpty && this.entryWaiting === 0 && (!this.limbo.isEmpty || this.entryLimbo !== 0);
  }

  #freeWaiting(maxSteps: number): number {
    if (this.waiting.isEmpty && this.entryWaiting === 0) return 0;
    if (!this.host.epochs.passed(this.waitStamp)) return 0;
    let steps = 0;
    for (; steps < maxSteps && !this.waiting.isEmpty; steps++) this.#freeSlot(this.waiting.shift());
    for (; steps < maxSteps && this.entryWaiting !== 0; steps++) this.entryWaiting = this.#freeEntry(this.entryWaiting);
    return steps;
  }

  #freeSlot(slot: number): void {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    const { blocks, account } = this.host;
    const entry = chunk.u32[chunk.entryRef + at]!;
    const u32 = blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const newestAt = ((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST;
    if (u32[newestAt] === slot + 1) {
      Atomics.store(u32, newestAt, 0);
      this.#unlinkEntry(entry);
    } else if (u32[newestAt - ENTRY_NEWEST + ENTRY_KEY_BYTES]! >= ENTRY_STAGED_ONE) {
      // What is staged may be undone, and then its link is followed by the writer without bounds.
      bridge(this.chunks, entry, this.#aboveDecided(entry, u32[newestAt]!, slot), slot, 0);
      this.host.decidedSlots.leave(entry, slot);
    }
    releaseValue(blocks, account, chunk.u32[chunk.valueRef + at]!);
    releaseEntry(blocks, account, entry);
    this.slots.give(chunk, at, slot);
  }

  /** Out of the index; the block waits for the readers that may be looking at its key. */
  #unlinkEntry(entry: Ref): void {
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const at = (entry & SEGMENT_MASK) << 1;
    this.index.remove(keyHash(this.host, entry), entry);
    const timer = u32[at + ENTRY_TIMER]!;
    if (timer !== 0) this.host.timers.remove(timer, this.host.account);
    u32[at + ENTRY_ACCESS] = this.entryLimbo;
    this.entryLimbo = entry;
  }

  #freeEntry(entry: Ref): Ref {
    const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
    const next = u32[((entry & SEGMENT_MASK) << 1) + ENTRY_ACCESS]!;
    releaseEntry(this.host.blocks, this.host.account, entry);
    return next;
  }

  valueOf(slot: number): Ref {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.u32[chunk.valueRef + (slot & CHUNK_MASK)]!;
  }

  expiresAtOf(slot: number): number {
    const chunk = this.chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.f64[chunk.expiresAt + (slot & CHUNK_MASK)]!;
  }

  /** For the walk of invariants. */
  *unlinkedEntries(): IterableIterator<Ref> {
    for (const head of [this.entryLimbo, this.entryWaiting]) {
      for (let entry = head; entry !== 0; ) {
        yield entry;
        const u32 = this.host.blocks.arena.segments[entry >>> SEGMENT_SHIFT]!.u32;
        entry = u32[((entry & SEGMENT_MASK) << 1) + ENTRY_ACCESS]!;
      }
    }
  }

  /* ---- End ------------------------------------------------------------------------------------------------------ */

  /** Lets go of the unlinked entries and of the table's own blocks. */
  destroy(): void {
    const { blocks, account } = this.host;
    while (this.entryWaiting !== 0) this.entryWaiting = this.#freeEntry(this.entryWaiting);
    while (this.entryLimbo !== 0) this.entryLimbo = this.#freeEntry(this.entryLimbo);
    this.index.destroy();
    this.slots.destroy();
    blocks.free(this.header, account, MemoryKind.slots);
  }
}

/**
 * Changes the tally of a chunk after its lanes. While something is pending in it no reader concludes anything from the tally:
 * only the store that leaves nothing pending has to come after all others (an atomic one waits for them).
 */
function storeTally({ header, i32 }: SlotChunkView, change: number): void {
  const at = header + CHUNK_TALLY;
  const tally = i32[at]! + change;
  if (tally >= TALLY_PENDING) i32[at] = tally;
  else Atomics.store(i32, at, tally);
}
