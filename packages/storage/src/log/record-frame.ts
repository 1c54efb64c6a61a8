/**
 * A run of one partition's log as bytes, for whoever keeps it too (a backup, a transfer, a disk): columns of records, keys
 * and values as they lie in the arena.
 *
 *   [magic][format][partition][count][first sequence][incarnation][key bytes][value bytes]
 *   [trim floor][held from][version before]  [column] ...  [keys][values]  [checksum]
 *
 * Columns as columns-codec.ts writes them: what a run of records shares costs nothing a record. Little-endian throughout.
 *
 * record-frame G1  The checksum (CRC-32) covers every byte before it: version, epoch and session like the values.
 * record-frame G2  Sequences count up by one from the first. A superseded record keeps its place, and its key, by which a backup
 *                  finds what it replaced. One of a map that was dropped where the frame is written keeps its place alone:
 *                  whoever begins now never hears of that map.
 * record-frame G3  What readRecordFrame() answers is whole: kinds, causes, lengths and ends agree with the bytes. Else it is
 *                  refused.
 * record-frame G4  Versions and epochs never fall along a frame (partition-log L1): asserted where it is written and
 *                  where it is applied.
 * record-frame G5  With the records go the terms of the log that they are from: its first sequence (the trim floor: whoever
 *                  wants an earlier one cannot catch up from frames), from where durable consumers hold it, and the version
 *                  before the frame.
 *
 * @see ISO 3309 for the checksum
 */
import { crc32 } from 'node:zlib';
import { assert, GridError, type Version } from '@ashlar/core';
import { AppendedBytes, columnBytes, encodingOf, grownColumn, readColumn, writeColumn } from './columns-codec.ts';
import {
  type LogRecordView,
  RecordCause,
  type RecordHeader,
  RecordKind,
  SHORT_RESULT_BYTES_MAX,
} from './log-record.ts';

const MAGIC = 0x4641_4c41;
const FORMAT = 3;
const HEADER_BYTES = 72;
const CHECKSUM_BYTES = 4;
/** Most records of a frame: a reader makes room for them before it has seen them. */
export const FRAME_RECORDS_MAX = 65_536;

/** Fields of a record that have a column, by its place on the wire. */
const COLUMN = {
  kind: 0,
  cause: 1,
  mapId: 2,
  catalogVersion: 3,
  epoch: 4,
  version: 5,
  requestSession: 6,
  requestNumber: 7,
  principal: 8,
  transactionId: 9,
  originSite: 10,
  originSequence: 11,
  expiresAt: 12,
  keyEnd: 13,
  valueEnd: 14,
  /** Words of a short result. */
  result: 15,
  resultMiddle: 16,
  resultEnd: 17,
} as const;
const COLUMN_COUNT = 18;

const KINDS: ReadonlySet<number> = new Set(Object.values(RecordKind));
const CAUSES: ReadonlySet<number> = new Set(Object.values(RecordCause));
const FIRST_RECORDS = 64;

/** What a frame says of its log beside the records (record-frame G5). */
export interface LogTerms {
  readonly incarnation: number;
  /** The trim floor: the first sequence that it still has. */
  readonly firstSequence: number;
  /** The lowest sequence that durable consumers want; Infinity: none. */
  readonly heldFrom: number;
  /** Version of the record before a sequence; Infinity: not known. */
  versionBefore(sequence: number): number;
}

/** Gathers records, then writes them as one frame; used again for the next. Writer's thread only. */
export class RecordFrameWriter {
  #columns: Float64Array[] = Array.from({ length: COLUMN_COUNT }, () => new Float64Array(FIRST_RECORDS));
  #count = 0;
  #partition = 0;
  #firstSequence = 0;
  #incarnation = 0;
  #trimFloor = 0;
  #heldFrom = 0;
  #versionBefore = 0;
  readonly #keys = new AppendedBytes();
  readonly #values = new AppendedBytes();

  begin(partition: number, firstSequence: number, log: LogTerms): void {
    this.#count = 0;
    this.#keys.length = 0;
    this.#values.length = 0;
    this.#partition = partition;
    this.#firstSequence = firstSequence;
    this.#incarnation = log.incarnation;
    this.#trimFloor = log.firstSequence;
    this.#heldFrom = log.heldFrom;
    this.#versionBefore = log.versionBefore(firstSequence);
  }

  /** Records so far. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of keys and values so far: what bounds a frame. */
  get contentBytes(): number {
    return this.#keys.length + this.#values.length;
  }

