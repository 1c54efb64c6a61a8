/**
 * What a log record says. One record format from the first day: kinds and fields that this version does not write are
 * there, and an unknown kind is refused.
 */
import type { Epoch, MapId, Sequence, Version } from '@ashlar/core';
import { knownVersion, resolveLane } from '../batch/pending-words.ts';
import {
  ENTRY_KEY_BYTES,
  ENTRY_KEY_BYTES_MASK,
  ENTRY_KEY_OFFSET,
  ENTRY_REFS,
  RECORD_CATALOG_VERSION,
  RECORD_CAUSE,
  RECORD_CHECKSUM,
  RECORD_ENTRY,
  RECORD_EPOCH_F64,
  RECORD_EXPIRES_AT_F64,
  RECORD_FORMAT,
  RECORD_FORMAT_KIND,
  RECORD_LENGTH,
  RECORD_MAP_ID,
  RECORD_OLD_VALUE,
  RECORD_OLD_VERSION_F64,
  RECORD_ORIGIN_SEQUENCE_F64,
  RECORD_ORIGIN_SITE,
  RECORD_PRINCIPAL,
  RECORD_REQUEST_NUMBER_F64,
  RECORD_REQUEST_SESSION_F64,
  RECORD_RESULT,
  RECORD_RESULT_WORDS,
  RECORD_SEQUENCE_F64,
  RECORD_TRANSACTION_F64,
  RECORD_VALUE,
  RECORD_VERSION_F64,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  VALUE_BYTES_USED,
  VALUE_OFFSET,
  VALUE_REFS,
} from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { AssembledValue, murmurOfExtents, valueBytesOf } from '../memory/value-extents.ts';
import { mixNumber, murmurOfBlock } from './checksum.ts';
import type { RecordDraft } from './record-draft.ts';

const { imul } = Math;

