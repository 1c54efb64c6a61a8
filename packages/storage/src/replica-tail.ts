/**
 * What a backup holds of a partition beyond its commit index: records of the primary, staged as they came and made visible
 * in order as the index rises.
 *
 *   frame -> append to the log, stage slots -> [tail] -> commitTo(index): lanes are patched, readers and events have it
 *                                                   \--> dropTail(): everything as at the index
 *
 * Nothing is encoded anew: key and value are copied as they lie in the frame, version, epoch and sequence are those of the
 * primary. All memory is taken when a record is staged, so a commit cannot fail.
 *
 * replica-tail T1  The tail follows the log without a gap; what came before is skipped, and is the same record (asserted by
 *                  version).
 * replica-tail T2  A record ahead of the catalog is not staged: apply() stops before it. One of a map that was dropped keeps
 *                  its sequence and does nothing.
 * replica-tail T3  Two changes of one slot never carry the same pending lane: there are two, taken in turn along the chain
 *                  of a key.
 * replica-tail T4  The log takes its records also when it is full (log-budget B3): the primary has made room for them.
 * replica-tail T5  The terms of the primary's log are those of the backup's: what its durable consumers hold is held here
 *                  (partition-log L7), and what a log that begins later does not reach back to is known by its version.
 * replica-tail T6  What is staged of a frame is whole batches, as they came: a batch of which a record has no room, or is ahead of the
 *                  catalog, is not staged at all.
 * replica-tail T7  A batch that comes in several frames is shown when all of it is here and committed, and is taken back as a whole
 *                  when the rest of it can come no more (endOpenBatch()). A commit index within a batch shows what lies before it.
 */
import { assert, type MapId } from '@ashlar/core';
import { knownVersion } from './batch/pending-words.ts';
import { assertCount } from './edge-asserts.ts';
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_NEWEST, LIVE, SEGMENT_MASK, SEGMENT_SHIFT } from './layout.ts';
import { emptyHeader, isEnd, isUntold, type RecordCause, RecordKind } from './log/log-record.ts';
import type { RecordDraft } from './log/record-draft.ts';
import type { RecordFrame } from './log/record-frame.ts';
import type { Ref } from './memory/arena.ts';
import { createValue, releaseValue } from './memory/blocks.ts';
import type { Partition } from './partition.ts';
import { entryFor, findEntry } from './replica-entries.ts';
import type { SlotTable } from './slots/slot-table.ts';
import type { StoreCore } from './store-core.ts';
import type { StoredMap } from './stored-map.ts';

/** Fields of a staged record: table index + 1 (0: it does nothing), staged slot + 1, closed slot + 1, change of live entries. */
const FIELDS = 4;
const FIRST_RECORDS = 64;

export class ReplicaTail {
  readonly #core: StoreCore;
  readonly #partition: Partition;
  /** By sequence, in a ring of a power of two. */
  #journal = new Int32Array(FIRST_RECORDS * FIELDS);
  readonly #header = emptyHeader();
  /** First record of a batch whose end has not come; 0: there is none (replica-tail T7). */
  #openFrom = 0;

  constructor(core: StoreCore, partition: Partition) {
    this.#core = core;
    this.#partition = partition;
  }

  /** Records that are not committed. */
  get length(): number {
    const { log } = this.#partition;
    return log.nextSequence - 1 - log.committedSequence;
  }

  /* ---- Staging ---------------------------------------------------------------------------------------------------- */

