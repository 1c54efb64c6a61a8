/** Rows as a Parquet file: columns of the SQL types, row groups of 100,000 rows, zstd. */
import { zstdCompressSync } from 'node:zlib';
import type { ColumnBatch, GridKey, ResultColumn, SqlTypeName } from '@ashlar/api';
import { distinctNames } from '@ashlar/core';
import type { SchemaElement } from 'hyparquet';
import { type BasicType, ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { exactJson, keyJson } from '../values/text-form.ts';
import type { RowFileOptions, RowFileWriter } from './export-file.ts';
import { TEXT_VALUES, textBesideFields } from './exported-rows.ts';
import type { Sink } from './sink.ts';

const ROW_GROUP_ROWS = 100_000;

interface ParquetColumn {
  readonly name: string;
  readonly type: BasicType;
  readonly convert: (value: unknown) => unknown;
  values: unknown[];
}

export function parquetFile(sink: Sink, { valuesBesideFields }: RowFileOptions): RowFileWriter {
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
      const names = distinctNames(told.map(({ name }) => name));
      columns = told.map((column, index) => ({
        name: names[index]!,
        values: [],
        ...typeOf(column, valuesBesideFields),
      }));
      const schema = schemaFromColumnData({ columnData: columnData() }).map(asWrittenJson);
      Object.assign(bytes, { flush, finish: flush });
      parquet = new ParquetWriter({
        writer: bytes,
        schema,
        codec: 'ZSTD',
        compressors: { ZSTD: (input) => zstdCompressSync(input) },
        createdBy: 'ashlar',
        ...(valuesBesideFields ? { kvMetadata: [TEXT_VALUES] } : {}),
      });
    },
    rows: async (batch: ColumnBatch) => {
      for (const [index, column] of columns.entries()) {
        for (const value of batch.values(index)) column.values.push(column.convert(value));
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

function typeOf(column: ResultColumn, valuesBesideFields: boolean): Pick<ParquetColumn, 'type' | 'convert'> {
  if (valuesBesideFields && column.name === '__value') return { type: 'STRING', convert: textBesideFields };
  const { type, convert } = typedColumn(column);
  return { type, convert: (value) => (value === null ? null : convert(value)) };
}

function typedColumn({ name, type }: ResultColumn): Pick<ParquetColumn, 'type' | 'convert'> {
  // Keys of several kinds, or of bytes, which Parquet's readers would take for text.
  if (name === '__key' && (type === 'unknown' || type === 'json' || type === 'bytea')) {
    return { type: 'JSON', convert: (key) => keyJson(key as GridKey) };
  }
  return { type: PARQUET_TYPES[type], convert: CONVERSIONS[type] ?? ((value) => value) };
}

/** JSON is written by us, with all digits of whole numbers: to the library it is text. */
function asWrittenJson(element: SchemaElement): SchemaElement {
  if (element.converted_type !== 'JSON') return element;
  return { ...element, converted_type: 'UTF8', logical_type: { type: 'JSON' } };
}

const CONVERSIONS: Partial<Record<SqlTypeName, (value: unknown) => unknown>> = {
  numeric: String,
  interval: (value) => exactJson(value),
  json: (value) => exactJson(value),
  unknown: (value) => exactJson(value),
  int8: (value) => BigInt(value as number | bigint),
};

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
