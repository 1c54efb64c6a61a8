/**
 * Runs one file against a grid, record by record, and judges each.
 *
 *   passed    the rows, or the failure, that the file expects
 *   refused   named as unsupported: what the grid does not have yet, or does on purpose otherwise
 *   wrong     other rows, an error of another kind, no error where one was expected
 *   spoilt    other rows, after a statement that fills or drops a table was refused: the data is not the file's
 */

import type { Grid } from '../../packages/api/src/index.ts';
import { GridError } from '../../packages/core/src/index.ts';
import { type QueryRecord, recordsOf, type StatementRecord, type TestRecord } from './records.ts';
import { difference } from './rendering.ts';
import { Tables } from './tables.ts';

export type Verdict = 'passed' | 'refused' | 'wrong' | 'spoilt';

export interface Judgement {
  readonly record: TestRecord;
  readonly verdict: Verdict;
  /** Why, where it did not pass. */
  readonly detail: string;
}

/** Queries under way at once; statements run alone. */
const WINDOW = 4;
/** Codes by which the grid says that it does not do something. */
const REFUSALS: ReadonlySet<string> = new Set(['UNSUPPORTED_SQL', 'UNKNOWN_FUNCTION', 'STATEMENT_TOO_LARGE']);

export async function runFile(text: string, grid: Grid, onJudged: (judgement: Judgement) => void): Promise<void> {
  const run = new FileRun(grid);
  let queries: Promise<Judgement>[] = [];
  const settle = async (): Promise<void> => {
    for (const judgement of await Promise.all(queries)) onJudged(judgement);
    queries = [];
  };
  for (const record of recordsOf(text)) {
    if (record.kind === 'query') queries.push(run.query(record));
    if (record.kind === 'statement' || queries.length >= WINDOW) await settle();
    if (record.kind === 'statement') onJudged(await run.statement(record));
  }
  await settle();
}

class FileRun {
  readonly #grid: Grid;
  readonly #tables = new Tables();
  #isSpoilt = false;

  constructor(grid: Grid) {
    this.#grid = grid;
  }

  async statement(record: StatementRecord): Promise<Judgement> {
    const failure = await this.#change(record.sql);
    if (record.fails) {
      return failure === undefined ? this.#judged(record, 'wrong', 'no error') : this.#judged(record, 'passed', '');
    }
    if (failure === undefined) return this.#judged(record, 'passed', '');
    if (/^\s*(insert|create\s+(temp\w*\s+)?(table|view)|update|delete|replace|drop|truncate)/i.test(record.sql)) {
      this.#isSpoilt = true;
    }
    return this.#failed(record, failure);
  }

  async query(record: QueryRecord): Promise<Judgement> {
    try {
      const rows: (readonly unknown[])[] = [];
      for await (const batch of this.#grid.sql(record.sql).batches()) {
        const columns = batch.columns.map((_, column) => batch.values(column));
        for (let row = 0; row < batch.rowCount; row++) rows.push(columns.map((values) => values[row]));
      }
      const differs = difference(record, rows);
      if (differs === undefined) return this.#judged(record, 'passed', '');
      return this.#judged(record, this.#isSpoilt ? 'spoilt' : 'wrong', differs);
    } catch (error) {
      return this.#failed(record, GridError.wrap(error));
    }
  }

  #failed(record: TestRecord, { code, message }: GridError): Judgement {
    const isRefused = REFUSALS.has(code);
    const detail = `${code}: ${message}`;
    if (isRefused) return this.#judged(record, 'refused', detail);
    return this.#judged(record, this.#isSpoilt ? 'spoilt' : 'wrong', detail);
  }

  #judged(record: TestRecord, verdict: Verdict, detail: string): Judgement {
    return { record, verdict, detail };
  }

  /** Runs a statement; gives its failure. */
  async #change(sql: string): Promise<GridError | undefined> {
    const translated = this.#tables.translate(sql);
    try {
      switch (translated.kind) {
        case 'refused':
          return new GridError('INVALID_ARGUMENT', translated.why);
        case 'create': {
          const map = this.#grid.map(translated.map);
          await map.put(0, {});
          await map.remove(0);
          return undefined;
        }
        case 'drop':
          await this.#grid.map(translated.map).clear();
          return undefined;
        case 'sql':
          await this.#grid.sql(translated.sql).execute();
          return undefined;
      }
    } catch (error) {
      return GridError.wrap(error);
    }
  }
}
