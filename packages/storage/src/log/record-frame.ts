/**
 * Runs of the logs of one partition or many as bytes, for whoever keeps them too (a backup, a transfer, a disk): columns of runs,
 * columns of records, keys and values as they lie in the arena.
 *
 *   [magic][format][runs][records][key bytes][value bytes]  [column of runs] ...  [column of records] ...  [keys][values]  [checksum]
 *
 * A run has a partition, its records, the first sequence, and the terms of its log; its records follow those of the run before.
 * Columns as columns-codec.ts writes them: what records share costs nothing a record. Little-endian throughout.
 *
 * record-frame G1  The checksum (CRC-32) covers every byte before it: version, epoch and session like the values.
 * record-frame G2  Sequences of a run count up by one from its first. A superseded record keeps its place, and its key, by which a backup
 *                  finds what it replaced. One of a map that was dropped where the frame is written keeps its place alone:
 *                  whoever begins now never hears of that map.
 * record-frame G3  What readRecordFrame() answers is whole: kinds, causes, lengths and ends agree with the bytes. Else it is
 *                  refused.
 * record-frame G4  Versions and epochs never fall along a run (partition-log L1): asserted where it is written and
 *                  where it is applied.
 * record-frame G5  With the records of a run go the terms of the log that they are from: its first sequence (the trim floor:
 *                  whoever wants an earlier one cannot catch up from frames), from where durable consumers hold it, and the
 *                  version before the run.
 * record-frame G6  A RecordFrame stands at one of its runs: what it says of a partition, and of records by their index, is that
 *                  run's. It stands at the first until it is moved.
 * record-frame G7  A run says whether it ends within a batch, of which the rest goes in another frame.
 *
 * @see ISO 3309 for the checksum
 */
import { crc32 } from 'node:zlib';
import { assert, GridError, type Version } from '@ashlar/core';
import {
  AppendedBytes,
  columnBytes,
  encodingOf,
  grownColumn,
  type ReadColumns,
  readColumns,
  writeColumn,
} from './columns-codec.ts';
import {
  type LogRecordView,
  RecordCause,
  type RecordHeader,
  RecordKind,
  SHORT_RESULT_BYTES_MAX,
} from './log-record.ts';

const MAGIC = 0x4641_4c41;
const FORMAT = 5;
const HEADER_BYTES = 32;
const CHECKSUM_BYTES = 4;
/** Most records of a frame: a reader makes room for them before it has seen them. */
export const FRAME_RECORDS_MAX = 65_536;

/** Fields of a run, by the place of their column on the wire. */
const RUN_COLUMN = {
  partition: 0,
  count: 1,
  firstSequence: 2,
  incarnation: 3,
  trimFloor: 4,
  heldFrom: 5,
  versionBefore: 6,
  isOpen: 7,
} as const;
const RUN_COLUMN_COUNT = 8;

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

/** Gathers runs of records, then writes them as one frame; used again for the next. Writer's thread only. */
export class RecordFrameWriter {
  #columns: Float64Array[] = columnsOf(COLUMN_COUNT);
  #runColumns: Float64Array[] = columnsOf(RUN_COLUMN_COUNT);
  #runs = 0;
  #count = 0;
  /** Place of the first record of the run that is being gathered, and its sequence. */
  #runStart = 0;
  #firstSequence = 0;
  /** Bytes of keys and values before it. */
  #runKeys = 0;
  #runValues = 0;
  readonly #keys = new AppendedBytes();
  readonly #values = new AppendedBytes();

  /** Begins a frame; one that was begun before is given up. */
  begin(): void {
    this.#runs = 0;
    this.#count = 0;
    this.#runStart = 0;
    this.#keys.length = 0;
    this.#values.length = 0;
  }

