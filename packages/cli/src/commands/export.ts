/** `ashlar export`: the entries of a map, as they are at one moment, into a file. */
import type { Grid } from '@ashlar/api';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';
import { EXPORT_FORMATS, type ExportFormat, formatOf, holdsValues, openRowFile } from '../files/export-file.ts';
import { fileSink, type Sink, streamSink } from '../files/sink.ts';
import { formatBytes, formatDuration, formatQuantity, formatRate } from '../render/format.ts';
import { startProgress } from '../render/progress.ts';
import { sqlName } from '../values/sql-name.ts';

interface ExportOptions extends CommonOptions {
  readonly format?: string;
  readonly timeout?: number;
}

/** As good as none: a file is as long as the map is large. */
const NO_TIMEOUT_MS = 7 * 86_400_000;

export function exportCommand(context: CliContext): Command {
  return gridCommand(context, 'export', 'write a map to a file', 'ashlar export flights flights.parquet', [
    'ashlar export flights - | gzip > flights.ndjson.gz',
  ])
    .argument('<map>', 'the map')
    .argument('<file>', '.parquet, .csv, .ndjson, .jsonl or .json; - is standard output')
    .option('-f, --format <format>', `${EXPORT_FORMATS.join(', ')} (default: by the ending; ndjson for -)`)
    .option('--timeout <ms>', 'gives up after so many milliseconds (default: a week)', parseCount)
    .action((map: string, file: string, options: ExportOptions) =>
      guarded(context, options, () => exportMap(context, map, file, options)),
    );
}

async function exportMap(context: CliContext, map: string, file: string, options: ExportOptions): Promise<void> {
  const format = formatOf(file, options.format);
  const startedMs = performance.now();
  await withGrid(context, options, async (grid) => {
    const call = { signal: context.io.signal, timeoutMs: options.timeout ?? NO_TIMEOUT_MS };
    const columns = await columnsFor(grid, map, format, call);
    const sink = file === '-' ? streamSink(context.io.stdout) : fileSink(file);
    const rows = await writeRows(context, grid, { map, format, columns, sink, call });
    const valuesLeftOut = columns.includes('__value') ? 0 : await countValuesWithoutFields(grid, map, call);
    const durationMs = performance.now() - startedMs;
    const rowsPerSecond = (rows / durationMs) * 1000;
    // Where standard output is the file, the figures go beside it.
    const screen = file === '-' ? context.err : context.out;
    const bytes = sink.bytesWritten;
    if (options.json) {
      const perSecond = Math.round(rowsPerSecond);
      screen.line(
        JSON.stringify({ map, file, format, rows, valuesLeftOut, bytes, durationMs, rowsPerSecond: perSecond }),
      );
      return;
    }
    if (valuesLeftOut > 0) {
      const notice = `${formatQuantity(valuesLeftOut, 'value')} left out, which are no documents; .ndjson keeps them`;
      context.err.line(`${context.err.colours.yellow('notice:')} ${notice}`);
    }
    const figures = `${formatBytes(bytes)} in ${formatDuration(durationMs)}, ${formatRate(rowsPerSecond)}`;
    screen.line(
      `${formatQuantity(rows, 'row')} of ${map} written to ${file === '-' ? 'standard output' : file}: ${figures}`,
    );
  });
}

interface ExportCall {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

interface Export {
  readonly map: string;
  readonly format: ExportFormat;
  /** SQL names. */
  readonly columns: readonly string[];
  readonly sink: Sink;
  readonly call: ExportCall;
}

/** @returns how many; a file that is not whole is taken away again */
async function writeRows(
  context: CliContext,
  grid: Grid,
  { map, format, columns, sink, call }: Export,
): Promise<number> {
  try {
    const result = grid.sql(`SELECT ${columns.join(', ')} FROM ${sqlName(map)}`, [], call);
    const writer = await openRowFile(format, sink);
    await writer.begin(await result.columns());
    const total = (await grid.maps(call)).find(({ name }) => name === map)?.entries;
    const progress = startProgress(context.err, { label: map, unit: 'rows', total });
    let rows = 0;
    try {
      for await (const batch of result.batches()) {
        await writer.rows(batch);
        rows += batch.rowCount;
        progress.update(rows, sink.bytesWritten);
      }
    } finally {
      progress.stop();
    }
    await writer.end();
    await sink.commit();
    return rows;
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

/** A column a field of the documents; where there are none, the values are one column. */
async function columnsFor(grid: Grid, map: string, format: ExportFormat, call: ExportCall): Promise<readonly string[]> {
  if (holdsValues(format)) return ['__key', '__value'];
  const fields = await grid.sql(`SELECT * FROM ${sqlName(map)} LIMIT 0`, [], call).columns();
  // A field of this name would stand beside the key.
  const names = fields.map(({ name }) => name).filter((name) => name !== '__key');
  return names.length === 0 ? ['__key', '__value'] : ['__key', ...names.map(sqlName)];
}

/** Entries whose values are no documents: a file of fields has no place for them. */
async function countValuesWithoutFields(grid: Grid, map: string, call: ExportCall): Promise<number> {
  const isOther = `coalesce(json_typeof(__value), 'null') <> 'object'`;
  const counted = grid.sql<{ n: number }>(`SELECT count(*) AS n FROM ${sqlName(map)} WHERE ${isOther}`, [], call);
  return (await counted.first())?.n ?? 0;
}
