/** Typed tables: a name and a type a column, numbers to the right, a line with the row count and the time below. */
import type { ResultColumn } from '@ashlar/api';
import Table from 'cli-table3';
import { formatDuration, formatQuantity, formatValue } from './format.ts';
import type { Colours } from './screen.ts';

export interface TableData {
  readonly columns: readonly ResultColumn[];
  /** rows[row][column]. */
  readonly rows: readonly (readonly unknown[])[];
}

export interface TableOptions {
  readonly colours: Colours;
  /** Digits after the point of numbers that are no integers. Default: all. */
  readonly decimals?: number;
  /** Shows the columns' types below their names. Default true. */
  readonly types?: boolean;
  /** Spaces before each line. Default 0. */
  readonly indent?: number;
  /** Longer cells are cut with an ellipsis. Default 60. */
  readonly cellCharsMax?: number;
}

const NUMERIC = new Set(['int4', 'int8', 'float8', 'numeric']);
const DEFAULT_CELL_CHARS_MAX = 60;

/** The table without a final line end. */
export function renderTable(data: TableData, options: TableOptions): string {
  const { colours, decimals, types = true, indent = 0, cellCharsMax = DEFAULT_CELL_CHARS_MAX } = options;
  const table = new Table({
    head: data.columns.map((column) => {
      const name = colours.bold(printable(column.name));
      return types ? `${name}\n${colours.dim(column.type)}` : name;
    }),
    colAligns: data.columns.map((column) => (NUMERIC.has(column.type) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of data.rows) {
    table.push(
      row.map((value) => {
        const text = cut(printable(formatValue(value, decimals)), cellCharsMax);
        return value === null || value === undefined ? colours.dim(text) : text;
      }),
    );
  }
  return table.toString().replace(/^/gm, ' '.repeat(indent));
}

/** "10 rows in 12.3 ms". */
export function renderTableFooter(rowCount: number, durationMs: number): string {
  return `${formatQuantity(rowCount, 'row')} in ${formatDuration(durationMs)}`;
}

/** Control characters, which could drive the reader's terminal, as escapes. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}
