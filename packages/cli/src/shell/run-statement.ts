/** Runs one statement and writes what it answers, in the form that was asked for. */
import type { Grid, ResultColumn, SqlResult } from '@ashlar/api';
import { formatDuration, formatQuantity, makeResultWriter, type ResultMode, writeAll } from '@ashlar/terminal';
import type { CliContext } from '../context.ts';

export interface StatementOptions {
  readonly params: readonly unknown[];
  /** Undefined: the client's. */
  readonly timeoutMs: number | undefined;
  /** Values of odd kinds are errors. */
  readonly strict?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly mode: ResultMode;
  /** Rows that people are shown. */
  readonly rowsMax: number;
  /** Whether the time is shown. */
  readonly timing: boolean;
  /** Called before anything is written; more than once. */
  readonly beforeOutput?: () => void;
}

export async function runStatement(
  context: CliContext,
  grid: Grid,
  text: string,
  options: StatementOptions,
): Promise<void> {
  const { params, signal, timeoutMs, strict } = options;
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const result = grid.sql(text, params, { signal, timeoutMs, strict });
  const columns = await result.columns();
  if (columns.length === 0) {
    const { affected } = await result.execute();
    options.beforeOutput?.();
    await tellChange(context, affected, elapsedMs(), options);
  } else {
    await tellRows(context, result, columns, elapsedMs, options);
  }
  const { yellow } = context.err.colours;
  for (const notice of await result.notices()) context.err.line(`${yellow('notice:')} ${notice}`);
}

/** INSERT, UPDATE, DELETE and TRUNCATE answer no columns. */
async function tellChange(
  { out, err }: CliContext,
  affected: number,
  durationMs: number,
  { mode, timing }: StatementOptions,
): Promise<void> {
  if (mode === 'json' || mode === 'ndjson') {
    await writeAll(out.stream, `${JSON.stringify({ affected, timeMs: durationMs })}\n`);
    return;
  }
  // CSV holds rows only: what is no row goes to the error stream.
  const screen = mode === 'csv' ? err : out;
  screen.line(`${formatQuantity(affected, 'row')} changed${timing ? ` in ${formatDuration(durationMs)}` : ''}`);
}

async function tellRows(
  { out }: CliContext,
  result: SqlResult<unknown>,
  columns: readonly ResultColumn[],
  elapsedMs: () => number,
  { mode, rowsMax, timing, beforeOutput = () => {} }: StatementOptions,
): Promise<void> {
  const writer = makeResultWriter(mode, out, rowsMax);
  let rowCount = 0;
  let more = false;
  if (mode !== 'table' && mode !== 'expanded') beforeOutput();
  await writer.begin(columns);
  for await (const batch of result.batches()) {
    const wanted = Math.min(batch.rowCount, writer.rowsMax - rowCount);
    if (mode !== 'table') beforeOutput();
    await writer.rows(batch, wanted);
    rowCount += wanted;
    more = batch.rowCount > wanted;
    if (more) break;
  }
  beforeOutput();
  const isTimed = timing || mode === 'json';
  await writer.end({ rowCount, more, durationMs: isTimed ? elapsedMs() : undefined });
}
