/** DuckDB in this process, the rows in a table in memory. */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type Columns, groupName, type QueryName, ROW_COUNT, type Row, statement } from './data.ts';
import type { ScanSubject } from './subjects.ts';

export class DuckScan implements ScanSubject {
  readonly #connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async open({ x, y, g }: Columns, threads: number): Promise<DuckScan> {
    const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) });
    const connection = await instance.connect();
    await connection.run('CREATE TABLE t (k INTEGER, x DOUBLE, y DOUBLE, g INTEGER, s VARCHAR)');
    const appender = await connection.createAppender('t');
    for (let row = 0; row < ROW_COUNT; row++) {
      appender.appendInteger(row);
      appender.appendDouble(x[row]!);
      appender.appendDouble(y[row]!);
      appender.appendInteger(g[row]!);
      appender.appendVarchar(groupName(g[row]!));
      appender.endRow();
    }
    appender.closeSync();
    return new DuckScan(connection);
  }

  async ask(query: QueryName, constant: number): Promise<readonly Row[]> {
    const reader = await this.#connection.runAndReadAll(statement(query, constant));
    return reader.getRowObjectsJS() as readonly Row[];
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
  }
}
