/** A result with a line a value, which is never cut: for rows wider than the terminal. */
import type { ResultColumn } from '@ashlar/api';
import { printable, widthOf } from '../render/cells.ts';
import { formatValue } from '../render/format.ts';
import { type Screen, writeAll } from '../render/screen.ts';
import type { ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';
import { footer } from './table-result.ts';

const RULE_CHARS = 40;

export function expandedResult(screen: Screen, rowsMax: number): ResultWriter {
  const { bold, dim } = screen.colours;
  let names: readonly string[] = [];
  let nameWidth = 0;
  let rowNumber = 0;
  const lines = (row: readonly unknown[]): string => {
    rowNumber += 1;
    const values = row.map((value, column) => {
      const text = printable(formatValue(value));
      const name = names[column]!;
      const padding = ' '.repeat(nameWidth - widthOf(name));
      return `${bold(name)}${padding} │ ${value === null || value === undefined ? dim(text) : text}\n`;
    });
    return `${dim(`─[ row ${rowNumber} ]`.padEnd(RULE_CHARS, '─'))}\n${values.join('')}`;
  };
  return {
    rowsMax,
    begin: async (columns: readonly ResultColumn[]) => {
      names = columns.map(({ name }) => printable(name));
      nameWidth = Math.max(0, ...names.map(widthOf));
    },
    rows: (batch, rowCount) => writeAll(screen.stream, rowsOf(batch, rowCount).map(lines).join('')),
    end: async (end) => screen.line(dim(footer(end))),
  };
}
