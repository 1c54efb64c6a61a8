/**
 * A result as JSON, written as the rows come.
 *
 *   json     {"columns":[{name,type}],"rows":[{...}],"rowCount":2,"timeMs":1.5}
 *   ndjson   an object a row, one a line
 */
import type { ColumnBatch } from '@ashlar/api';
import { toPlain } from '../render/format.ts';
import { type TextStream, writeAll } from '../render/screen.ts';
import type { ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';

export function jsonResult(stream: TextStream): ResultWriter {
  let between = '\n';
  return {
    rowsMax: Number.POSITIVE_INFINITY,
    begin: (columns) => writeAll(stream, `{"columns":${JSON.stringify(columns)},"rows":[`),
    rows: async (batch, rowCount) => {
      const rows = objectsOf(batch, rowCount);
      if (rows.length === 0) return;
      await writeAll(stream, between + rows.join(',\n'));
      between = ',\n';
    },
    end: ({ rowCount, durationMs = 0 }) =>
      writeAll(stream, `],"rowCount":${rowCount},"timeMs":${Math.round(durationMs * 1000) / 1000}}\n`),
  };
}

export function ndjsonResult(stream: TextStream): ResultWriter {
  return {
    rowsMax: Number.POSITIVE_INFINITY,
    begin: async () => {},
    rows: async (batch, rowCount) => {
      const lines = objectsOf(batch, rowCount).map((row) => `${row}\n`);
      await writeAll(stream, lines.join(''));
    },
    end: async () => {},
  };
}

function objectsOf(batch: ColumnBatch, rowCount: number): string[] {
  const names = batch.columns.map((column) => JSON.stringify(column.name));
  return rowsOf(batch, rowCount).map((row) => {
    const fields = row.map((value, column) => `${names[column]}:${JSON.stringify(toPlain(value))}`);
    return `{${fields.join(',')}}`;
  });
}