  /**
   * Stages what is new in a frame.
   *
   * @returns the sequence that is wanted next: one of the frame where a record is ahead of the catalog (replica-tail T2)
   * @throws OutOfMemoryError the batches before it in the frame are staged
   */
  apply(frame: RecordFrame): number {
    const { log } = this.#partition;
    assert(frame.partition === this.#partition.id, 'a frame is of the partition');
    assert(frame.firstSequence <= log.nextSequence, 'replica-tail T1: a frame meets the log');
    this.#checkKnown(frame);
    this.#takeTerms(frame);
    const first = log.nextSequence;
    try {
      for (let index = first - frame.firstSequence; index < frame.count; index++)
        if (!this.#applyRecord(frame, index)) break;
    } finally {
      this.#keepWholeBatches(frame, first);
      if (log.nextSequence > first) this.#openFrom = this.#isLeftOpenBy(frame) ? this.#startOfBatch() : 0;
    }
    return log.nextSequence;
  }

  #isLeftOpenBy({ isOpen, lastSequence }: RecordFrame): boolean {
    return isOpen && lastSequence === this.#partition.log.nextSequence - 1;
  }

  /** First record of the batch that the last one belongs to. */
  #startOfBatch(): number {
    const { log } = this.#partition;
    let from = log.nextSequence - 1;
    const version = log.versionOf(from);
    if (this.#openFrom > 0 && log.versionOf(this.#openFrom) === version) return this.#openFrom;
    while (from > log.committedSequence + 1 && log.versionOf(from - 1) === version) from -= 1;
    return from;
  }

  /** The rest of a batch of which the first records are here comes no more (replica-tail T7). */
  endOpenBatch(): void {
    if (this.#openFrom > 0) this.#dropFrom(this.#openFrom);
    this.#openFrom = 0;
  }

  /** Where it stopped within a batch that the frame has whole, what came of that is taken back (replica-tail T6). */
  #keepWholeBatches(frame: RecordFrame, first: number): void {
    const next = this.#partition.log.nextSequence;
    if (next > frame.lastSequence) return;
    const version = frame.field('version', next - frame.firstSequence);
    let from = next;
    while (from > first && frame.field('version', from - 1 - frame.firstSequence) === version) from -= 1;
    this.#dropFrom(from);
  }

  /** What is here already is what came before. */
  #checkKnown(frame: RecordFrame): void {
    const { log } = this.#partition;
    const last = Math.min(frame.lastSequence, log.nextSequence - 1);
    if (last < Math.max(frame.firstSequence, log.firstSequence)) return;
    const isSame = log.versionOf(last) === frame.field('version', last - frame.firstSequence);
    assert(isSame, 'replica-tail T1: two logs of a partition agree as far as both go');
  }