  /**
   * The next record of the log; its batch is sealed.
   *
   * @param isForgotten  its map is not here any more: it keeps its place and its number, and says no more (record-frame G2)
   */
  add(record: LogRecordView, isForgotten = false): void {
    const at = this.#count;
    assert(at < FRAME_RECORDS_MAX, 'a frame has a bound');
    assert(record.sequence === this.#firstSequence + at, 'record-frame G2: sequences count up by one');
    const version = record.sealedVersion;
    assert(!Number.isNaN(version), 'only what is sealed leaves the member');
    if (at === this.#columns[0]!.length) this.#grow();
    const columns = this.#columns;
    if (at > 0) {
      assert(version >= columns[COLUMN.version]![at - 1]!, 'versions rise with sequences');
      assert(record.epoch >= columns[COLUMN.epoch]![at - 1]!, 'epochs rise with sequences');
    }
    const kind = isForgotten && record.kind !== RecordKind.answer ? RecordKind.superseded : record.kind;
    if (!isForgotten) this.#addContent(record);
    columns[COLUMN.kind]![at] = kind;
    columns[COLUMN.cause]![at] = record.cause;
    columns[COLUMN.mapId]![at] = record.mapId;
    columns[COLUMN.catalogVersion]![at] = record.catalogVersion;
    columns[COLUMN.epoch]![at] = record.epoch;
    columns[COLUMN.version]![at] = version;
    columns[COLUMN.requestSession]![at] = record.requestSession;
    columns[COLUMN.requestNumber]![at] = record.requestNumber;
    columns[COLUMN.principal]![at] = record.principal;
    columns[COLUMN.transactionId]![at] = record.transactionId;
    columns[COLUMN.originSite]![at] = record.originSite;
    columns[COLUMN.originSequence]![at] = record.originSequence;
    columns[COLUMN.expiresAt]![at] = record.expiresAt;
    columns[COLUMN.keyEnd]![at] = this.#keys.length;
    columns[COLUMN.valueEnd]![at] = this.#values.length;
    columns[COLUMN.result]![at] = record.resultWord(0);
    columns[COLUMN.resultMiddle]![at] = record.resultWord(1);
    columns[COLUMN.resultEnd]![at] = record.resultWord(2);
    this.#count = at + 1;
  }

  #addContent(record: LogRecordView): void {
    record.positionKey();
    this.#keys.append(record.bytes, record.start, record.stop);
    if (!record.hasValue || record.kind === RecordKind.superseded) return;
    record.positionValue();
    this.#values.append(record.bytes, record.start, record.stop);
  }

  #grow(): void {
    this.#columns = this.#columns.map(grownColumn);
  }

