/**
 * A partition as it is captured for another member, and read page by page beside its writers.
 *
 *   capture: (sequence, version) -> maps, slot by slot, as a snapshot at the version sees them -> the end of the log
 *
 * partition-capture C1  Its version is that of the last committed record: no later one is at or below it, so what the snapshot
 *                       sees is the state behind that record, and stays so.
 * partition-capture C2  The way through the slots is the same whenever it is gone: they keep their places, and what comes to lie
 *                       in others is not seen at the version.
 * partition-capture C3  A page looks at a bounded number of slots, and has a bounded number of rows and bytes but for one long
 *                       value, so that nobody waits for it.
 * partition-capture C4  The log is read last: what is dropped meanwhile is left out, and the stretch begins anew behind it.
 * partition-capture C5  A value that was replaced or removed since it was captured has no deadline any more (slot-table.ts). The
 *                       record of that follows, before anybody reads the copy.
 * partition-capture C6  It holds slots of its own partition only: of each entry the one that it has to read (captured-versions.ts).
 */
import { assert, type MapId, type Sequence, type Version } from '@ashlar/core';
import { wordOfLane } from '../batch/pending-words.ts';
import { CHUNK_MASK, CHUNK_SHIFT, LIVE } from '../layout.ts';
import { LogRecordView } from '../log/log-record.ts';
import { RecordFrameWriter } from '../log/record-frame.ts';
import type { Partition } from '../partition.ts';
import { isVisible, type SlotChunkView } from '../slots/slot-chunk.ts';
import type { SlotTable } from '../slots/slot-table.ts';
import type { StoreCore } from '../store-core.ts';
import type { StoredMap } from '../stored-map.ts';
import { ENTRY_COLUMN, OLD_COLUMN, OldValue, PAGE_ROWS_MAX, PageWriter } from './page-codec.ts';
import type { CopyStart, PartitionPage, PartitionTransfer } from './transfer-contract.ts';

const PAGE_BYTES_MAX = 256 * 1024;
const SLOTS_LOOKED_AT_MAX = 16_384;

/** How far the reading has come. */
interface Place {
  /** Index in the maps that were captured. */
  map: number;
  /** The next slot of that map's table. */
  slot: number;
  /** The next record, once the maps are done. */
  sequence: number;
  /** Values at or below that version are not in the stretch of the log that was read. */
  stretchAfter: number;
}

export class PartitionCapture implements PartitionTransfer {
  readonly start: CopyStart;
  readonly partition: Partition;
  readonly #core: StoreCore;
  readonly #mapIds: readonly MapId[];
  readonly #writer = new PageWriter();
  #frames: RecordFrameWriter | undefined;
  #record: LogRecordView | undefined;
  /** The page that was read last, from where it began, and where the next one does. */
  #page = -1;
  #from: Place;
  #next: Place;
  #isOver = false;

  constructor(core: StoreCore, partition: Partition) {
    this.#core = core;
    this.partition = partition;
    this.start = startOf(core, partition);
    const { version, logFrom } = this.start;
    partition.captured.add(version);
    this.#mapIds = [...core.maps.keys()] as MapId[];
    this.#next = { map: 0, slot: 0, sequence: logFrom, stretchAfter: Infinity };
    this.#from = this.#next;
    core.transfers.add(this);
  }

