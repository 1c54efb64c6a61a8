/** A result as CSV with a header line. NULL is an empty field, the empty string is `""`. */
import type { ResultColumn } from '@ashlar/api';
import { stringify } from 'csv-stringify/sync';
import { formatValue } from '../render/format.ts';
import { type TextStream, writeAll } from '../render/screen.ts';
import type { ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';

export function csvResult(stream: TextStream): ResultWriter {
  return {
    rowsMax: Number.POSITIVE_INFINITY,
    begin: (columns: readonly ResultColumn[]) => writeAll(stream, csvLines([columns.map(({ name }) => name)])),
    rows: (batch, rowCount) => writeAll(stream, csvLines(rowsOf(batch, rowCount))),
    end: async () => {},
  };
}

/** Lines of CSV, each with its line end. */
export function csvLines(rows: readonly (readonly unknown[])[]): string {
  const texts = rows.map((row) =>
    row.map((value) => (value === null || value === undefined ? null : formatValue(value))),
  );
  return stringify(texts, { cast: { string: (text) => ({ value: text, quoted_empty: true }) } });
}
