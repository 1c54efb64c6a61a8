/** `ashlar sql`: one statement, its rows as a typed table or as JSON. */
import type { ColumnBatch, Grid, ResultColumn, SqlResult } from '@ashlar/api';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';
import { formatDuration, formatQuantity, toPlain } from '../render/format.ts';
import { renderTable, renderTableFooter } from '../render/table.ts';

interface SqlOptions extends CommonOptions {
  readonly maxRows: number;
  readonly param: readonly string[];
  readonly timeout?: number;
}

const DEFAULT_ROWS_MAX = 1000;
const CHANGES_ROWS = /^(\s|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*(insert|update|delete)\b/i;

export function sqlCommand(context: CliContext): Command {
  const example = 'ashlar sql "SELECT origin, avg(delay) FROM flights WHERE distance > $1 GROUP BY origin" --param 500';
  return gridCommand(context, 'sql', 'run a SQL statement', example)
    .argument('<statement>', 'SQL text')
    .option('-p, --param <value>', 'a parameter: $1, $2 ... in order; JSON, or else text', collect, [])
    .option('--max-rows <count>', 'rows a table shows', parseCount, DEFAULT_ROWS_MAX)
    .option('--timeout <ms>', 'gives up after so many milliseconds', parseCount)
    .action((statement: string, options: SqlOptions) =>
      guarded(context, { json: options.json, statement }, () => runStatement(context, statement, options)),
    );
}

async function runStatement(context: CliContext, statement: string, options: SqlOptions): Promise<void> {
  await withGrid(context, options, async (grid) => {
    const params = options.param.map(parseParameter);
    const result = openStatement(context, grid, statement, params, options);
    if (CHANGES_ROWS.test(statement)) await tellChanges(context, result, options);
    else if (options.json) await tellJson(context, result);
    else await tellTable(context, result, options.maxRows);
    for (const notice of await result.notices()) context.err.line(`${context.err.colours.yellow('notice:')} ${notice}`);
  });
}

function openStatement(
  context: CliContext,
  grid: Grid,
  statement: string,
  params: readonly unknown[],
  options: SqlOptions,
): SqlResult<Record<string, unknown>> {
  return grid.sql(statement, params, { signal: context.io.signal, timeoutMs: options.timeout });
}

async function tellChanges(context: CliContext, result: SqlResult<unknown>, options: SqlOptions): Promise<void> {
  const startedMs = performance.now();
  const { affected } = await result.execute();
  const timeMs = performance.now() - startedMs;
  if (options.json) context.out.line(JSON.stringify({ affected, timeMs }));
  else context.out.line(`${formatQuantity(affected, 'row')} changed in ${formatDuration(timeMs)}`);
}

async function tellTable(context: CliContext, result: SqlResult<unknown>, rowsMax: number): Promise<void> {
  const { out } = context;
  const startedMs = performance.now();
  const rows: unknown[][] = [];
  let columns: readonly ResultColumn[] | undefined;
  let more = false;
  for await (const batch of result.batches()) {
    columns = batch.columns;
    const room = rowsMax - rows.length;
    rows.push(...rowsOf(batch, room));
    more = batch.rowCount > room;
    if (more) break;
  }
  columns ??= await result.columns();
  const timeMs = performance.now() - startedMs;
  if (columns.length > 0) out.line(renderTable({ columns, rows }, { colours: out.colours }));
  const rest = more ? `first ${formatQuantity(rows.length, 'row')}; --max-rows shows more, --json all; ` : '';
  out.line(out.colours.dim(more ? `${rest}${formatDuration(timeMs)}` : renderTableFooter(rows.length, timeMs)));
}

/** One JSON object, written as the rows come. */
async function tellJson(context: CliContext, result: SqlResult<unknown>): Promise<void> {
  const { stdout } = context.io;
  const startedMs = performance.now();
  let rowCount = 0;
  let columns: readonly ResultColumn[] | undefined;
  const writeHead = (): void => {
    stdout.write(`{"columns":${JSON.stringify(columns)},"rows":[`);
  };
  for await (const batch of result.batches()) {
    if (columns === undefined) {
      columns = batch.columns;
      writeHead();
    }
    const names = batch.columns.map((column) => column.name);
    for (const row of rowsOf(batch, batch.rowCount)) {
      const fields = Object.fromEntries(row.map((value, column) => [names[column]!, toPlain(value)]));
      stdout.write(`${rowCount === 0 ? '' : ','}\n${JSON.stringify(fields)}`);
      rowCount += 1;
    }
  }
  if (columns === undefined) {
    columns = await result.columns();
    writeHead();
  }
  const timeMs = Math.round((performance.now() - startedMs) * 1000) / 1000;
  stdout.write(`],"rowCount":${rowCount},"timeMs":${timeMs}}\n`);
}

function rowsOf(batch: ColumnBatch, rowsMax: number): unknown[][] {
  const columns = batch.columns.map((_, column) => batch.values(column));
  return Array.from({ length: Math.min(batch.rowCount, rowsMax) }, (_, row) => columns.map((values) => values[row]));
}

/** `5`, `true`, `null`, `"5"` are JSON; what is no JSON is text. */
function parseParameter(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
