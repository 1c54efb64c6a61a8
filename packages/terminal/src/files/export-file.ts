/** Writes rows as they come from the grid into a file of one of the formats. */
import { extname } from 'node:path';
import { type ColumnBatch, GridError, type GridKey, type ResultColumn } from '@ashlar/api';
import { unknownName } from '../nearest.ts';
import { csvLines } from '../results/csv-result.ts';
import { rowsOf } from '../results/rows-of.ts';
import { keyText, valueText } from '../values/text-form.ts';
import { entryJson, textBesideFields } from './exported-rows.ts';
import type { Sink } from './sink.ts';

export const EXPORT_FORMATS = ['parquet', 'csv', 'ndjson', 'json'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const ENDINGS: Readonly<Record<string, ExportFormat>> = {
  '.parquet': 'parquet',
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'json',
};

/** Options of a row file, which has a column for each field. */
export interface RowFileOptions {
  /** Values that are no documents stand as text in a `__value` column, the last one. */
  readonly valuesBesideFields: boolean;
  /** Text that stands for NULL in CSV; default: an empty field. */
  readonly nullText?: string | undefined;
}

export interface RowFileWriter {
  begin(columns: readonly ResultColumn[]): Promise<void>;
  /** Writes the columns that `begin` was given; a batch may have more behind them. */
  rows(batch: ColumnBatch): Promise<void>;
  end(): Promise<void>;
}

/** @throws GridError INVALID_ARGUMENT for an unknown name or ending */
export function formatOf(file: string, name: string | undefined): ExportFormat {
  if (name !== undefined) {
    const format = EXPORT_FORMATS.find((one) => one === name.toLowerCase());
    if (format !== undefined) return format;
    throw unknownName('format', name, EXPORT_FORMATS);
  }
  if (file === '-') return 'ndjson';
  const format = ENDINGS[extname(file).toLowerCase()];
  if (format !== undefined) return format;
  throw new GridError('INVALID_ARGUMENT', `${file}: the extension does not name a format`, {
    hint: `files end in ${Object.keys(ENDINGS).join(', ')}; or say --format`,
  });
}

/** Formats that hold whole values, rather than a column a field. */
export function holdsValues(format: ExportFormat): boolean {
  return format === 'ndjson' || format === 'json';
}

/** Formats that have one type a column. */
export function hasTypes(format: ExportFormat): boolean {
  return format === 'parquet';
}

/** Loaded when needed: the writer of Parquet is the largest. */
export async function openRowFile(format: ExportFormat, sink: Sink, options: RowFileOptions): Promise<RowFileWriter> {
  switch (format) {
    case 'parquet':
      return (await import('./export-parquet.ts')).parquetFile(sink, options);
    case 'csv':
      return csvFile(sink, options);
    case 'ndjson':
      return jsonFile(sink, { head: '', between: '\n', tail: '\n', none: '' });
    case 'json':
      return jsonFile(sink, { head: '[\n', between: ',\n', tail: '\n]\n', none: ']\n' });
  }
}

function csvFile(sink: Sink, { valuesBesideFields, nullText }: RowFileOptions): RowFileWriter {
  const textOfValue = valuesBesideFields ? textBesideFields : valueText;
  let cells: ((value: unknown) => unknown)[] = [];
  return {
    begin: (columns) => {
      cells = columns.map(({ name }) => {
        if (name === '__key') return (value) => keyText(value as GridKey);
        return name === '__value' ? textOfValue : (value) => value;
      });
      return sink.write(csvLines([columns.map(({ name }) => name)]));
    },
    rows: (batch) => {
      const rows = rowsOf(batch, batch.rowCount).map((row) => cells.map((cell, column) => cell(row[column])));
      return sink.write(csvLines(rows, nullText));
    },
    end: async () => {},
  };
}

interface JsonFrame {
  readonly head: string;
  readonly between: string;
  readonly tail: string;
  /** The tail of a file without rows. */
  readonly none: string;
}

/** Writes rows of two columns, key and value, as JSON. */
function jsonFile(sink: Sink, { head, between, tail, none }: JsonFrame): RowFileWriter {
  let before = head;
  return {
    begin: async () => {},
    rows: async (batch) => {
      if (batch.rowCount === 0) return;
      const [keys, values] = [batch.values(0) as readonly GridKey[], batch.values(1)];
      const rows = keys.map((key, row) => entryJson(key, values[row]));
      await sink.write(before + rows.join(between));
      before = between;
    },
    end: () => sink.write(before === head ? head + none : tail),
  };
}