  /** Begins the next run of the frame: at least one record follows. */
  beginRun(partition: number, firstSequence: number, log: LogTerms): void {
    assert(this.#runs === 0 || this.#count > this.#runStart, 'a run has records');
    const { incarnation, firstSequence: trimFloor, heldFrom } = log;
    const versionBefore = log.versionBefore(firstSequence);
    this.#endRun();
    const at = this.#runs++;
    if (at === this.#runColumns[0]!.length) this.#runColumns = this.#runColumns.map(grownColumn);
    const columns = this.#runColumns;
    columns[RUN_COLUMN.partition]![at] = partition;
    columns[RUN_COLUMN.firstSequence]![at] = firstSequence;
    columns[RUN_COLUMN.incarnation]![at] = incarnation;
    columns[RUN_COLUMN.trimFloor]![at] = trimFloor;
    columns[RUN_COLUMN.heldFrom]![at] = heldFrom;
    columns[RUN_COLUMN.versionBefore]![at] = versionBefore;
    columns[RUN_COLUMN.isOpen]![at] = 0;
    this.#firstSequence = firstSequence;
    this.#runKeys = this.#keys.length;
    this.#runValues = this.#values.length;
  }

  /** The run ends within a batch (record-frame G7). */
  leaveOpen(): void {
    this.#runColumns[RUN_COLUMN.isOpen]![this.#runs - 1] = 1;
  }

  #endRun(): void {
    if (this.#runs > 0) this.#runColumns[RUN_COLUMN.count]![this.#runs - 1] = this.#count - this.#runStart;
    this.#runStart = this.#count;
  }

  /** Takes back the run that is being gathered. */
  dropRun(): void {
    this.#count = this.#runStart;
    this.#runs -= 1;
    this.#keys.length = this.#runKeys;
    this.#values.length = this.#runValues;
    // The run before it is the last one again.
    if (this.#runs > 0) this.#runStart -= this.#runColumns[RUN_COLUMN.count]![this.#runs - 1]!;
  }

  /** Records of the run so far. */
  get runCount(): number {
    return this.#count - this.#runStart;
  }

  /** Records so far, of all runs. */
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
    assert(record.sequence === this.#firstSequence + at - this.#runStart, 'record-frame G2: sequences count up by one');
    const version = record.sealedVersion;
    assert(!Number.isNaN(version), 'only what is sealed leaves the member');
    if (at === this.#columns[0]!.length) this.#grow();
    const columns = this.#columns;
    if (at > this.#runStart) {
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
    const [runs, count] = [this.#runs, this.#count];
    assert(runs > 0 && count > this.#runStart, 'a frame has runs, and a run has records');
    this.#endRun();
    const runEncodings = this.#runColumns.map((column) => encodingOf(column, runs));
    const encodings = this.#columns.map((column) => encodingOf(column, count));
    let bytes = HEADER_BYTES + this.contentBytes + CHECKSUM_BYTES + RUN_COLUMN_COUNT + COLUMN_COUNT;
    for (const encoding of runEncodings) bytes += columnBytes(encoding, runs);
    for (const encoding of encodings) bytes += columnBytes(encoding, count);
    const frame = new Uint8Array(bytes);
    const view = new DataView(frame.buffer);
    this.#writeHeader(view);
    let at = HEADER_BYTES;
    for (let column = 0; column < RUN_COLUMN_COUNT; column++)
      at = writeColumn(view, at, this.#runColumns[column]!, runs, runEncodings[column]!);
    for (let column = 0; column < COLUMN_COUNT; column++)
      at = writeColumn(view, at, this.#columns[column]!, count, encodings[column]!);
    frame.set(this.#keys.used, at);
    frame.set(this.#values.used, at + this.#keys.length);
    view.setUint32(bytes - CHECKSUM_BYTES, crc32(frame.subarray(0, bytes - CHECKSUM_BYTES)), true);
    return frame;
  }

  #writeHeader(view: DataView): void {
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, FORMAT, true);
    view.setUint32(8, this.#runs, true);
    view.setUint32(12, this.#count, true);
    view.setFloat64(16, this.#keys.length, true);
    view.setFloat64(24, this.#values.length, true);
  }
}

function columnsOf(count: number): Float64Array[] {
  return Array.from({ length: count }, () => new Float64Array(FIRST_RECORDS));
}

/** A frame as it was read: fields by record, keys and values where they lie. Whole (record-frame G3), at one of its runs (G6). */
export class RecordFrame {
  readonly runs: number;
  partition = 0;
  /** Records of the run. */
  count = 0;
  firstSequence = 0;
  incarnation = 0;
  /** The first sequence that the log had when the frame was written (record-frame G5). */
  trimFloor = 0;
  /** The lowest sequence that durable consumers of the log wanted then; Infinity: none. */
  heldFrom = 0;
  /** Version of the record before the first; Infinity: not known. */
  versionBefore = 0;
  /** Whether its last batch goes on behind it (record-frame G7). */
  isOpen = false;
  /** Keys of all records, one behind the other. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly #runCells: Float64Array;
  /** Place of the first record of each run. */
  readonly #starts: Uint32Array;
  /** Column by column: of all records. */
  readonly #cells: Float64Array;
  readonly #records: number;
  /** Place of the first record of the run. */
  #start = 0;

  constructor(runs: ReadColumns, starts: Uint32Array, records: ReadColumns, keys: Uint8Array, values: Uint8Array) {
    this.runs = runs.rows;
    this.#runCells = runs.cells;
    this.#starts = starts;
    this.#cells = records.cells;
    this.#records = records.rows;
    this.keys = keys;
    this.values = values;
    this.at(0);
  }

  /** Moves to a run (record-frame G6). @returns itself */
  at(run: number): this {
    assert(run < this.runs, 'record-frame G6: it stands at one of its runs');
    this.#start = this.#starts[run]!;
    this.partition = this.#ofRun('partition', run);
    this.count = this.#ofRun('count', run);
    this.firstSequence = this.#ofRun('firstSequence', run);
    this.incarnation = this.#ofRun('incarnation', run);
    this.trimFloor = this.#ofRun('trimFloor', run);
    this.heldFrom = this.#ofRun('heldFrom', run);
    this.versionBefore = this.#ofRun('versionBefore', run);
    this.isOpen = this.#ofRun('isOpen', run) === 1;
    return this;
  }

  #ofRun(name: keyof typeof RUN_COLUMN, run: number): number {
    return this.#runCells[RUN_COLUMN[name] * this.runs + run]!;
  }

  get lastSequence(): number {
    return this.firstSequence + this.count - 1;
  }

  /** The highest version of its records (record-frame G4). */
  get lastVersion(): Version {
    return this.field('version', this.count - 1) as Version;
  }

  /** A field of a record; `index` counts from 0, the first record of the run. */
  field(name: keyof typeof COLUMN, index: number): number {
    return this.#cells[COLUMN[name] * this.#records + this.#start + index]!;
  }

  /**
   * Where records of all runs belong, from the first of the frame on: as many as the arrays have room for.
   *
   * @param partitions  is filled with their partitions
   * @param keyEnds     is filled with the ends of their keys in `keys`
   * @returns how many
   */
  fillPlaces(partitions: Uint32Array, keyEnds: Uint32Array): number {
    const count = Math.min(this.#records, partitions.length);
    for (let run = 0; run < this.runs && this.#starts[run]! < count; run++) {
      const end = run + 1 < this.runs ? this.#starts[run + 1]! : count;
      partitions.fill(this.#ofRun('partition', run), this.#starts[run]!, Math.min(end, count));
    }
    const ends = COLUMN.keyEnd * this.#records;
    for (let record = 0; record < count; record++) keyEnds[record] = this.#cells[ends + record]!;
    return count;
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
    const at = this.#start + index;
    return at === 0 ? 0 : this.#cells[COLUMN.keyEnd * this.#records + at - 1]!;
  }

  valueStart(index: number): number {
    const at = this.#start + index;
    return at === 0 ? 0 : this.#cells[COLUMN.valueEnd * this.#records + at - 1]!;
  }
}

/**
 * @returns the frame, at its first run; keys and values are views of `bytes`
 * @throws GridError INVALID_ARGUMENT when it is not a whole frame of this format (record-frame G1, G3, G4)
 */
export function readRecordFrame(bytes: Uint8Array): RecordFrame {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEADER_BYTES) throw malformed('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin as one');
  if (view.getUint32(4, true) !== FORMAT) throw malformed(`format ${view.getUint32(4, true)} is not known here`);
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) throw malformed('its checksum is wrong');
  const [runs, count] = [view.getUint32(8, true), view.getUint32(12, true)];
  const [keyBytes, valueBytes] = [view.getFloat64(16, true), view.getFloat64(24, true)];
  if (count > FRAME_RECORDS_MAX) throw malformed(`${count} records are too many`);
  if (runs === 0 || runs > count) throw malformed('its runs have no records');
  const runColumns = readColumns(view, HEADER_BYTES, end, RUN_COLUMN_COUNT, runs);
  const columns = runColumns && readColumns(view, runColumns.end, end, COLUMN_COUNT, count);
  if (runColumns === undefined || columns === undefined) {
    throw malformed('a column has no known encoding, or does not fit');
  }
  const at = columns.end;
  if (at + keyBytes + valueBytes !== end) throw malformed('keys and values do not fill it');
  const starts = startsOf(runColumns, count);
  const keys = bytes.subarray(at, at + keyBytes);
  const frame = new RecordFrame(runColumns, starts, columns, keys, bytes.subarray(at + keyBytes, end));
  checkRecords(frame);
  return frame;
}

/** Where the records of each run begin. */
function startsOf({ cells, rows }: ReadColumns, count: number): Uint32Array {
  const starts = new Uint32Array(rows);
  let start = 0;
  for (let run = 0; run < rows; run++) {
    const records = cells[RUN_COLUMN.count * rows + run]!;
    if (!(Number.isSafeInteger(records) && records > 0 && records <= count - start)) {
      throw malformed('a run has no records');
    }
    starts[run] = start;
    start += records;
  }
  if (start !== count) throw malformed('its runs do not have its records');
  return starts;
}

function checkRecords(frame: RecordFrame): void {
  const ends = { key: 0, value: 0 };
  for (let run = 0; run < frame.runs; run++) checkRun(frame.at(run), ends);
  frame.at(0);
  if (ends.key !== frame.keys.length || ends.value !== frame.values.length) {
    throw malformed('its ends do not meet its bytes');
  }
}

/** @param ends  of the keys and values before; moved on */
function checkRun(frame: RecordFrame, ends: { key: number; value: number }): void {
  checkTerms(frame);
  let version = 0;
  for (let index = 0; index < frame.count; index++) {
    if (!KINDS.has(frame.field('kind', index))) throw malformed('a record is of no known kind');
    if (!CAUSES.has(frame.field('cause', index))) throw malformed('a record has no known cause');
    if (!(frame.field('keyEnd', index) >= ends.key)) throw malformed('its keys do not follow each other');
    if (!(frame.field('valueEnd', index) >= ends.value)) throw malformed('its values do not follow each other');
    if (!(frame.field('version', index) >= version)) throw malformed('its versions fall');
    if (!isResult(frame, index)) throw malformed('a record has no whole result');
    ends.key = frame.field('keyEnd', index);
    ends.value = frame.field('valueEnd', index);
    version = frame.field('version', index);
  }
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
  const { partition, firstSequence, trimFloor, heldFrom, versionBefore } = frame;
  if (partition >>> 0 !== partition || !isSequence(firstSequence)) throw malformed('a run is of no partition');
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
