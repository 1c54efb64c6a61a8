/**
 * A page of a transfer as bytes: rows of numbers in columns, and two pieces of bytes beside them.
 *
 *   [magic][format][partition][page][flags][rows][sequence][version][epoch][incarnation][held from][bytes of each piece]
 *   [column] ... [piece][piece]  [checksum]
 *
 *   entries: a row an entry (map, version, deadline, last use, where key and value end), then keys, then values
 *   log:     a row a record (what it replaced), then a frame of the log (record-frame.ts), then values that were replaced
 *
 * page-codec J1  The checksum (CRC-32) covers every byte before it.
 * page-codec J2  What readTransferPage() answers is whole: columns, ends and pieces agree with each other. Else it is refused.
 * page-codec J3  A value that a record replaced is carried, unless an earlier record of the stretch carried it as its own: then
 *                it is the last one of its key.
 */
import { crc32 } from 'node:zlib';
import { GridError } from '@ashlar/core';
import {
  AppendedBytes,
  columnBytes,
  encodingOf,
  grownColumn,
  type ReadColumns,
  readColumns,
  writeColumn,
} from '../log/columns-codec.ts';

const MAGIC = 0x4750_4c41;
const FORMAT = 1;
const HEADER_BYTES = 80;
const CHECKSUM_BYTES = 4;
const FIRST_ROWS = 64;
const IS_LAST = 1;
const IS_LOG = 2;
/** Most rows of a page: a reader makes room for them before it has seen them. */
export const PAGE_ROWS_MAX = 2048;

/** Columns of an entry. */
export const ENTRY_COLUMN = { mapId: 0, version: 1, expiresAt: 2, usedAt: 3, keyEnd: 4, valueEnd: 5 } as const;
/** Columns of a record of the log, beside its frame. */
export const OLD_COLUMN = { kind: 0, version: 1, end: 2 } as const;
const ENTRY_COLUMNS = 6;
const OLD_COLUMNS = 3;

/** Where the value is that a record replaced. */
export const OldValue = { none: 0, here: 1, before: 2 } as const;

export interface PageHeader {
  readonly partition: number;
  readonly page: number;
  readonly isLast: boolean;
  readonly isLog: boolean;
  /** Where the copy starts: as captured, the same in all pages. */
  readonly sequence: number;
  readonly version: number;
  readonly epoch: number;
  readonly incarnation: number;
  /** The lowest sequence that durable consumers of the log want now; Infinity: none. */
  readonly heldFrom: number;
}

/** Gathers the rows of one page, then of the next. */
export class PageWriter {
  /** Rows so far. */
  count = 0;
  readonly first = new AppendedBytes();
  readonly second = new AppendedBytes();
  #columns: Float64Array[] = [];

  begin(isLog: boolean): void {
    const columnCount = isLog ? OLD_COLUMNS : ENTRY_COLUMNS;
    if (this.#columns.length !== columnCount)
      this.#columns = Array.from({ length: columnCount }, () => new Float64Array(FIRST_ROWS));
    this.count = 0;
    this.first.length = 0;
    this.second.length = 0;
  }

  /** Bytes of both pieces. */
  get contentBytes(): number {
    return this.first.length + this.second.length;
  }

  /** A field of the row that endRow() ends. */
  set(column: number, value: number): void {
    if (this.count === this.#columns[0]!.length) this.#columns = this.#columns.map(grownColumn);
    this.#columns[column]![this.count] = value;
  }

  endRow(): void {
    this.count += 1;
  }

  /** The page, in memory of its own. */
  finish(header: PageHeader): Uint8Array {
    const { count } = this;
    const encodings = this.#columns.map((column) => encodingOf(column, count));
    let bytes = HEADER_BYTES + this.contentBytes + CHECKSUM_BYTES;
    for (const encoding of encodings) bytes += 1 + columnBytes(encoding, count);
    const page = new Uint8Array(bytes);
    const view = new DataView(page.buffer);
    this.#writeHeader(view, header);
    let at = HEADER_BYTES;
    for (const [column, encoding] of encodings.entries())
      at = writeColumn(view, at, this.#columns[column]!, count, encoding);
    page.set(this.first.used, at);
    page.set(this.second.used, at + this.first.length);
    view.setUint32(bytes - CHECKSUM_BYTES, crc32(page.subarray(0, bytes - CHECKSUM_BYTES)), true);
    return page;
  }

  #writeHeader(view: DataView, header: PageHeader): void {
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, FORMAT, true);
    view.setUint32(8, header.partition, true);
    view.setUint32(12, header.page, true);
    view.setUint32(16, (header.isLast ? IS_LAST : 0) | (header.isLog ? IS_LOG : 0), true);
    view.setUint32(20, this.count, true);
    view.setFloat64(24, header.sequence, true);
    view.setFloat64(32, header.version, true);
    view.setFloat64(40, header.epoch, true);
    view.setFloat64(48, header.incarnation, true);
    view.setFloat64(56, header.heldFrom, true);
    view.setFloat64(64, this.first.length, true);
    view.setFloat64(72, this.second.length, true);
  }
}

/** A page as it was read: fields by row, bytes where they lie (page-codec J2). */
export class TransferPage {
  readonly header: PageHeader;
  /** Rows. */
  readonly count: number;
  /** Keys of entries, or the frame. */
  readonly first: Uint8Array;
  /** Values of entries, or those that were replaced. */
  readonly second: Uint8Array;
  /** Column by column. */
  readonly #cells: Float64Array;

