/** Act 2: three statements, fanned out to the partitions of both members. */

import type { ResultColumn } from '@ashlar/api';
import { renderTable, renderTableFooter } from '@ashlar/terminal';
import { flightStatements, type Statement } from '../flights/statements.ts';
import { headline, type Stage } from './stage.ts';

export interface Answer extends Statement {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly Record<string, unknown>[];
  readonly timeMs: number;
}

export async function select({ options, screen, grid, signal }: Stage): Promise<readonly Answer[]> {
  headline(screen, 'select', 'SQL over the documents, on both members');
  const answers: Answer[] = [];
  for (const statement of flightStatements(options.rows)) {
    const { title, sql, params } = statement;
    const startedMs = performance.now();
    const result = grid.sql(sql, params, { signal });
    const rows = await result.all();
    const timeMs = performance.now() - startedMs;
    const columns = await result.columns();
    answers.push({ ...statement, columns, rows, timeMs });

    screen.line();
    screen.line(`  ${screen.colours.bold(title)}`);
    for (const line of sql.split('\n')) screen.line(`  ${screen.colours.cyan(line)}`);
    if (params.length > 0)
      screen.line(screen.colours.dim(`  with ${params.map((value, at) => `$${at + 1} = ${value}`)}`));
    const cells = rows.map((row) => columns.map((column) => row[column.name]));
    screen.line(renderTable({ columns, rows: cells }, { colours: screen.colours, decimals: 2, indent: 2 }));
    screen.line(screen.colours.dim(`  ${renderTableFooter(rows.length, timeMs)}`));
  }
  return answers;
}