/** What a record does. Numbers are part of the format. */
export const RecordKind = {
  put: 1,
  remove: 2,
  expire: 3,
  evict: 4,
  prepare: 5,
  commit: 6,
  abort: 7,
  control: 8,
  /** Superseded: its batch wrote the key again. Read by nobody. */
  superseded: 9,
  /** The answer to a mutation, as its value, where the record of its change cannot give it. Only for callers that send again. */
  answer: 10,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Why it was written. Numbers are part of the format. */
export const RecordCause = {
  request: 0,
  processor: 1,
  statement: 2,
  listener: 3,
  load: 4,
  reload: 5,
  clear: 6,
  timeToLive: 7,
  maxIdle: 8,
  memory: 9,
} as const;
export type RecordCause = (typeof RecordCause)[keyof typeof RecordCause];

/**
 * A record where it lies: getters over the arena, moved from record to record. Valid only during the visit; copy what
 * outlives it.
 */
export class LogRecordView {
  readonly #arena: Arena;
  #u32: Uint32Array;
  #f64: Float64Array;
  #at = 0;
  /** Where positionKey(), positionValue() or positionOldValue() found its bytes: `bytes[start, stop)`. */
  bytes: Uint8Array;
  start = 0;
  stop = 0;
  readonly #assembled: AssembledValue;

  constructor(arena: Arena) {
    this.#arena = arena;
    const segment = arena.segments[0]!;
    this.#u32 = segment.u32;
    this.#f64 = segment.f64;
    this.bytes = segment.u8;
    this.#assembled = new AssembledValue(arena);
  }

  attach(record: Ref): this {
    const segment = this.#arena.segments[record >>> SEGMENT_SHIFT]!;
    this.#u32 = segment.u32;
    this.#f64 = segment.f64;
    this.#at = record & SEGMENT_MASK;
    this.#assembled.forget();
    return this;
  }

  get format(): number {
    return this.#word(RECORD_FORMAT_KIND) & 0xffff;
  }
  get kind(): RecordKind {
    return (this.#word(RECORD_FORMAT_KIND) >>> 16) as RecordKind;
  }
  get mapId(): MapId {
    return this.#word(RECORD_MAP_ID) as MapId;
  }
  get catalogVersion(): number {
    return this.#word(RECORD_CATALOG_VERSION);
  }
  get epoch(): Epoch {
    return this.#number(RECORD_EPOCH_F64) as Epoch;
  }
  get sequence(): Sequence {
    return this.#number(RECORD_SEQUENCE_F64) as Sequence;
  }
  /** The version of the batch; above every version while the batch is not committed. */
  get version(): Version {
    return resolveLane(this.#arena, this.#number(RECORD_VERSION_F64)) as Version;
  }
  /** As version, known from the sealing of its batch on; NaN before. Writer's thread only. */
  get sealedVersion(): Version {
    return knownVersion(this.#arena, this.#number(RECORD_VERSION_F64)) as Version;
  }
  /** The version of the value that this record replaced or removed; 0 when there was none. */
  get oldVersion(): Version {
    return resolveLane(this.#arena, this.#number(RECORD_OLD_VERSION_F64)) as Version;
  }
  get transactionId(): number {
    return this.#number(RECORD_TRANSACTION_F64);
  }
  get originSite(): number {
    return this.#word(RECORD_ORIGIN_SITE);
  }
  get originSequence(): number {
    return this.#number(RECORD_ORIGIN_SEQUENCE_F64);
  }
  get requestSession(): number {
    return this.#number(RECORD_REQUEST_SESSION_F64);
  }
  get requestNumber(): number {
    return this.#number(RECORD_REQUEST_NUMBER_F64);
  }
  get principal(): number {
    return this.#word(RECORD_PRINCIPAL);
  }
  get cause(): RecordCause {
    return this.#word(RECORD_CAUSE) as RecordCause;
  }
  /** Deadline of the value in version units; 0: none. */
  get expiresAt(): number {
    return this.#number(RECORD_EXPIRES_AT_F64);
  }
  /** Bytes of the value. */
  get length(): number {
    return this.#word(RECORD_LENGTH);
  }
  get hasValue(): boolean {
    return this.#word(RECORD_VALUE) !== 0;
  }
  get hasOldValue(): boolean {
    return this.#word(RECORD_OLD_VALUE) !== 0;
  }
  /** The checksum as written: over everything but the version; 0 where records bear none (StoreOptions.recordChecksums). */
  get checksum(): number {
    return this.#word(RECORD_CHECKSUM);
  }

  positionKey(): void {
    this.#position(this.#word(RECORD_ENTRY), ENTRY_KEY_OFFSET, ENTRY_KEY_BYTES, ENTRY_KEY_BYTES_MASK);
  }
  /** Without a value the bytes are empty. */
  positionValue(): void {
    this.#position(this.#word(RECORD_VALUE), VALUE_OFFSET, VALUE_BYTES_USED);
    if (this.stop < this.start) this.#assemble(this.#word(RECORD_VALUE));
  }
  positionOldValue(): void {
    this.#position(this.#word(RECORD_OLD_VALUE), VALUE_OFFSET, VALUE_BYTES_USED);
    if (this.stop < this.start) this.#assemble(this.#word(RECORD_OLD_VALUE));
  }

  /** A value that lies in extents: a copy in one piece. */
  #assemble(value: Ref): void {
    this.bytes = this.#assembled.of(value);
    this.start = 0;
    this.stop = this.bytes.length;
  }

  /** The checksum that the record should have. */
  computeChecksum(): number {
    return recordChecksum(
      this.#arena,
      this.#word(RECORD_FORMAT_KIND),
      this.#word(RECORD_MAP_ID),
      this.#number(RECORD_SEQUENCE_F64),
      this.#word(RECORD_ENTRY),
      this.#word(RECORD_VALUE),
      this.#number(RECORD_EXPIRES_AT_F64),
    );
  }

  /** A short result that the record of the change holds, in memory of its own; undefined: it holds none. */
  get shortResult(): Uint8Array | undefined {
    const words = Uint32Array.from({ length: RECORD_RESULT_WORDS }, (_, index) => this.resultWord(index));
    const bytes = new Uint8Array(words.buffer);
    return bytes[0] === 0 ? undefined : bytes.slice(1, bytes[0]);
  }

  /** A word of the short result as it lies there; 0 where there is none. */
  resultWord(index: number): number {
    return this.#word(RECORD_RESULT) === 0 ? 0 : this.#word(RECORD_RESULT + index);
  }

  get entryRef(): Ref {
    return this.#word(RECORD_ENTRY);
  }
  get valueRef(): Ref {
    return this.#word(RECORD_VALUE);
  }
  get oldValueRef(): Ref {
    return this.#word(RECORD_OLD_VALUE);
  }

  #position(block: Ref, offset: number, lengthField: number, lengthMask = -1): void {
    if (block === 0) {
      this.start = 0;
      this.stop = 0;
      return;
    }
    const segment = this.#arena.segments[block >>> SEGMENT_SHIFT]!;
    const at = block & SEGMENT_MASK;
    this.bytes = segment.u8;
    this.start = at * 8 + offset;
    this.stop = this.start + (segment.i32[(at << 1) + lengthField]! & lengthMask);
  }

  #word(field: number): number {
    return this.#u32[(this.#at << 1) + field]!;
  }

  #number(field: number): number {
    return this.#f64[this.#at + field]!;
  }
}

/** Over format, kind, map, sequence, deadline, key and value; the version is not known yet when a record is staged. */
export function recordChecksum(
  arena: Arena,
  formatKind: number,
  mapId: number,
  sequence: number,
  entry: Ref,
  value: Ref,
  expiresAt: number,
): number {
  let checksum = mixNumber(imul(formatKind, 0x9e3779b1) ^ mapId, sequence);
  if (entry !== 0) {
    const lengthAt = ((entry & SEGMENT_MASK) << 1) + ENTRY_KEY_BYTES;
    const keyBytes = arena.segments[entry >>> SEGMENT_SHIFT]!.i32[lengthAt]! & ENTRY_KEY_BYTES_MASK;
    checksum = murmurOfBlock(arena, entry, ENTRY_KEY_OFFSET, keyBytes, checksum);
  }
  if (value !== 0) {
    const bytes = arena.segments[value >>> SEGMENT_SHIFT]!.i32[((value & SEGMENT_MASK) << 1) + VALUE_BYTES_USED]!;
    checksum =
      bytes < 0 ? murmurOfExtents(arena, value, checksum) : murmurOfBlock(arena, value, VALUE_OFFSET, bytes, checksum);
  }
  return (expiresAt === 0 ? checksum : mixNumber(checksum, expiresAt)) >>> 0;
}

/** The fields of a record that its batch gives, not its operation. */
export interface RecordHeader {
  catalogVersion: number;
  principal: number;
  requestSession: number;
  requestNumber: number;
  transactionId: number;
  originSite: number;
  originSequence: number;
}

export function emptyHeader(): RecordHeader {
  return {
    ...{ catalogVersion: 0, principal: 0, requestSession: 0, requestNumber: 0 },
    ...{ transactionId: 0, originSite: 0, originSequence: 0 },
  };
}

/** Whether a record ends what lived under its key. */
export function isEnd(kind: RecordKind): boolean {
  return kind === RecordKind.remove || kind === RecordKind.expire || kind === RecordKind.evict;
}

/** Writes all fields of a record but its version, which stays the draft's lane until the batch is sealed. */
export function writeRecord(
  arena: Arena,
  record: Ref,
  sequence: number,
  header: RecordHeader,
  draft: Readonly<RecordDraft>,
): void {
  const segment = arena.segments[record >>> SEGMENT_SHIFT]!;
  const f64 = segment.f64;
  const u32 = segment.u32;
  const at = record & SEGMENT_MASK;
  const words = at << 1;
  const { mapId, entry, value, expiresAt } = draft;
  u32[words + RECORD_FORMAT_KIND] = RECORD_FORMAT | (draft.kind << 16);
  u32[words + RECORD_MAP_ID] = mapId;
  f64[at + RECORD_SEQUENCE_F64] = sequence;
  f64[at + RECORD_VERSION_F64] = draft.lane;
  f64[at + RECORD_EPOCH_F64] = draft.epoch;
  f64[at + RECORD_ORIGIN_SEQUENCE_F64] = header.originSequence;
  f64[at + RECORD_REQUEST_SESSION_F64] = header.requestSession;
  f64[at + RECORD_REQUEST_NUMBER_F64] = header.requestNumber;
  f64[at + RECORD_TRANSACTION_F64] = header.transactionId;
  f64[at + RECORD_EXPIRES_AT_F64] = expiresAt;
  f64[at + RECORD_OLD_VERSION_F64] = draft.oldVersion;
  u32[words + RECORD_CATALOG_VERSION] = header.catalogVersion;
  u32[words + RECORD_ORIGIN_SITE] = header.originSite;
  u32[words + RECORD_PRINCIPAL] = header.principal;
  u32[words + RECORD_CAUSE] = draft.cause;
  u32[words + RECORD_ENTRY] = entry;
  u32[words + RECORD_VALUE] = value;
  u32[words + RECORD_OLD_VALUE] = draft.oldValue;
  u32[words + RECORD_LENGTH] = value === 0 ? 0 : valueBytesOf(arena, value);
  u32[words + RECORD_RESULT] = 0;
  u32[words + RECORD_CHECKSUM] = 0;
}

/** Writes the checksum of a record, for those who look for memory that was used too early. */
export function writeChecksum(arena: Arena, record: Ref): void {
  const { f64, u32 } = arena.segments[record >>> SEGMENT_SHIFT]!;
  const at = record & SEGMENT_MASK;
  const words = at << 1;
  u32[words + RECORD_CHECKSUM] = recordChecksum(
    arena,
    u32[words + RECORD_FORMAT_KIND]!,
    u32[words + RECORD_MAP_ID]!,
    f64[at + RECORD_SEQUENCE_F64]!,
    u32[words + RECORD_ENTRY]!,
    u32[words + RECORD_VALUE]!,
    f64[at + RECORD_EXPIRES_AT_F64]!,
  );
}

/** Bytes of a result that finds room in the record of its change. */
export const SHORT_RESULT_BYTES_MAX = RECORD_RESULT_WORDS * 4 - 1;

/** Whether a record is the put or removal of the mutation that `header` names. */
export function isChangeOf(arena: Arena, record: Ref, { requestSession, requestNumber }: RecordHeader): boolean {
  const { f64, u32 } = arena.segments[record >>> SEGMENT_SHIFT]!;
  const at = record & SEGMENT_MASK;
  const kind = u32[(at << 1) + RECORD_FORMAT_KIND]! >>> 16;
  if (kind !== RecordKind.put && kind !== RecordKind.remove) return false;
  return (
    f64[at + RECORD_REQUEST_SESSION_F64] === requestSession && f64[at + RECORD_REQUEST_NUMBER_F64] === requestNumber
  );
}

/** Notes in the record of a change what its mutation was answered: at most SHORT_RESULT_BYTES_MAX. */
export function writeResult(arena: Arena, record: Ref, result: Uint8Array, start: number, end: number): void {
  const { u8 } = arena.segments[record >>> SEGMENT_SHIFT]!;
  const at = (record & SEGMENT_MASK) * 8 + RECORD_RESULT * 4;
  u8.fill(0, at, at + RECORD_RESULT_WORDS * 4);
  u8[at] = end - start + 1;
  for (let index = start; index < end; index++) u8[at + 1 + index - start] = result[index]!;
}

/** As writeResult(), with the words as they travel (LogRecordView.resultWord). */
export function writeResultWords(arena: Arena, record: Ref, words: readonly number[]): void {
  const { u32 } = arena.segments[record >>> SEGMENT_SHIFT]!;
  u32.set(words, ((record & SEGMENT_MASK) << 1) + RECORD_RESULT);
}

/** Reads a word of each block that a record names, so that it is near when its reference is let go of. @returns their sum */
export function fetchNamed({ segments }: Arena, record: Ref): number {
  const { i32 } = segments[record >>> SEGMENT_SHIFT]!;
  const at = (record & SEGMENT_MASK) << 1;
  const entry = i32[at + RECORD_ENTRY]! >>> 0;
  const value = i32[at + RECORD_VALUE]! >>> 0;
  const oldValue = i32[at + RECORD_OLD_VALUE]! >>> 0;
  // None is 0, which is the control page: reading it does no harm.
  const refs =
    segments[entry >>> SEGMENT_SHIFT]!.i32[((entry & SEGMENT_MASK) << 1) + ENTRY_REFS]! +
    segments[value >>> SEGMENT_SHIFT]!.i32[((value & SEGMENT_MASK) << 1) + VALUE_REFS]! +
    segments[oldValue >>> SEGMENT_SHIFT]!.i32[((oldValue & SEGMENT_MASK) << 1) + VALUE_REFS]!;
  return refs | 0;
}

/** Marks a record as superseded; what it refers to stays with it until it is dropped. */
export function supersedeRecord(arena: Arena, record: Ref): void {
  const { u32 } = arena.segments[record >>> SEGMENT_SHIFT]!;
  u32[((record & SEGMENT_MASK) << 1) + RECORD_FORMAT_KIND] = RECORD_FORMAT | (RecordKind.superseded << 16);
}

/** Whether readers of the log pass over a record: it is superseded, or an answer. */
export function isUntold(arena: Arena, record: Ref): boolean {
  const word = arena.segments[record >>> SEGMENT_SHIFT]!.u32[((record & SEGMENT_MASK) << 1) + RECORD_FORMAT_KIND]!;
  return word >>> 16 >= RecordKind.superseded;
}