  constructor(header: PageHeader, { cells, rows }: ReadColumns, first: Uint8Array, second: Uint8Array) {
    this.header = header;
    this.count = rows;
    this.#cells = cells;
    this.first = first;
    this.second = second;
  }

  field(column: number, row: number): number {
    return this.#cells[column * this.count + row]!;
  }

  /** Where the bytes of a row begin, by the column of their ends. */
  startOf(endColumn: number, row: number): number {
    return row === 0 ? 0 : this.field(endColumn, row - 1);
  }
}

/**
 * @returns the page; keys and values are views of `bytes`
 * @throws GridError INVALID_ARGUMENT when it is not a whole page of this format (page-codec J1, J2)
 */
export function readTransferPage(bytes: Uint8Array): TransferPage {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEADER_BYTES) throw malformed('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin as one');
  if (view.getUint32(4, true) !== FORMAT) throw malformed(`format ${view.getUint32(4, true)} is not known here`);
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) throw malformed('its checksum is wrong');
  const header = headerOf(view);
  const count = view.getUint32(20, true);
  if (count > PAGE_ROWS_MAX) throw malformed(`${count} rows are too many`);
  const columns = readColumns(view, HEADER_BYTES, end, header.isLog ? OLD_COLUMNS : ENTRY_COLUMNS, count);
  if (columns === undefined) throw malformed('a column has no known encoding, or does not fit');
  const at = columns.end;
  const firstBytes = view.getFloat64(64, true);
  if (at + firstBytes + view.getFloat64(72, true) !== end) throw malformed('its pieces do not fill it');
  const first = bytes.subarray(at, at + firstBytes);
  const page = new TransferPage(header, columns, first, bytes.subarray(at + firstBytes, end));
  if (header.isLog) checkEnds(page, OLD_COLUMN.end, page.second.length);
  else {
    checkEnds(page, ENTRY_COLUMN.keyEnd, first.length);
    checkEnds(page, ENTRY_COLUMN.valueEnd, page.second.length);
  }
  return page;
}

function headerOf(view: DataView): PageHeader {
  const flags = view.getUint32(16, true);
  const header = {
    ...{ partition: view.getUint32(8, true), page: view.getUint32(12, true) },
    ...{ isLast: (flags & IS_LAST) !== 0, isLog: (flags & IS_LOG) !== 0 },
    ...{ sequence: view.getFloat64(24, true), version: view.getFloat64(32, true), epoch: view.getFloat64(40, true) },
    ...{ incarnation: view.getFloat64(48, true), heldFrom: view.getFloat64(56, true) },
  };
  const { sequence, version, epoch, incarnation } = header;
  if (![sequence, version, epoch, incarnation].every((one) => Number.isSafeInteger(one) && one >= 0))
    throw malformed('it starts nowhere');
  if (!(header.heldFrom >= 0)) throw malformed('its log is held from no sequence');
  return header;
}

function checkEnds(page: TransferPage, column: number, bytes: number): void {
  let end = 0;
  for (let row = 0; row < page.count; row++) {
    const next = page.field(column, row);
    if (!(next >= end)) throw malformed('its bytes do not follow each other');
    end = next;
  }
  if (end !== bytes) throw malformed('its ends do not meet its bytes');
}

function malformed(why: string): GridError {
  return new GridError('INVALID_ARGUMENT', `not a whole page of a transfer: ${why}`);
}
