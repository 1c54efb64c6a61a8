/**
 * View of one chunk of slots, for the writer and for readers: base indexes of its lanes within the views of its segment.
 *
 *   [header 64 B][begin f64 x n][end f64 x n][expiresAt f64 x n][valueRef u32 x n][entryRef u32 x n][previous u32 x n]
 *
 * A reader at version v sees slot i exactly when begin[i] <= v < end[i], where a pending lane stands for its word
 * (pending-words.ts). Lanes that change while the slot may be in sight, and why a reader on either side is right:
 *
 *   begin   PENDING -> version    a reader that could see the version resolves the word to the same version
 *           version -> FREE       only when no open snapshot sees the slot (closed at or below the oldest)
 *   end     LIVE -> PENDING       the version will lie above every version a snapshot has now: visible either way
 *           PENDING -> version    as begin
 *   used, tally, maxBegin         read in this order: a tally of 0 proves all of [0, used) committed and live at that
 *                                 moment, so whatever changes later does so above every version read now
 *   columns                       a region holds a slot's occupant by versions (columns/), whichever region is found
 */

import { resolveLane } from '../batch/pending-words.ts';
import {
  CHUNK_CAPACITY,
  CHUNK_COLUMNS,
  CHUNK_HEADER_BYTES,
  CHUNK_MAX_BEGIN_F64,
  CHUNK_TALLY,
  CHUNK_USED,
  ENTRY_KEY_BYTES,
  ENTRY_KEY_BYTES_MASK,
  ENTRY_KEY_OFFSET,
  PENDING_BASE,
  PENDING_END,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TALLY_PENDING,
  VALUE_BYTES_USED,
  VALUE_OFFSET,
} from '../layout.ts';
import type { Arena, Ref, Segment } from '../memory/arena.ts';
import { AssembledValue } from '../memory/value-extents.ts';

export class SlotChunkView {
  readonly arena: Arena;
  /** Where the chunk lies; 0 before the first attach(). */
  ref: Ref = 0;
  segment: Segment;
  f64: Float64Array;
  u32: Uint32Array;
  i32: Int32Array;
  /** Slots that the chunk has room for. */
  capacity = 0;
  /** Index of the header in i32. */
  header = 0;
  /** Index in f64 of begin[0]; and so on. */
  begin = 0;
  end = 0;
  expiresAt = 0;
  /** Index in u32 of valueRef[0]; and so on. */
  valueRef = 0;
  entryRef = 0;
  previous = 0;
  /** Where positionValue() or positionKey() found its bytes: `bytes[start, stop)`. */
  bytes: Uint8Array;
  start = 0;
  stop = 0;
  readonly #assembled: AssembledValue;

  constructor(arena: Arena) {
    this.arena = arena;
    this.#assembled = new AssembledValue(arena);
    this.segment = arena.segments[0]!;
    this.f64 = this.segment.f64;
    this.u32 = this.segment.u32;
    this.i32 = this.segment.i32;
    this.bytes = this.segment.u8;
  }

  attach(ref: Ref): this {
    this.ref = ref;
    const segment = this.arena.segments[ref >>> SEGMENT_SHIFT]!;
    this.segment = segment;
    this.f64 = segment.f64;
    this.u32 = segment.u32;
    this.i32 = segment.i32;
    const granule = ref & SEGMENT_MASK;
    this.header = granule << 1;
    const capacity = segment.i32[this.header + CHUNK_CAPACITY]!;
    this.capacity = capacity;
    this.begin = granule + CHUNK_HEADER_BYTES / 8;
    this.end = this.begin + capacity;
    this.expiresAt = this.end + capacity;
    this.valueRef = (this.expiresAt + capacity) << 1;
    this.entryRef = this.valueRef + capacity;
    this.previous = this.entryRef + capacity;
    this.#assembled.forget();
    return this;
  }

  /** Slots [0, used) may hold something. Read it before the lanes. */
  get used(): number {
    return Atomics.load(this.i32, this.header + CHUNK_USED);
  }

  /** 0: every slot of [0, used) is committed and live. From TALLY_PENDING on: some lane names a pending word. */
  get tally(): number {
    return Atomics.load(this.i32, this.header + CHUNK_TALLY);
  }

  /** Whether what was committed may not have got its version into the lanes yet, and so not into maxBegin. */
  get hasPending(): boolean {
    return this.tally >= TALLY_PENDING;
  }

