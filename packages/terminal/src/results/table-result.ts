/** A result as one typed table, fitted to the terminal's width; elsewhere cells of 60 characters. */
import type { ResultColumn } from '@ashlar/api';
import { formatDuration, formatQuantity } from '../render/format.ts';
import type { Screen } from '../render/screen.ts';
import { layOutTable, renderTableFooter } from '../render/table.ts';
import type { ResultEnd, ResultWriter } from './result-writer.ts';
import { rowsOf } from './rows-of.ts';

export function tableResult(screen: Screen, rowsMax: number): ResultWriter {
  let columns: readonly ResultColumn[] = [];
  const rows: unknown[][] = [];
  return {
    rowsMax,
    begin: async (told) => {
      columns = told;
    },
    rows: async (batch, rowCount) => {
      rows.push(...rowsOf(batch, rowCount));
    },
    end: async (end) => {
      const { colours } = screen;
      const fitted = screen.isTerminal ? { widthMax: screen.width } : {};
      const { text, columnsLeftOut } = layOutTable({ columns, rows }, { colours, ...fitted });
      if (columns.length > 0) screen.line(text);
      screen.line(colours.dim(footer(end, columnsLeftOut)));
    },
  };
}

/** What stands below the rows that are shown to people. */
export function footer({ rowCount, durationMs, more }: ResultEnd, columnsLeftOut = 0): string {
  const columns = columnsLeftOut === 0 ? '' : `; ${formatQuantity(columnsLeftOut, 'column')} more: \\x shows them`;
  if (!more) return `${renderTableFooter(rowCount, durationMs)}${columns}`;
  const time = durationMs === undefined ? '' : `; ${formatDuration(durationMs)}`;
  return `first ${formatQuantity(rowCount, 'row')}; --max-rows shows more, --json all${columns}${time}`;
}
