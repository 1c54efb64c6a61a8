/**
 * The end of another member's log, taken into the log of a copy whose entries are there already: records of what was done before,
 * with the keys and values that they name. They change no entry.
 *
 * log-history H1  A key or value that is here is shared, not copied: the live value of an entry by its version, what a record
 *                 replaced with the record that wrote it.
 * log-history H2  Until the end is reached the last value of each key is held here, for the record that may have replaced it;
 *                 then everything is let go of, and the log alone holds it.
 * log-history H3  A stretch that does not follow the one before begins anew: the log has no gaps.
 * log-history H4  Where memory has room for the entries and not for this, the copy goes on without it: it begins behind what was
 *                 captured, and knows that it knows nothing of before. Not where durable consumers have still to read some of it.
 */
import { assert, GridError, type MapId } from '@ashlar/core';
import { CHUNK_MASK, CHUNK_SHIFT, ENTRY_NEWEST, SEGMENT_MASK, SEGMENT_SHIFT } from '../layout.ts';
import { emptyHeader, isEnd, type RecordCause, RecordKind } from '../log/log-record.ts';
import { type RecordFrame, readRecordFrame } from '../log/record-frame.ts';
import type { Ref } from '../memory/arena.ts';
import { createEntry, createValue, holdEntry, holdValue, releaseEntry, releaseValue } from '../memory/blocks.ts';
import type { Partition } from '../partition.ts';
import { findEntry } from '../replica-entries.ts';
import type { StoreCore } from '../store-core.ts';
import { OLD_COLUMN, OldValue, type TransferPage } from './page-codec.ts';

/** A key that records of the stretch name; one reference to each is held here. */
interface KnownKey {
  readonly mapId: number;
  readonly entry: Ref;
  /** The value that the last record wrote, and its version; 0: it ended it. */
  value: Ref;
  version: number;
}

export class LogHistory {
  readonly #core: StoreCore;
  readonly #partition: Partition;
  readonly #known = new Map<string, KnownKey>();
  readonly #header = emptyHeader();
  /** Whether any record came along. */
  hasBegun = false;
  /** The copy goes on without it (log-history H4). */
  #isGivenUp = false;

  constructor(core: StoreCore, partition: Partition) {
    this.#core = core;
    this.#partition = partition;
  }

  /** @throws OutOfMemoryError the copy is to be given up (log-history H4); GridError INVALID_ARGUMENT */
  take(page: TransferPage): void {
    if (page.count === 0 || this.#isGivenUp) return;
    const { sequence, version, heldFrom } = page.header;
    try {
      this.#takeRecords(page);
    } catch (error) {
      if (!GridError.is(error, 'OUT_OF_MEMORY') || heldFrom <= sequence) throw error;
      this.release();
      this.#partition.log.beginBehind(sequence, version);
      this.#isGivenUp = true;
    }
  }

  #takeRecords(page: TransferPage): void {
    const { log } = this.#partition;
    const frame = readRecordFrame(page.first);
    assert(frame.count === page.count, 'page-codec: a row a record');
    if (!this.hasBegun || frame.firstSequence !== log.nextSequence) {
      this.release();
      log.beginBehind(frame.firstSequence - 1, frame.versionBefore);
    }
    this.hasBegun = true;
    for (let index = 0; index < frame.count; index++) {
      this.#append(page, frame, index);
      const result = frame.resultWords(index);
      if (result !== undefined) log.takeResult(result);
      log.commit(log.nextSequence - 1);
    }
  }

  /** log-history H2 */
  release(): void {
    const { blocks } = this.#core;
    for (const { mapId, entry, value } of this.#known.values()) {
      const account = this.#core.accountOf(mapId);
      if (value !== 0) releaseValue(blocks, account, value);
      releaseEntry(blocks, account, entry);
    }
    this.#known.clear();
  }

  /** For the walk of invariants: what is held here. */
  visitHeld(onEntry: (entry: Ref) => void, onValue: (value: Ref) => void): void {
    for (const { entry, value } of this.#known.values()) {
      onEntry(entry);
      if (value !== 0) onValue(value);
    }
  }

  #append(page: TransferPage, frame: RecordFrame, index: number): void {
    const kind = frame.field('kind', index) as RecordKind;
    const isHere = this.#core.maps.has(frame.field('mapId', index));
    const hasKey = frame.keyStart(index) < frame.field('keyEnd', index);
    frame.readHeader(index, this.#header);
    if (kind === RecordKind.answer && isHere) this.#appendAnswer(frame, index);
    else if (hasKey && isHere) this.#appendChange(page, frame, index, kind);
    else this.#appendRecord(frame, index, isEnd(kind) || kind === RecordKind.put ? RecordKind.superseded : kind);
  }