  readPage(page: number): PartitionPage | undefined {
    if (this.#isOver) return undefined;
    assert(page === this.#page + 1 || (page === this.#page && page >= 0), 'transfer X2: pages are read in order');
    if (page > this.#page) this.#from = this.#next;
    this.#page = page;
    this.#next = { ...this.#from };
    return this.#next.map < this.#mapIds.length ? this.#entriesPage() : this.#logPage();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.partition.captured.remove(this.start.version);
    this.#core.snapshots.noteChange();
    this.#core.transfers.delete(this);
  }

  /* ---- Entries ---------------------------------------------------------------------------------------------------------- */

  #entriesPage(): PartitionPage {
    this.#writer.begin(false);
    const place = this.#next;
    for (let looked = 0; looked < SLOTS_LOOKED_AT_MAX && place.map < this.#mapIds.length; ) {
      const map = this.#core.maps.get(this.#mapIds[place.map]!);
      const table = map?.tables[this.partition.id];
      const chunk = table?.chunks[place.slot >>> CHUNK_SHIFT];
      if (map === undefined || table === undefined || chunk === undefined) {
        place.map += 1;
        place.slot = 0;
        continue;
      }
      looked += chunk.used;
      if (!this.#addChunk(map, table, chunk)) break;
    }
    return this.#finish(false);
  }

  /** @returns false: the page is full */
  #addChunk(map: StoredMap, table: SlotTable, chunk: SlotChunkView): boolean {
    const place = this.#next;
    const first = place.slot - (place.slot & CHUNK_MASK);
    const { used } = chunk;
    for (let at = place.slot & CHUNK_MASK; at < used; at++) {
      if (!isVisible(chunk, at, this.start.version) || this.#addEntry(map, table, chunk, at)) continue;
      place.slot = first + at;
      return false;
    }
    place.slot = first + CHUNK_MASK + 1;
    return true;
  }

  /** @returns false: the page has no room for it */
  #addEntry(map: StoredMap, table: SlotTable, chunk: SlotChunkView, at: number): boolean {
    const core = this.#core;
    const writer = this.#writer;
    const entry = chunk.u32[chunk.entryRef + at]!;
    const keyStart = writer.first.length;
    chunk.positionKey(at);
    writer.first.append(chunk.bytes, chunk.start, chunk.stop);
    chunk.positionValue(at);
    if (!this.#hasRoom(writer.count, writer.contentBytes + chunk.stop - chunk.start)) {
      writer.first.length = keyStart;
      return false;
    }
    writer.second.append(chunk.bytes, chunk.start, chunk.stop);
    writer.set(ENTRY_COLUMN.mapId, map.mapId);
    writer.set(ENTRY_COLUMN.version, chunk.versionOf(at));
    writer.set(ENTRY_COLUMN.expiresAt, this.#deadlineOf(chunk, at));
    writer.set(ENTRY_COLUMN.usedAt, map.maxIdleUs === 0 ? 0 : core.usedAt(table, entry, core.clock.now()));
    writer.set(ENTRY_COLUMN.keyEnd, writer.first.length);
    writer.set(ENTRY_COLUMN.valueEnd, writer.second.length);
    writer.endRow();
    return true;
  }

  /** partition-capture C5 */
  #deadlineOf(chunk: SlotChunkView, at: number): number {
    const end = chunk.f64[chunk.end + at]!;
    return end === LIVE || wordOfLane(end) >= 0 ? chunk.f64[chunk.expiresAt + at]! : 0;
  }

  /* ---- The log ------------------------------------------------------------------------------------------------------------ */

  #logPage(): PartitionPage {
    const { log } = this.partition;
    const place = this.#next;
    if (place.sequence < log.firstSequence || place.stretchAfter === Infinity) {
      // partition-capture C4
      place.sequence = Math.max(place.sequence, log.firstSequence);
      place.stretchAfter = log.versionBefore(place.sequence);
    }
    const writer = this.#writer;
    writer.begin(true);
    this.#frames ??= new RecordFrameWriter();
    this.#record ??= new LogRecordView(this.#core.arena);
    const frames = this.#frames;
    frames.begin();
    frames.beginRun(this.partition.id, place.sequence, log);
    while (place.sequence <= this.start.sequence && this.#addRecord(log.recordRef(place.sequence))) place.sequence += 1;
    if (frames.count > 0) {
      const frame = frames.finish();
      writer.first.append(frame, 0, frame.length);
    }
    return this.#finish(true);
  }

  /** @returns false: the page has no room for it */
  #addRecord(ref: number): boolean {
    const record = this.#record!.attach(ref);
    const frames = this.#frames!;
    const writer = this.#writer;
    const isForgotten = !this.#core.maps.has(record.mapId);
    const old = isForgotten || !record.hasOldValue ? OldValue.none : this.#placeOfOld(record.oldVersion);
    const oldBytes = old === OldValue.here ? bytesOfOld(record) : 0;
    if (!this.#hasRoom(frames.count, frames.contentBytes + writer.contentBytes + record.length + oldBytes))
      return false;
    frames.add(record, isForgotten);
    if (old === OldValue.here) {
      record.positionOldValue();
      writer.second.append(record.bytes, record.start, record.stop);
    }
    writer.set(OLD_COLUMN.kind, old);
    writer.set(OLD_COLUMN.version, old === OldValue.none ? 0 : record.oldVersion);
    writer.set(OLD_COLUMN.end, writer.second.length);
    writer.endRow();
    return true;
  }

  /** page-codec J3: what was written within the stretch is there already. */
  #placeOfOld(oldVersion: number): number {
    return oldVersion > this.#next.stretchAfter ? OldValue.before : OldValue.here;
  }

  /* ---- Pages -------------------------------------------------------------------------------------------------------------- */

  /** partition-capture C3 */
  #hasRoom(rows: number, bytes: number): boolean {
    return rows === 0 || (rows < PAGE_ROWS_MAX && bytes <= PAGE_BYTES_MAX);
  }

  #finish(isLog: boolean): PartitionPage {
    const { log, id } = this.partition;
    const { sequence, version } = this.start;
    const { map, sequence: nextSequence } = this.#next;
    const isLast = map >= this.#mapIds.length && Math.max(nextSequence, log.firstSequence) > sequence;
    const page = this.#page;
    const bytes = this.#writer.finish({
      ...{ partition: id, page, isLast, isLog, sequence, version },
      ...{ epoch: log.epoch, incarnation: log.incarnation, heldFrom: log.heldFrom },
    });
    return { page, isLast, bytes };
  }
}

function bytesOfOld(record: LogRecordView): number {
  record.positionOldValue();
  return record.stop - record.start;
}

/** partition-capture C1 */
function startOf(core: StoreCore, { log, staged }: Partition): CopyStart {
  const sequence = log.committedSequence as Sequence;
  let version = log.versionBefore(sequence + 1);
  if (version === Infinity) version = staged.first?.state === 'sealed' ? staged.first.version - 1 : core.clock.now();
  return { sequence, version: version as Version, logFrom: log.firstSequence as Sequence };
}
