/**
 * A result as CSV with a header line, in which columns of one label are told apart as in JSON (`a`, `a_1`): what reads it by
 * names would lose one. NULL is an empty field, the empty string is `""`.
 */
import type { ResultColumn } from '@ashlar/api';
import { distinctNames } from '@ashlar/core';
import { stringify } from 'csv-stringify/sync';
import { formatValue } from '../render/format.ts';
import { type TextStream, writeAll } from '../render/screen.ts';
import type { ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';

export function csvResult(stream: TextStream): ResultWriter {
  return {
    rowsMax: Number.POSITIVE_INFINITY,
    begin: (columns: readonly ResultColumn[]) =>
      writeAll(stream, csvLines([distinctNames(columns.map(({ name }) => name))])),
    rows: (batch, rowCount) => writeAll(stream, csvLines(rowsOf(batch, rowCount))),
    end: async () => {},
  };
}

/**
 * Lines of CSV, each with its line end.
 *
 * @param nullText  what stands for NULL; texts that are equal to it stand in quotes
 */
export function csvLines(rows: readonly (readonly unknown[])[], nullText = ''): string {
  const texts = rows.map((row) => row.map((value) => (value === null || value === undefined ? NULL : csvText(value))));
  return stringify(texts, {
    cast: {
      string: (text) => ({
        value: text,
        quoted_empty: true,
        quoted: (nullText !== '' && text === nullText) || /[\r\n]/.test(text),
      }),
      object: () => ({ value: nullText, quoted: false, quoted_empty: false }),
    },
  });
}

/** A cell without a value. */
const NULL = Object.freeze({});

/** As `import` reads it: a double beyond 2^53 has an exponent, or it would be taken for a whole number with all its digits. */
function csvText(value: unknown): string {
  if (typeof value !== 'number') return formatValue(value);
  if (Object.is(value, -0)) return '-0';
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : formatValue(value);
}
