/**
 * Parquet files, a row group at a time: columns are decoded one by one, then turned into documents. What a Parquet type
 * becomes stands in `parquet-schema.ts`; here the library is set up to read texts and times without loss.
 */
import { setImmediate } from 'node:timers/promises';
import { constants, zstdDecompressSync } from 'node:zlib';
import { GridError } from '@ashlar/api';
import { CancelledError, isError } from '@ashlar/core';
import {
  asyncBufferFromFile,
  type ColumnData,
  type Compressors,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet';
import { compressors as portableCompressors } from 'hyparquet-compressors';
import { parseExactJson } from '../values/text-form.ts';
import { TEXT_VALUES } from './exported-rows.ts';
import { convertOne, narrow, type ParquetColumn, type ReadableParquet, readableParquet } from './parquet-schema.ts';
import { type Document, type RowBatch, type RowSource, setField } from './rows.ts';

type AsyncBuffer = Awaited<ReturnType<typeof asyncBufferFromFile>>;
type Column = ArrayLike<unknown>;

/** A run of one column's values that starts at row `at` of the file. */
interface Piece {
  readonly at: number;
  readonly data: Column;
}

/** Rows made into documents at once; between two slices the event loop turns. */
const SLICE_ROWS = 8192;

/** Node's own zstd is some three times as fast as the portable one. */
const compressors: Compressors = {
  ...portableCompressors,
  ZSTD: (input) => zstdDecompressSync(input, { params: { [constants.ZSTD_d_windowLogMax]: 27 } }),
};

/** Keeps a first U+FEFF: inside a file of texts it belongs to the text. */
const text = new TextDecoder('utf-8', { ignoreBOM: true });

const parsers: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (millis: bigint | number) => dateOf(Number(millis)),
  timestampFromMicroseconds: (micros: bigint) => dateOf(floorDivide(micros, 1000n)),
  timestampFromNanoseconds: (nanos: bigint) => dateOf(floorDivide(nanos, 1_000_000n)),
  dateFromDays: (days: number) => dateOf(days * 86_400_000),
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && text.decode(bytes),
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && parseExactJson(text.decode(bytes)),
};

/** Message of the RangeError that `dateOf` throws: nothing is wrong with the file. */
const OUT_OF_RANGE = /^a time of .* is out of range$/;

/** @throws RangeError outside of what a Date holds: a year of 275760, or 'infinity' */
function dateOf(milliseconds: number): Date | undefined {
  // The library hands the nulls of a dictionary's column through here, too.
  if (Number.isNaN(milliseconds)) return undefined;
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) throw new RangeError(`a time of ${milliseconds} ms since 1970 is out of range`);
  return date;
}

function floorDivide(value: bigint | undefined, divisor: bigint): number {
  if (value === undefined) return Number.NaN;
  const quotient = value / divisor;
  return Number(value % divisor < 0n ? quotient - 1n : quotient);
}

/** @throws GridError INVALID_ARGUMENT when the file is no parquet file */
export async function openParquet(path: string): Promise<RowSource> {
  const file = await asyncBufferFromFile(path);
  const readable = await parquetMetadataAsync(file)
    .then(readableParquet)
    .catch((cause: unknown) => {
      throw new GridError('INVALID_ARGUMENT', `${path} is not a readable parquet file: ${reasonOf(cause)}`, {
        hint: 'the writer may not have finished: a whole file begins and ends with PAR1',
        cause,
      });
    });
  return {
    rowCount: Number(readable.metadata.num_rows),
    bytesTotal: file.byteLength,
    notices: readable.notices,
    textColumns: { keys: false, values: hasTextValues(readable.metadata) },
    batches: (limit = Number.POSITIVE_INFINITY, signal) => readGroups({ path, file, signal, ...readable }, limit),
  };
}

/** Whether an export put the values that are no documents into a column of text. */
function hasTextValues({ key_value_metadata }: FileMetaData): boolean {
  return key_value_metadata?.some(({ key, value }) => key === TEXT_VALUES.key && value === TEXT_VALUES.value) ?? false;
}

interface OpenFile extends ReadableParquet {
  readonly path: string;
  readonly file: AsyncBuffer;
  readonly signal: AbortSignal | undefined;
}

async function* readGroups(open: OpenFile, limit: number): AsyncGenerator<RowBatch> {
  const { file, metadata, columns } = open;
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    if (rowStart >= limit) return;
    const rowEnd = Math.min(rowStart + Number(group.num_rows), limit);
    // A group may be empty.
    const data = rowEnd === rowStart ? [] : await readColumns(open, rowStart, rowEnd);
    for (let from = 0; from < rowEnd - rowStart; from += SLICE_ROWS) {
      const to = Math.min(from + SLICE_ROWS, rowEnd - rowStart);
      const bytesRead = Math.round((file.byteLength * (rowStart + to)) / Number(metadata.num_rows));
      yield { rows: toDocuments(columns, data, from, to), bytesRead };
    }
    rowStart += Number(group.num_rows);
  }
}

/** The columns of one row group, each with the rows rowStart .. rowEnd-1; the event loop turns after each. */
async function readColumns(
  { path, file, signal, metadata, columns }: OpenFile,
  rowStart: number,
  rowEnd: number,
): Promise<readonly Column[]> {
  const data: Column[] = [];
  for (const { name, alias } of columns) {
    if (signal?.aborted) throw new CancelledError('loading');
    const pieces: Piece[] = [];
    const onChunk = (chunk: ColumnData): void => {
      pieces.push({ at: chunk.rowStart, data: chunk.columnData });
    };
    await parquetRead({
      ...{ file, metadata, compressors, parsers, rowStart, rowEnd, onChunk },
      columns: [alias],
      utf8: false,
    }).catch((cause: unknown) => {
      const where = `${path}: column ${name} from row ${rowStart}`;
      throw new GridError('INVALID_ARGUMENT', `${where} cannot be read: ${reasonOf(cause)}`, {
        hint: OUT_OF_RANGE.test(reasonOf(cause))
          ? 'write it as text; the rows before this place were stored'
          : 'the file is damaged or incomplete; the rows before this place were stored',
        details: { column: name, row: rowStart },
        cause,
      });
    });
    data.push(joinPieces(pieces, rowStart, rowEnd));
    await setImmediate();
  }
  return data;
}

function reasonOf(cause: unknown): string {
  return isError(cause) ? cause.message : String(cause);
}

function joinPieces(pieces: readonly Piece[], rowStart: number, rowEnd: number): Column {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined && only.at === rowStart) return only.data;
  const column = new Array<unknown>(rowEnd - rowStart);
  for (const { at, data } of pieces) {
    for (let row = 0; row < data.length; row += 1) {
      const place = at + row - rowStart;
      if (place >= 0 && place < column.length) column[place] = data[row];
    }
  }
  return column;
}

function toDocuments(columns: readonly ParquetColumn[], data: readonly Column[], from: number, to: number): Document[] {
  const rows = new Array<Document>(to - from);
  for (let row = from; row < to; row += 1) {
    const document: Document = {};
    for (let column = 0; column < columns.length; column += 1) {
      const { name, convert } = columns[column]!;
      const value = data[column]![row];
      if (convert !== undefined) setField(document, name, convertOne(value, convert));
      else setField(document, name, typeof value === 'bigint' ? narrow(value) : (value ?? null));
    }
    rows[row - from] = document;
  }
  return rows;
}
