/** DuckDB's answers to the show's questions on the same files: the oracle for the answers of the grid. */
import { DuckDBInstance } from '@duckdb/node-api';
import type { HistogramArgs } from '../flights/flights.jobs.ts';
import { dataFile } from '../flights/model.ts';
import { flightStatements } from '../flights/statements.ts';

export interface ExpectedAnswers {
  /** rows[statement][row], values by column name; bigints as numbers. */
  readonly statements: readonly (readonly Record<string, unknown>[])[];
  readonly histogram: readonly number[];
}

/** @param rows  the first rows of the file that count as loaded */
export async function duckdbAnswers(rows: number, histogram: HistogramArgs): Promise<ExpectedAnswers> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  try {
    await connection.run(`CREATE VIEW flights AS
      SELECT * EXCLUDE file_row_number FROM read_parquet('${dataFile('flights-3m.parquet')}', file_row_number = true)
      WHERE file_row_number < ${rows}`);
    await connection.run(
      `CREATE VIEW airports AS SELECT * FROM read_csv('${dataFile('airports.csv')}', header = true)`,
    );
    const ask = async (sql: string, params: readonly unknown[]) => {
      const reader = await connection.runAndReadAll(sql, params as number[]);
      return reader.getRowObjectsJS().map((row) => plainRow(row as Record<string, unknown>));
    };
    const statements = [];
    for (const { sql, params } of flightStatements(rows)) statements.push(await ask(sql, params));
    return { statements, histogram: await askHistogram(ask, histogram) };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function askHistogram(
  ask: (sql: string, params: readonly unknown[]) => Promise<Record<string, unknown>[]>,
  { fromMinutes, binMinutes, bins }: HistogramArgs,
): Promise<number[]> {
  const rows = await ask(
    `SELECT greatest(0, least($3 - 1, floor((delay - $1) / $2)))::int AS bin, count(*) AS flights
     FROM flights WHERE delay IS NOT NULL GROUP BY bin`,
    [fromMinutes, binMinutes, bins],
  );
  const counts = new Array<number>(bins).fill(0);
  for (const { bin, flights } of rows) counts[Number(bin)] = Number(flights);
  return counts;
}

function plainRow(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );
}

/** Rows are equal when their names and values are, averages to 12 digits (sums come in another order). */
export function expectSameRows(
  found: readonly Record<string, unknown>[],
  expected: readonly Record<string, unknown>[],
): void {
  expect(found.map(rounded)).toEqual(expected.map(rounded));
}

function rounded(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(12)) : value,
    ]),
  );
}
