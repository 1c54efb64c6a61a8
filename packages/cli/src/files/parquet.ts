/**
 * Parquet files, a row group at a time: columns are decoded one by one, then turned into documents.
 *
 * Integers arrive as 64-bit ones and become numbers where they are exact, so that a document holds what JSON would.
 * Times keep milliseconds.
 */
import { setImmediate } from 'node:timers/promises';
import { constants, zstdDecompressSync } from 'node:zlib';
import { GridError } from '@ashlar/api';
import {
  asyncBufferFromFile,
  type ColumnData,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
} from 'hyparquet';
import { compressors as portableCompressors } from 'hyparquet-compressors';
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

const parsers = {
  timestampFromMicroseconds: (micros: bigint) => new Date(Math.floor(Number(micros) / 1000)),
};

/** @throws GridError INVALID_ARGUMENT when the file is no parquet file */
export async function openParquet(path: string): Promise<RowSource> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => {
    throw new GridError('INVALID_ARGUMENT', `${path} is not a readable parquet file: ${reasonOf(cause)}`, {
      hint: 'its writer may not have ended: a whole file begins and ends with PAR1',
      cause,
    });
  });
  return {
    rowCount: Number(metadata.num_rows),
    bytesTotal: file.byteLength,
    batches: (limit = Number.POSITIVE_INFINITY) => readGroups(path, file, metadata, limit),
  };
}

async function* readGroups(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  limit: number,
): AsyncGenerator<RowBatch> {
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = Math.min(rowStart + Number(group.num_rows), limit);
    if (rowEnd <= rowStart) return;
    const columns = await readColumns(path, file, metadata, rowStart, rowEnd);
    for (let from = 0; from < rowEnd - rowStart; from += SLICE_ROWS) {
      const to = Math.min(from + SLICE_ROWS, rowEnd - rowStart);
      const bytesRead = Math.round((file.byteLength * (rowStart + to)) / Number(metadata.num_rows));
      yield { rows: toDocuments(columns, from, to), bytesRead };
    }
    rowStart += Number(group.num_rows);
  }
}

/** The columns of one row group, each with the rows rowStart .. rowEnd-1; the event loop turns after each. */
async function readColumns(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<Map<string, Column>> {
  const columns = new Map<string, Column>();
  for (const { element } of parquetSchema(metadata).children) {
    const pieces: Piece[] = [];
    const onChunk = (chunk: ColumnData): void => {
      pieces.push({ at: chunk.rowStart, data: chunk.columnData });
    };
    await parquetRead({
      ...{ file, metadata, compressors, parsers, rowStart, rowEnd, onChunk },
      columns: [element.name],
    }).catch((cause: unknown) => {
      const where = `${path}: column ${element.name} from row ${rowStart}`;
      throw new GridError('INVALID_ARGUMENT', `${where} cannot be read: ${reasonOf(cause)}`, {
        hint: 'the file is damaged or was not written to its end; the rows before it are stored',
        details: { column: element.name, row: rowStart },
        cause,
      });
    });
    columns.set(element.name, joinPieces(pieces, rowStart, rowEnd));
    await setImmediate();
  }
  return columns;
}

function reasonOf(cause: unknown): string {
  return Error.isError(cause) ? cause.message : String(cause);
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

function toDocuments(columns: ReadonlyMap<string, Column>, from: number, to: number): Document[] {
  const names = [...columns.keys()];
  const data = [...columns.values()];
  const rows = new Array<Document>(to - from);
  for (let row = from; row < to; row += 1) {
    const document: Document = {};
    for (let column = 0; column < names.length; column += 1) {
      const value = data[column]![row];
      setField(document, names[column]!, typeof value === 'bigint' ? narrow(value) : value);
    }
    rows[row - from] = document;
  }
  return rows;
}

/** A number where it is exact, else the bigint itself. */
function narrow(value: bigint): number | bigint {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}
