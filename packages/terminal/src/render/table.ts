/** Typed tables: a name and a type a column, numbers to the right, a line with the row count and the time below. */
import type { ResultColumn } from '@ashlar/api';
import Table from 'cli-table3';
import { cutToWidth, printable, widthOf } from './cells.ts';
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
  /** Columns the terminal has: wide cells are cut until the table fits, then columns are left out. Default: any number. */
  readonly widthMax?: number;
}

export interface RenderedTable {
  /** Without a final line end. */
  readonly text: string;
  /** Columns, at the right, that did not fit. */
  readonly columnsLeftOut: number;
}

const NUMERIC = new Set(['int4', 'int8', 'float8', 'numeric']);
const DEFAULT_CELL_CHARS_MAX = 60;
/** Narrower than this, a column shows nothing useful. */
const CELL_CHARS_MIN = 8;
/** A line and a space on either side. */
const CELL_FRAME = 3;

/** The table without a final line end. */
export function renderTable(data: TableData, options: TableOptions): string {
  return layOutTable(data, options).text;
}

export function layOutTable(data: TableData, options: TableOptions): RenderedTable {
  const { colours, decimals, types = true, indent = 0, cellCharsMax = DEFAULT_CELL_CHARS_MAX } = options;
  const cells = data.rows.map((row) => row.map((value) => printable(formatValue(value, decimals))));
  const heads = data.columns.map((column) =>
    types ? [printable(column.name), column.type] : [printable(column.name)],
  );
  const natural = heads.map((head, column) => {
    const widest = Math.max(...head.map(widthOf), ...cells.map((row) => widthWithin(row[column]!, cellCharsMax)));
    return Math.min(widest, cellCharsMax);
  });
  const widths = fit(natural, (options.widthMax ?? Number.POSITIVE_INFINITY) - indent);
  const table = new Table({
    head: widths.map((width, column) => {
      const [name, type] = heads[column]!.map((line) => cutToWidth(line, width));
      return type === undefined ? colours.bold(name!) : `${colours.bold(name!)}\n${colours.dim(type)}`;
    }),
    colAligns: widths.map((_, column) => (isNumeric(data, column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  data.rows.forEach((row, index) => {
    table.push(
      widths.map((width, column) => {
        const text = cutToWidth(cells[index]![column]!, width);
        return row[column] === null || row[column] === undefined ? colours.dim(text) : text;
      }),
    );
  });
  const text = table.toString().replace(/^/gm, ' '.repeat(indent));
  return { text, columnsLeftOut: natural.length - widths.length };
}

/** "10 rows in 12.3 ms". @param durationMs  undefined: nobody asked for it */
export function renderTableFooter(rowCount: number, durationMs: number | undefined): string {
  const rows = formatQuantity(rowCount, 'row');
  return durationMs === undefined ? rows : `${rows} in ${formatDuration(durationMs)}`;
}

/** The widths that fit: the widest columns give way first, down to CELL_CHARS_MIN; then the last columns are left out. */
function fit(natural: readonly number[], widthMax: number): readonly number[] {
  const total = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width + CELL_FRAME, 1);
  if (total(natural) <= widthMax) return natural;
  for (let cap = Math.max(...natural) - 1; cap >= CELL_CHARS_MIN; cap -= 1) {
    const capped = natural.map((width) => Math.min(width, cap));
    if (total(capped) <= widthMax) return capped;
  }
  const narrow = natural.map((width) => Math.min(width, CELL_CHARS_MIN));
  while (narrow.length > 1 && total(narrow) > widthMax) narrow.pop();
  return narrow;
}

/** The width of a text, as far as it matters: a long one is not measured to its end. */
function widthWithin(text: string, widthMax: number): number {
  return text.length > widthMax * 4 ? widthMax : widthOf(text);
}

/** By its type; columns that have none may still hold numbers alone. */
function isNumeric({ columns, rows }: TableData, column: number): boolean {
  const { type } = columns[column]!;
  if (type !== 'unknown') return NUMERIC.has(type);
  const values = rows.map((row) => row[column]).filter((value) => value !== null && value !== undefined);
  return values.length > 0 && values.every((value) => typeof value === 'number' || typeof value === 'bigint');
}
