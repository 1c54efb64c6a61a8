/**
 * A result as JSON, written as the rows come.
 *
 *   json     {"columns":[{name,type}],"rows":[{...}],"rowCount":2,"timeMs":1.5}
 *   ndjson   an object a row, one a line
 *
 * A label that comes again is numbered: `SELECT 1 AS a, 2 AS a` gives a and a_1.
 */
import type { ColumnBatch } from '@ashlar/api';
import { distinctNames } from '@ashlar/core';
import { toPlain } from '../render/format.ts';
import { type TextStream, writeAll } from '../render/screen.ts';
import type { ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';

export function jsonResult(stream: TextStream): ResultWriter {
  let between = '\n';
  return {
    rowsMax: Number.POSITIVE_INFINITY,
    begin: (columns) => {
      const names = distinctNames(columns.map(({ name }) => name));
      const told = columns.map((column, index) => ({ ...column, name: names[index] }));
      return writeAll(stream, `{"columns":${JSON.stringify(told)},"rows":[`);
    },
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
  const names = distinctNames(batch.columns.map(({ name }) => name)).map((name) => JSON.stringify(name));
  return rowsOf(batch, rowCount).map((row) => {
    const fields = row.map((value, column) => `${names[column]}:${JSON.stringify(toPlain(value))}`);
    return `{${fields.join(',')}}`;
  });
}
