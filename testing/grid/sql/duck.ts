/** DuckDB over the same data, and whether two results are the same. */
import { Decimal } from '@ashlar/client';
import { DuckDBInstance } from '@duckdb/node-api';

export type Rows = readonly (readonly unknown[])[];

export class Duck {
  readonly #connection: Awaited<ReturnType<DuckDBInstance['connect']>>;

  private constructor(connection: Awaited<ReturnType<DuckDBInstance['connect']>>) {
    this.#connection = connection;
  }

  /** A database in memory that orders NULLs as PostgreSQL does. */
  static async open(statements: readonly string[]): Promise<Duck> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const duck = new Duck(await instance.connect());
    await duck.#connection.run("SET default_null_order = 'nulls_last_on_asc_first_on_desc'");
    for (const statement of statements) await duck.#connection.run(statement);
    return duck;
  }

  async rows(sql: string): Promise<Rows> {
    return (await this.#connection.runAndReadAll(sql)).getRowsJS();
  }

  close(): void {
    this.#connection.closeSync();
  }
}

/** What differs, as text; undefined for equal results. Without `isOrdered` rows are compared as multisets. */
export function difference(mine: Rows, theirs: Rows, isOrdered: boolean): string | undefined {
  if (mine.length !== theirs.length) return `${mine.length} rows, expected ${theirs.length}`;
  const [a, b] = [mine, theirs].map((rows) => {
    const plain = rows.map((row) => row.map(plainCell));
    return isOrdered ? plain : plain.sort(compareRows);
  });
  const at = a!.findIndex((row, index) => compareRows(row, b![index]!) !== 0);
  return at < 0 ? undefined : `row ${at}: ${a![at]!.join(' | ')}, expected ${b![at]!.join(' | ')}`;
}

type Cell = string | number | null;

function plainCell(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint' || Decimal.is(value)) return Number(value);
  if (value instanceof Date) return `time ${value.getTime()}`;
  return typeof value === 'boolean' ? `is ${value}` : String(value);
}

/** Texts and nulls first, so that rows whose numbers differ in the last bits stand in one order. */
function compareRows(one: readonly Cell[], other: readonly Cell[]): number {
  return compareBy(one, other, compareWords) || compareBy(one, other, compareNumbers);
}

function compareBy(one: readonly Cell[], other: readonly Cell[], compare: (a: Cell, b: Cell) => number): number {
  for (const [index, cell] of one.entries()) {
    const order = compare(cell, other[index]!);
    if (order !== 0) return order;
  }
  return one.length - other.length;
}

function compareWords(a: Cell, b: Cell): number {
  const [x, y] = [a, b].map((cell) => (cell === null ? '' : typeof cell === 'number' ? ' number' : `t${cell}`));
  return x! < y! ? -1 : x! > y! ? 1 : 0;
}

function compareNumbers(a: Cell, b: Cell): number {
  if (typeof a !== 'number' || typeof b !== 'number') return 0;
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b)) ? 0 : a - b;
}