  /** The frame, in memory of its own. */
  finish(): Uint8Array {
    const count = this.#count;
    assert(count > 0, 'a frame has records');
    const encodings = this.#columns.map((column) => encodingOf(column, count));
    let bytes = HEADER_BYTES + this.contentBytes + CHECKSUM_BYTES;
    for (const encoding of encodings) bytes += 1 + columnBytes(encoding, count);
    const frame = new Uint8Array(bytes);
    const view = new DataView(frame.buffer);
    this.#writeHeader(view);
    let at = HEADER_BYTES;
    for (let column = 0; column < COLUMN_COUNT; column++) {
      at = writeColumn(view, at, this.#columns[column]!, count, encodings[column]!);
    }
    frame.set(this.#keys.used, at);
    frame.set(this.#values.used, at + this.#keys.length);
    view.setUint32(bytes - CHECKSUM_BYTES, crc32(frame.subarray(0, bytes - CHECKSUM_BYTES)), true);
    return frame;
  }

  #writeHeader(view: DataView): void {
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, FORMAT, true);
    view.setUint32(8, this.#partition, true);
    view.setUint32(12, this.#count, true);
    view.setFloat64(16, this.#firstSequence, true);
    view.setFloat64(24, this.#incarnation, true);
    view.setFloat64(32, this.#keys.length, true);
    view.setFloat64(40, this.#values.length, true);
    view.setFloat64(48, this.#trimFloor, true);
    view.setFloat64(56, this.#heldFrom, true);
    view.setFloat64(64, this.#versionBefore, true);
  }
}

type FrameHeader = Pick<
  RecordFrame,
  'partition' | 'count' | 'firstSequence' | 'incarnation' | 'trimFloor' | 'heldFrom' | 'versionBefore'
>;

/** A frame as it was read: fields by record, keys and values where they lie. Whole (record-frame G3). */
export class RecordFrame {
  readonly partition: number;
  readonly count: number;
  readonly firstSequence: number;
  readonly incarnation: number;
  /** The first sequence that the log had when the frame was written (record-frame G5). */
  readonly trimFloor: number;
  /** The lowest sequence that durable consumers of the log wanted then; Infinity: none. */
  readonly heldFrom: number;
  /** Version of the record before the first; Infinity: not known. */
  readonly versionBefore: number;
  /** Keys of all records, one behind the other. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly #columns: readonly ArrayLike<number>[];

  constructor(header: FrameHeader, columns: readonly ArrayLike<number>[], keys: Uint8Array, values: Uint8Array) {
    this.partition = header.partition;
    this.count = header.count;
    this.firstSequence = header.firstSequence;
    this.incarnation = header.incarnation;
    this.trimFloor = header.trimFloor;
    this.heldFrom = header.heldFrom;
    this.versionBefore = header.versionBefore;
    this.#columns = columns;
    this.keys = keys;
    this.values = values;
  }

  get lastSequence(): number {
    return this.firstSequence + this.count - 1;
  }

  /** The highest version of its records (record-frame G4). */
  get lastVersion(): Version {
    return this.field('version', this.count - 1) as Version;
  }

  /** A field of a record; `index` counts from 0. */
  field(name: keyof typeof COLUMN, index: number): number {
    return this.#columns[COLUMN[name]]![index]!;
  }

  /** Fills in what the batch of a record gave it. */
  readHeader(index: number, header: RecordHeader): void {
    header.catalogVersion = this.field('catalogVersion', index);
    header.principal = this.field('principal', index);
    header.requestSession = this.field('requestSession', index);
    header.requestNumber = this.field('requestNumber', index);
    header.transactionId = this.field('transactionId', index);
    header.originSite = this.field('originSite', index);
    header.originSequence = this.field('originSequence', index);
  }

  /** Words of a short result; undefined: the record holds none. */
  resultWords(index: number): readonly number[] | undefined {
    const first = this.field('result', index);
    return first === 0 ? undefined : [first, this.field('resultMiddle', index), this.field('resultEnd', index)];
  }

  keyStart(index: number): number {
    return index === 0 ? 0 : this.#columns[COLUMN.keyEnd]![index - 1]!;
  }

  valueStart(index: number): number {
    return index === 0 ? 0 : this.#columns[COLUMN.valueEnd]![index - 1]!;
  }
}

/**
 * @returns the frame; keys and values are views of `bytes`
 * @throws GridError INVALID_ARGUMENT when it is not a whole frame of this format (record-frame G1, G3, G4)
 */
export function readRecordFrame(bytes: Uint8Array): RecordFrame {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEADER_BYTES) throw malformed('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin as one');
  if (view.getUint32(4, true) !== FORMAT) throw malformed(`format ${view.getUint32(4, true)} is not known here`);
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) throw malformed('its checksum is wrong');
  const count = view.getUint32(12, true);
  const header = {
    partition: view.getUint32(8, true),
    count,
    firstSequence: view.getFloat64(16, true),
    incarnation: view.getFloat64(24, true),
    trimFloor: view.getFloat64(48, true),
    heldFrom: view.getFloat64(56, true),
    versionBefore: view.getFloat64(64, true),
  };
  const keyBytes = view.getFloat64(32, true);
  const valueBytes = view.getFloat64(40, true);
  if (count > FRAME_RECORDS_MAX) throw malformed(`${count} records are too many`);
  const columns: ArrayLike<number>[] = [];
  let at = HEADER_BYTES;
  for (let column = 0; column < COLUMN_COUNT; column++) {
    const read = readColumn(view, at, end, count);
    if (read === undefined) throw malformed('a column has no known encoding, or does not fit');
    columns.push(read.column);
    at = read.end;
  }
  if (at + keyBytes + valueBytes !== end) throw malformed('keys and values do not fill it');
  const keys = bytes.subarray(at, at + keyBytes);
  const frame = new RecordFrame(header, columns, keys, bytes.subarray(at + keyBytes, end));
  checkRecords(frame);
  return frame;
}

function checkRecords(frame: RecordFrame): void {
  const { count, firstSequence, keys, values } = frame;
  if (count === 0 || !isSequence(firstSequence)) throw malformed('it has no records');
  checkTerms(frame);
  let [keyEnd, valueEnd, version] = [0, 0, 0];
  for (let index = 0; index < count; index++) {
    if (!KINDS.has(frame.field('kind', index))) throw malformed('a record is of no known kind');
    if (!CAUSES.has(frame.field('cause', index))) throw malformed('a record has no known cause');
    if (!(frame.field('keyEnd', index) >= keyEnd)) throw malformed('its keys do not follow each other');
    if (!(frame.field('valueEnd', index) >= valueEnd)) throw malformed('its values do not follow each other');
    if (!(frame.field('version', index) >= version)) throw malformed('its versions fall');
    if (!isResult(frame, index)) throw malformed('a record has no whole result');
    keyEnd = frame.field('keyEnd', index);
    valueEnd = frame.field('valueEnd', index);
    version = frame.field('version', index);
  }
  if (keyEnd !== keys.length || valueEnd !== values.length) throw malformed('its ends do not meet its bytes');
}

/** Three words of 32 bits, whose first byte is a length that they have room for. */
function isResult(frame: RecordFrame, index: number): boolean {
  const words = frame.resultWords(index);
  return (
    words === undefined ||
    (words.every((word) => word >>> 0 === word) && (words[0]! & 0xff) - 1 <= SHORT_RESULT_BYTES_MAX)
  );
}

function checkTerms(frame: RecordFrame): void {
  const { firstSequence, trimFloor, heldFrom, versionBefore } = frame;
  if (!isSequence(trimFloor) || trimFloor > firstSequence) throw malformed('its log begins behind it');
  if (!isSequence(heldFrom) && heldFrom !== Infinity) throw malformed('its log is held from no sequence');
  if (versionBefore === Infinity) return;
  if (!(versionBefore >= 0 && versionBefore <= frame.field('version', 0))) throw malformed('its versions fall');
}

function isSequence(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function malformed(why: string): GridError {
  return new GridError('INVALID_ARGUMENT', `not a whole frame of log records: ${why}`);
}