  /** What is new in a frame is what the log holds from now on; an older one, sent again, tells nothing any more (replica-tail T5). */
  #takeTerms({ firstSequence, lastSequence, heldFrom, versionBefore }: RecordFrame): void {
    const { log } = this.#partition;
    const { nextSequence } = log;
    if (lastSequence >= nextSequence - 1) log.holdFrom(heldFrom);
    if (firstSequence !== nextSequence || versionBefore === Infinity) return;
    const known = log.versionBefore(nextSequence);
    if (known === Infinity || nextSequence === 1) log.droppedVersion = versionBefore;
    else assert(known === versionBefore, 'replica-tail T1: two logs of a partition agree where one goes on');
  }

  /** @returns false when its map is not known yet */
  #applyRecord(frame: RecordFrame, index: number): boolean {
    const core = this.#core;
    const mapId = frame.field('mapId', index) as MapId;
    const kind = frame.field('kind', index) as RecordKind;
    const map = core.maps.get(mapId);
    if (map === undefined && !core.hasSeenMap(mapId) && kind !== RecordKind.superseded) return false;
    this.#checkOrder(frame, index);
    frame.readHeader(index, this.#header);
    if (map !== undefined && kind === RecordKind.put) this.#put(map, frame, index);
    else if (map !== undefined && kind === RecordKind.answer) this.#answer(map, frame, index);
    else if (map !== undefined && isEnd(kind)) this.#end(map, frame, index, kind);
    else if (map !== undefined && kind === RecordKind.superseded) this.#superseded(map, frame, index);
    else this.#appendEmpty(frame, index, kind);
    const result = frame.resultWords(index);
    if (result !== undefined) this.#partition.log.takeResult(result);
    return true;
  }

  /** What arrives rises in version and epoch, as what leaves does (record-frame.ts). */
  #checkOrder(frame: RecordFrame, index: number): void {
    const { log } = this.#partition;
    const version = frame.field('version', index);
    if (index > 0) {
      assert(version >= frame.field('version', index - 1), 'versions rise with sequences');
      assert(frame.field('epoch', index) >= frame.field('epoch', index - 1), 'epochs rise with sequences');
    } else if (log.nextSequence > log.firstSequence) {
      assert(version >= log.versionOf(log.nextSequence - 1), 'versions rise with sequences');
    }
  }

  #answer(map: StoredMap, frame: RecordFrame, index: number): void {
    const { blocks } = this.#core;
    const [start, end] = [frame.valueStart(index), frame.field('valueEnd', index)];
    if (!this.#partition.log.reserve(end - start, true)) throw this.#core.outOfMemory(end - start);
    const value = end === start ? 0 : createValue(blocks, map.account, frame.values, start, end);
    if (value === 0 && end > start) throw this.#core.outOfMemory(end - start);
    const draft = this.#draft(frame, index, RecordKind.answer, 0).stores(value, frame.field('expiresAt', index));
    const sequence = this.#partition.log.append(this.#header, draft);
    if (value !== 0) releaseValue(blocks, map.account, value);
    this.#note(sequence, 0, 0, 0, 0);
  }

  #put(map: StoredMap, frame: RecordFrame, index: number): void {
    const core = this.#core;
    const partition = this.#partition;
    const [start, end] = [frame.valueStart(index), frame.field('valueEnd', index)];
    const table = map.tables[partition.id] ?? core.createTable(map, partition);
    const deadline = frame.field('expiresAt', index);
    if (!partition.log.reserve(end - start, true) || !table.slots.reserve() || !table.index.reserve()) {
      throw core.outOfMemory(end - start);
    }
    const value = createValue(core.blocks, map.account, frame.values, start, end);
    if (value === 0) throw core.outOfMemory(end - start);
    const [keyStart, keyEnd] = [frame.keyStart(index), frame.field('keyEnd', index)];
    const usedAt = map.maxIdleUs === 0 ? 0 : core.clock.now();
    const entry = entryFor(core, map, table, frame.keys, keyStart, keyEnd, value, deadline, usedAt);
    const newest = this.#liveSlot(table, entry);
    const lane = this.#laneAbove(table, entry);
    const oldValue = newest < 0 ? 0 : table.valueOf(newest);
    const oldVersion = newest < 0 ? 0 : this.#versionOf(table, entry, newest);
    const draft = this.#draft(frame, index, RecordKind.put, entry).stores(value, deadline);
    const sequence = partition.log.append(this.#header, draft.replaces(oldValue, oldVersion));
    const slot = table.stageNew(entry, value, deadline, lane);
    if (newest >= 0) table.stageClose(newest, lane);
    this.#note(sequence, table.tableIndex + 1, slot + 1, newest + 1, newest < 0 ? 1 : 0);
    if (map.maxIdleUs !== 0) core.touch(entry, usedAt);
  }

  #end(map: StoredMap, frame: RecordFrame, index: number, kind: RecordKind): void {
    const table = map.tables[this.#partition.id];
    const entry = table === undefined ? 0 : this.#findEntry(table, frame, index);
    const newest = table === undefined || entry === 0 ? -1 : this.#liveSlot(table, entry);
    if (table === undefined || newest < 0) {
      this.#appendEmpty(frame, index, kind);
      return;
    }
    if (!this.#partition.log.reserve(0, true)) throw this.#core.outOfMemory(0);
    const oldVersion = this.#versionOf(table, entry, newest);
    const draft = this.#draft(frame, index, kind, entry).replaces(table.valueOf(newest), oldVersion);
    const sequence = this.#partition.log.append(this.#header, draft);
    table.stageClose(newest, this.#laneAbove(table, entry));
    this.#note(sequence, table.tableIndex + 1, 0, newest + 1, -1);
  }

  /** Its batch wrote the key again: it changes nothing, and answers with what was there before the batch (log-answers). */
  #superseded(map: StoredMap, frame: RecordFrame, index: number): void {
    const table = map.tables[this.#partition.id];
    const entry = table === undefined ? 0 : this.#findEntry(table, frame, index);
    const newest = table === undefined || entry === 0 ? -1 : this.#liveSlot(table, entry);
    if (table === undefined || newest < 0) {
      this.#appendEmpty(frame, index, RecordKind.superseded);
      return;
    }
    if (!this.#partition.log.reserve(0, true)) throw this.#core.outOfMemory(0);
    const oldVersion = this.#versionOf(table, entry, newest);
    const draft = this.#draft(frame, index, RecordKind.superseded, entry).replaces(table.valueOf(newest), oldVersion);
    this.#note(this.#partition.log.append(this.#header, draft), 0, 0, 0, 0);
  }

  /** A record that changes nothing here keeps its sequence, and readers pass it over. */
  #appendEmpty(frame: RecordFrame, index: number, kind: RecordKind): void {
    if (!this.#partition.log.reserve(0, true)) throw this.#core.outOfMemory(0);
    const told = isEnd(kind) || kind === RecordKind.put ? RecordKind.superseded : kind;
    this.#note(this.#partition.log.append(this.#header, this.#draft(frame, index, told, 0)), 0, 0, 0, 0);
  }

  /** The record of a frame, of a kind that may have come to be another one here; its values follow. */
  #draft(frame: RecordFrame, index: number, kind: RecordKind, entry: Ref): RecordDraft {
    const version = frame.field('version', index);
    const cause = frame.field('cause', index) as RecordCause;
    const draft = this.#core.recordDraft;
    return draft.begin(kind, frame.field('mapId', index), version, frame.field('epoch', index), cause, entry);
  }

  #findEntry(table: SlotTable, frame: RecordFrame, index: number): Ref {
    return findEntry(this.#core, table, frame.keys, frame.keyStart(index), frame.field('keyEnd', index));
  }

  #newestOf(entry: Ref): number {
    return this.#core.arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
  }

  /** The newest slot of an entry when nothing has ended it; -1 else. */
  #liveSlot(table: SlotTable, entry: Ref): number {
    const newest = this.#newestOf(entry);
    if (newest < 0) return -1;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    return chunk.f64[chunk.end + (newest & CHUNK_MASK)] === LIVE ? newest : -1;
  }

  /** The lane for the next change of an entry: not that of its newest slot (replica-tail T3). */
  #laneAbove(table: SlotTable, entry: Ref): number {
    const [one, other] = this.#core.replicaLanes;
    const newest = this.#newestOf(entry);
    if (newest < 0) return one;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const at = newest & CHUNK_MASK;
    const end = chunk.f64[chunk.end + at]!;
    return (end === LIVE ? chunk.f64[chunk.begin + at] : end) === one ? other : one;
  }

  /** The version of an entry's newest slot, which may be staged. */
  #versionOf(table: SlotTable, entry: Ref, slot: number): number {
    const chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
    const begin = chunk.f64[chunk.begin + (slot & CHUNK_MASK)]!;
    if (!this.#core.replicaLanes.includes(begin)) return knownVersion(this.#core.arena, begin);
    const { log } = this.#partition;
    let sequence = log.nextSequence - 1;
    const { arena } = this.#core;
    while (log.entryOf(sequence) !== entry || isUntold(arena, log.recordRef(sequence))) sequence -= 1;
    return log.versionOf(sequence);
  }

  /* ---- Deciding --------------------------------------------------------------------------------------------------- */

  /** Everything up to `sequence` is committed at the primary, as far as it is here; StoreCore.collect() follows. */
  commitTo(sequence: number): void {
    assertCount(sequence, 0);
    const core = this.#core;
    const { id, log } = this.#partition;
    const last = this.#wholeUpTo(Math.min(sequence, log.nextSequence - 1));
    if (last <= log.committedSequence) return;
    for (let at = log.committedSequence + 1; at <= last; at++) this.#patch(at, log.versionOf(at));
    log.commit(last);
    core.committed(id, last);
  }

  /** The end of the last batch that is whole up to there (replica-tail T7). */
  #wholeUpTo(sequence: number): number {
    const { log } = this.#partition;
    if (this.#openFrom > 0 && sequence >= this.#openFrom) return this.#openFrom - 1;
    let last = sequence;
    if (last === log.nextSequence - 1) return last;
    while (last > log.committedSequence && log.versionOf(last) === log.versionOf(last + 1)) last -= 1;
    return last;
  }

  #patch(sequence: number, version: number): void {
    const at = this.#placeOf(sequence);
    const table = this.#tableAt(at);
    if (table === undefined) return;
    const [staged, closed] = [this.#journal[at + 1]! - 1, this.#journal[at + 2]! - 1];
    const garbage = table.patch(staged, closed, this.#laneOf(table, staged, closed), version);
    if (garbage > 0) this.#core.noteGarbage(table, garbage);
    table.countLive(this.#journal[at + 3]!);
  }

  /** Which of the two lanes a record staged under. */
  #laneOf(table: SlotTable, staged: number, closed: number): number {
    const slot = staged >= 0 ? staged : closed;
    const chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
    return chunk.f64[(staged >= 0 ? chunk.begin : chunk.end) + (slot & CHUNK_MASK)]!;
  }

  /** Takes back what is not committed, from the back. */
  dropTail(): void {
    this.#dropFrom(this.#partition.log.committedSequence + 1);
    this.#openFrom = 0;
  }

  #dropFrom(first: number): void {
    const core = this.#core;
    const { log } = this.#partition;
    if (first === log.nextSequence) return;
    for (let sequence = log.nextSequence - 1; sequence >= first; sequence--) {
      const at = this.#placeOf(sequence);
      const table = this.#tableAt(at);
      if (table === undefined) continue;
      if (this.#journal[at + 1]! > 0) table.undoNew(this.#journal[at + 1]! - 1);
      if (this.#journal[at + 2]! > 0) table.undoClose(this.#journal[at + 2]! - 1);
      core.noteGarbage(table, 1);
    }
    core.collect();
    log.undo(first);
  }

  /* ---- The journal ------------------------------------------------------------------------------------------------ */

  #placeOf(sequence: number): number {
    return ((sequence * FIELDS) % this.#journal.length) | 0;
  }

  /** Undefined: the record does nothing, or its map was dropped since. */
  #tableAt(at: number): SlotTable | undefined {
    const index = this.#journal[at]! - 1;
    return index < 0 ? undefined : this.#core.tables[index];
  }

  #note(sequence: number, table: number, staged: number, closed: number, liveChange: number): void {
    if (this.length * FIELDS > this.#journal.length) this.#grow(sequence);
    const at = this.#placeOf(sequence);
    this.#journal[at] = table;
    this.#journal[at + 1] = staged;
    this.#journal[at + 2] = closed;
    this.#journal[at + 3] = liveChange;
  }

  /** @param next  the sequence that has no place yet */
  #grow(next: number): void {
    const old = this.#journal;
    const grown = new Int32Array(old.length * 2);
    for (let sequence = this.#partition.log.committedSequence + 1; sequence < next; sequence++) {
      const from = (sequence * FIELDS) % old.length;
      for (let field = 0; field < FIELDS; field++)
        grown[((sequence * FIELDS) % grown.length) + field] = old[from + field]!;
    }
    this.#journal = grown;
  }
}
