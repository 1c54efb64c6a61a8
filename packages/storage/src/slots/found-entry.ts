/** What a read of the newest value finds, and the walk to the newest committed slot. Writer's thread only. */
import type { Version } from '@ashlar/core';
import { copyBytes } from '@ashlar/serialization';
import { knownVersion, type PendingWords, resolveLane } from '../batch/pending-words.ts';
import type { WriteBatch } from '../batch/write-batch.ts';
import {
  CHUNK_MASK,
  CHUNK_SHIFT,
  FREE,
  LIVE,
  PENDING_BASE,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  VALUE_BYTES_USED,
  VALUE_OFFSET,
} from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { assembleExtents, copyExtents } from '../memory/value-extents.ts';
import { NOTHING, UNKNOWN } from './decided-slots.ts';
import type { SlotChunkView } from './slot-chunk.ts';
import type { SlotTable } from './slot-table.ts';

/** A flyweight, moved by every find(). What it names stays in place until the member's next write or reclaim(). */
export class FoundEntry {
  /** The value: valueBytes[valueStart, valueEnd). */
  valueStart = 0;
  valueEnd = 0;
  /** What the value lies in; undefined for one in extents, until somebody asks for its bytes. */
  #bytes: Uint8Array | undefined;
  #value: Ref = 0;
  /**
   * What was found, or that nothing was, hangs on this batch: nothing derived from it may be answered before the batch is
   * committed, and where it is aborted the look is void. Undefined: all of it is committed.
   *
   * An open batch (another's, not sealed yet) hides what only its decision will show: look again once it is decided.
   */
  undecided: WriteBatch | undefined = undefined;
  readonly #arena: Arena;
  /** Where the last look that found something found it. */
  #table: SlotTable | undefined;
  #entry: Ref = 0;
  #removals = 0;
  /** Of its key. */
  hash = 0;
  #chunk: SlotChunkView;
  #slot = 0;
  #mayExpire = false;

  constructor(arena: Arena, chunk: SlotChunkView) {
    this.#arena = arena;
    this.#chunk = chunk;
    this.#bytes = arena.segments[0]!.u8;
  }

  /** Only after find() said that there is one: asking is what copies a value in extents. */
  get valueBytes(): Uint8Array {
    return this.#bytes ?? this.#assemble();
  }

  /** The version at which the value was written; NaN when the reading batch itself staged it. */
  get version(): Version {
    return knownVersion(this.#arena, this.#chunk.f64[this.#chunk.begin + this.#slot]!) as Version;
  }

  /** Deadline of the value in version units; 0: none. */
  get expiresAt(): number {
    // Where nothing expires the lane need not be fetched.
    return this.#mayExpire ? this.#chunk.f64[this.#chunk.expiresAt + this.#slot]! : 0;
  }

  /** Copies the value to target[at, ...). @returns its bytes */
  copyValue(target: Uint8Array, at: number): number {
    if (this.#bytes === undefined) copyExtents(this.#arena, this.#value, target, at);
    else copyBytes(this.#bytes, this.valueStart, this.valueEnd, target, at);
    return this.valueEnd - this.valueStart;
  }

  #assemble(): Uint8Array {
    this.#bytes = assembleExtents(this.#arena, this.#value);
    return this.#bytes;
  }

  /**
   * As committedSlot(), counting what is sealed as well: what conditions, processors and a session's own reads see. Tells
   * the batch that the answer hangs on.
   *
   * @param within  the open batch that looks
   */
  newestSlot(
    words: PendingWords<WriteBatch>,
    table: SlotTable,
    entry: Ref,
    newest: number,
    within: WriteBatch | undefined,
  ): number {
    for (let link = newest; link !== 0; ) {
      const slot = link - 1;
      const chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
      const at = slot & CHUNK_MASK;
      if (chunk.u32[chunk.entryRef + at] !== entry) return -1;
      const begin = chunk.f64[chunk.begin + at]!;
      if (begin === FREE) return -1;
      if (this.#counts(words, begin, within)) {
        const end = chunk.f64[chunk.end + at]!;
        const isClosed = end !== LIVE && this.#counts(words, end, within);
        const batch = words.batchOf(isClosed ? end : begin);
        if (batch?.state === 'sealed') this.undecided = batch;
        return isClosed ? -1 : slot;
      }
      link = chunk.u32[chunk.previous + at]!;
    }
    return -1;
  }

  /** Whether a lane is a version, or of a batch that is sealed or the looking one. */
  #counts(words: PendingWords<WriteBatch>, lane: number, within: WriteBatch | undefined): boolean {
    if (lane < PENDING_BASE) return true;
    const batch = words.batchOf(lane);
    return batch !== undefined && (batch === within || batch.state === 'sealed' || batch.state === 'committed');
  }

  /** The entry that was found last, if it still is in the table; else 0. For the store. */
  entryIn(table: SlotTable): Ref {
    return this.#table === table && this.#removals === table.index.removals ? this.#entry : 0;
  }

  /** The look found this entry; for the store. */
  note(table: SlotTable, entry: Ref, hash: number): void {
    this.#table = table;
    this.#entry = entry;
    this.#removals = table.index.removals;
    this.hash = hash;
  }

  /** Moves to a slot and its value; for the store. */
  position(table: SlotTable, slot: number, value: Ref): void {
    this.#chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
    this.#slot = slot & CHUNK_MASK;
    this.#mayExpire = table.hasDeadlines;
    const segment = this.#arena.segments[value >>> SEGMENT_SHIFT]!;
    const granule = value & SEGMENT_MASK;
    const length = segment.i32[(granule << 1) + VALUE_BYTES_USED]!;
    if (length < 0) {
      this.#bytes = undefined;
      this.#value = value;
      this.valueStart = 0;
      this.valueEnd = ~length;
      return;
    }
    this.#bytes = segment.u8;
    this.valueStart = granule * 8 + VALUE_OFFSET;
    this.valueEnd = this.valueStart + length;
  }
}

/**
 * The newest committed slot of an entry with staged changes: known, or walked to from the newest one.
 *
 * @param newest   slot + 1
 * @param ownLane  the lane of a batch whose own changes count as committed; -1: none
 * @param isPatched  no batch is committed whose lanes do not say so yet
 * @returns the slot, or -1 when nothing committed is live
 */
export function committedSlot(
  arena: Arena,
  table: SlotTable,
  entry: Ref,
  newest: number,
  ownLane: number,
  isPatched: boolean,
): number {
  const decided = isPatched && ownLane < 0 ? table.decidedSlot(entry) : UNKNOWN;
  if (decided === NOTHING) return -1;
  if (decided !== UNKNOWN) return table.endOf(decided) >= PENDING_BASE ? decided : -1;
  for (let link = newest; link !== 0; ) {
    const slot = link - 1;
    const chunk = table.chunks[slot >>> CHUNK_SHIFT]!;
    const at = slot & CHUNK_MASK;
    if (chunk.u32[chunk.entryRef + at] !== entry) return -1;
    const begin = resolveLane(arena, chunk.f64[chunk.begin + at]!);
    if (begin < PENDING_BASE || begin === ownLane) {
      const end = chunk.f64[chunk.end + at]!;
      if (end === ownLane) return -1;
      return end === LIVE || resolveLane(arena, end) >= PENDING_BASE ? slot : -1;
    }
    if (begin === Infinity) return -1;
    link = chunk.u32[chunk.previous + at]!;
  }
  return -1;
}