  /** Highest committed begin. Read it after the tally. */
  get maxBegin(): number {
    return this.f64[(this.header >>> 1) + CHUNK_MAX_BEGIN_F64]!;
  }

  /** Whether some slot of [0, used) is free, closed, staged or being closed. */
  get anyClosed(): boolean {
    return this.tally !== 0;
  }

  /** Reference of the region of a column, or 0 when the chunk has none. */
  columnRef(columnNumber: number): Ref {
    const directory = Atomics.load(this.i32, this.header + CHUNK_COLUMNS) >>> 0;
    if (directory === 0) return 0;
    const i32 = this.arena.segments[directory >>> SEGMENT_SHIFT]!.i32;
    return Atomics.load(i32, ((directory & SEGMENT_MASK) << 1) + columnNumber) >>> 0;
  }

  /** Finds the value of a visible slot: `bytes[start, stop)`, in the arena or, of one that lies in extents, in a copy. */
  positionValue(slot: number): void {
    const ref = this.u32[this.valueRef + slot]!;
    const segment = this.arena.segments[ref >>> SEGMENT_SHIFT]!;
    const at = ref & SEGMENT_MASK;
    const length = segment.i32[(at << 1) + VALUE_BYTES_USED]!;
    if (length < 0) {
      this.#assemble(ref);
      return;
    }
    this.bytes = segment.u8;
    this.start = at * 8 + VALUE_OFFSET;
    this.stop = this.start + length;
  }

  #assemble(value: Ref): void {
    this.bytes = this.#assembled.of(value);
    this.start = 0;
    this.stop = this.bytes.length;
  }

  /** Finds the canonical key of a visible slot: `bytes[start, stop)`. */
  positionKey(slot: number): void {
    const ref = this.u32[this.entryRef + slot]!;
    const segment = this.arena.segments[ref >>> SEGMENT_SHIFT]!;
    const at = ref & SEGMENT_MASK;
    this.bytes = segment.u8;
    this.start = at * 8 + ENTRY_KEY_OFFSET;
    this.stop = this.start + (segment.i32[(at << 1) + ENTRY_KEY_BYTES]! & ENTRY_KEY_BYTES_MASK);
  }

  /** The version at which the slot's value was written. */
  versionOf(slot: number): number {
    return resolveLane(this.arena, this.f64[this.begin + slot]!);
  }
}

/** Whether a snapshot at `version` sees every slot of [0, used): the caller then needs no list. */
export function allVisible(chunk: SlotChunkView, version: number): boolean {
  return chunk.tally === 0 && chunk.maxBegin <= version;
}

/**
 * Writes the slots that a snapshot at `version` sees to `out`, ascending.
 *
 * @param out  room for CHUNK_SLOTS_MAX numbers
 * @returns how many
 */
export function visibleSlots(chunk: SlotChunkView, version: number, out: Int32Array | Uint16Array): number {
  const used = chunk.used;
  const tally = chunk.tally;
  if (tally === 0 && chunk.maxBegin <= version) {
    for (let slot = 0; slot < used; slot++) out[slot] = slot;
    return used;
  }
  if (tally >= TALLY_PENDING) return visibleAmongPending(chunk, used, version, out);
  const { f64, begin, end } = chunk;
  let count = 0;
  for (let slot = 0; slot < used; slot++) {
    // Written in any case and kept by counting: no branch to mispredict.
    out[count] = slot;
    count += (f64[begin + slot]! <= version ? 1 : 0) & (f64[end + slot]! > version ? 1 : 0);
  }
  return count;
}

function visibleAmongPending(
  chunk: SlotChunkView,
  used: number,
  version: number,
  out: Int32Array | Uint16Array,
): number {
  let count = 0;
  for (let slot = 0; slot < used; slot++) {
    if (isVisible(chunk, slot, version)) {
      out[count] = slot;
      count += 1;
    }
  }
  return count;
}

/** Whether a snapshot at `version` sees the slot. */
export function isVisible(chunk: SlotChunkView, slot: number, version: number): boolean {
  let begin = chunk.f64[chunk.begin + slot]!;
  if (begin >= PENDING_BASE && begin < PENDING_END) begin = resolveLane(chunk.arena, begin);
  if (begin > version) return false;
  let end = chunk.f64[chunk.end + slot]!;
  if (end >= PENDING_BASE && end < PENDING_END) end = resolveLane(chunk.arena, end);
  return end > version;
}