  #appendAnswer(frame: RecordFrame, index: number): void {
    const value = this.#newValue(
      frame.field('mapId', index),
      frame.values,
      frame.valueStart(index),
      frame.field('valueEnd', index),
    );
    this.#appendRecord(frame, index, RecordKind.answer, 0, value);
    this.#give(frame, index, value);
  }

  #appendChange(page: TransferPage, frame: RecordFrame, index: number, kind: RecordKind): void {
    const key = this.#keyOf(frame, index);
    const old = this.#oldValue(page, frame, index, key);
    const value = kind === RecordKind.put ? this.#valueOf(frame, index, key, old) : 0;
    this.#appendRecord(frame, index, kind, key.entry, value, old, page.field(OLD_COLUMN.version, index));
    this.#give(frame, index, old);
    if (kind === RecordKind.superseded) return;
    this.#give(frame, index, key.value);
    key.value = value;
    key.version = value === 0 ? 0 : frame.field('version', index);
  }

  #appendRecord(
    frame: RecordFrame,
    index: number,
    kind: RecordKind,
    entry: Ref = 0,
    value: Ref = 0,
    oldValue: Ref = 0,
    oldVersion = 0,
  ): void {
    const core = this.#core;
    const { log } = this.#partition;
    const mapId = frame.field('mapId', index);
    const cause = frame.field('cause', index) as RecordCause;
    if (!log.reserve(0, true)) {
      for (const one of [value, oldValue]) this.#give(frame, index, one);
      throw core.outOfMemory(0);
    }
    const draft = core.recordDraft.begin(
      kind,
      mapId,
      frame.field('version', index),
      frame.field('epoch', index),
      cause,
      entry,
    );
    log.append(this.#header, draft.stores(value, frame.field('expiresAt', index)).replaces(oldValue, oldVersion));
  }

  /* ---- What records name --------------------------------------------------------------------------------------------------- */

  #keyOf(frame: RecordFrame, index: number): KnownKey {
    const core = this.#core;
    const [start, end] = [frame.keyStart(index), frame.field('keyEnd', index)];
    const mapId = frame.field('mapId', index);
    const name = `${mapId} ${Buffer.from(frame.keys.buffer, frame.keys.byteOffset + start, end - start).toString('latin1')}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const table = core.maps.get(mapId)!.tables[this.#partition.id];
    let entry = table === undefined ? 0 : findEntry(core, table, frame.keys, start, end);
    if (entry !== 0) holdEntry(core.blocks, entry);
    else entry = createEntry(core.blocks, core.accountOf(mapId), frame.keys, start, end);
    if (entry === 0) throw core.outOfMemory(end - start);
    const key: KnownKey = { mapId, entry, value: 0, version: 0 };
    this.#known.set(name, key);
    return key;
  }

  /** The value that a record replaced, with a reference for the caller. */
  #oldValue(page: TransferPage, frame: RecordFrame, index: number, key: KnownKey): Ref {
    switch (page.field(OLD_COLUMN.kind, index)) {
      case OldValue.here: {
        const [start, end] = [page.startOf(OLD_COLUMN.end, index), page.field(OLD_COLUMN.end, index)];
        return this.#newValue(frame.field('mapId', index), page.second, start, end);
      }
      case OldValue.before:
        assert(key.version === page.field(OLD_COLUMN.version, index), 'page-codec J3: what was replaced came before');
        holdValue(this.#core.blocks, key.value);
        return key.value;
      default:
        return 0;
    }
  }

  /** The value that a record wrote, with a reference for the caller (log-history H1). */
  #valueOf(frame: RecordFrame, index: number, { entry }: KnownKey, old: Ref): Ref {
    const live = this.#liveValue(frame, index, entry);
    if (live !== 0) {
      holdValue(this.#core.blocks, live);
      return live;
    }
    const [start, end] = [frame.valueStart(index), frame.field('valueEnd', index)];
    try {
      return this.#newValue(frame.field('mapId', index), frame.values, start, end);
    } catch (error) {
      this.#give(frame, index, old);
      throw error;
    }
  }

  /** The value of the entry's slot when the record wrote it; 0 when another did. */
  #liveValue(frame: RecordFrame, index: number, entry: Ref): Ref {
    const { arena, maps } = this.#core;
    const table = maps.get(frame.field('mapId', index))?.tables[this.#partition.id];
    const newest = arena.segments[entry >>> SEGMENT_SHIFT]!.u32[((entry & SEGMENT_MASK) << 1) + ENTRY_NEWEST]! - 1;
    if (table === undefined || newest < 0) return 0;
    const chunk = table.chunks[newest >>> CHUNK_SHIFT]!;
    const isWritten = chunk.f64[chunk.begin + (newest & CHUNK_MASK)] === frame.field('version', index);
    return isWritten ? table.valueOf(newest) : 0;
  }

  #newValue(mapId: number, bytes: Uint8Array, start: number, end: number): Ref {
    const { blocks } = this.#core;
    const value = createValue(blocks, this.#core.accountOf(mapId as MapId), bytes, start, end);
    if (value === 0) throw this.#core.outOfMemory(end - start);
    return value;
  }

  /** Gives a reference back; 0: there is none. */
  #give(frame: RecordFrame, index: number, value: Ref): void {
    if (value !== 0) releaseValue(this.#core.blocks, this.#core.accountOf(frame.field('mapId', index)), value);
  }
}
