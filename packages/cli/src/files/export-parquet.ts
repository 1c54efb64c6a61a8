/** Rows as a Parquet file: columns of the SQL types, row groups of 100,000 rows, zstd. */
import { zstdCompressSync } from 'node:zlib';
import { type ColumnBatch, GridError, type GridKey, type ResultColumn, type SqlTypeName } from '@ashlar/api';
import { type BasicType, ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { toPlain } from '../render/format.ts';
import { keyJson, parseExactJson } from '../values/text-form.ts';
import type { RowFileWriter } from './export-file.ts';
import type { Sink } from './sink.ts';

const ROW_GROUP_ROWS = 100_000;

interface ParquetColumn {
  readonly name: string;
  readonly type: BasicType;
  readonly convert: (value: unknown) => unknown;
  values: unknown[];
}

export function parquetFile(sink: Sink): RowFileWriter {
  // Grown by the library as it writes; emptied into the sink after each row group.
  const bytes = new ByteWriter();
  let columns: ParquetColumn[] = [];
  let parquet: ParquetWriter | undefined;
  let rowCount = 0;
  const flush = async (): Promise<void> => {
    const written = new Uint8Array(bytes.buffer, 0, bytes.index).slice();
    bytes.index = 0;
    await sink.write(written);
  };
  const columnData = () => columns.map(({ name, type, values }) => ({ name, type, data: values }));
  const writeGroup = async (): Promise<void> => {
    await parquet!.write({ columnData: columnData(), rowGroupSize: ROW_GROUP_ROWS * 2 });
    for (const column of columns) column.values = [];
    rowCount = 0;
  };
  return {
    begin: async (told) => {
      columns = told.map((column) => ({ name: column.name, values: [], ...typeOf(column) }));
      const schema = schemaFromColumnData({ columnData: columnData() });
      Object.assign(bytes, { flush, finish: flush });
      parquet = new ParquetWriter({
        writer: bytes,
        schema,
        codec: 'ZSTD',
        compressors: { ZSTD: (input) => zstdCompressSync(input) },
        createdBy: 'ashlar',
      });
    },
    rows: async (batch: ColumnBatch) => {
      for (const [index, column] of columns.entries()) {
        for (const value of batch.values(index)) column.values.push(value === null ? null : column.convert(value));
      }
      rowCount += batch.rowCount;
      if (rowCount >= ROW_GROUP_ROWS) await writeGroup();
    },
    end: async () => {
      if (rowCount > 0) await writeGroup();
      await parquet!.finish();
    },
  };
}

function typeOf({ name, type }: ResultColumn): Pick<ParquetColumn, 'type' | 'convert'> {
  // Keys of several kinds, or of bytes, which Parquet's readers would take for text.
  if (name === '__key' && (type === 'unknown' || type === 'json' || type === 'bytea')) {
    return { type: 'JSON', convert: (key) => exactKey(keyJson(key as GridKey)) };
  }
  const basic = PARQUET_TYPES[type];
  if (basic === 'JSON') return { type: basic, convert: toPlain };
  return { type: basic, convert: type === 'numeric' ? String : (value) => value };
}

/** @throws GridError INVALID_KEY for a whole number that JSON readers would round */
function exactKey(json: string): unknown {
  const key: unknown = JSON.parse(json);
  if (JSON.stringify(key) === JSON.stringify(parseExactJson(json), (_, part) => (typeof part === 'bigint' ? '' : part)))
    return key;
  throw new GridError('INVALID_KEY', `Parquet cannot hold the key ${json} exactly beside keys of other kinds`, {
    hint: 'export to .ndjson',
  });
}

/** Decimals are text: their digits stay exact. */
const PARQUET_TYPES: Readonly<Record<SqlTypeName, BasicType>> = {
  boolean: 'BOOLEAN',
  int4: 'INT32',
  int8: 'INT64',
  float8: 'DOUBLE',
  numeric: 'STRING',
  text: 'STRING',
  bytea: 'BYTE_ARRAY',
  timestamptz: 'TIMESTAMP',
  date: 'TIMESTAMP',
  interval: 'JSON',
  json: 'JSON',
  unknown: 'JSON',
};
