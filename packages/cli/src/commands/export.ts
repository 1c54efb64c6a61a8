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
    const sink = file === '-' ? streamSink(context.io.stdout) : fileSink(file);
    const rows = await writeRows(context, grid, { map, format, sink, timeoutMs: options.timeout ?? NO_TIMEOUT_MS });
    const durationMs = performance.now() - startedMs;
    const rowsPerSecond = (rows / durationMs) * 1000;
    // Where standard output is the file, the figures go beside it.
    const screen = file === '-' ? context.err : context.out;
    const bytes = sink.bytesWritten;
    if (options.json) {
      const figures = { map, file, format, rows, bytes, durationMs, rowsPerSecond: Math.round(rowsPerSecond) };
      screen.line(JSON.stringify(figures));
      return;
    }
    const figures = `${formatBytes(bytes)} in ${formatDuration(durationMs)}, ${formatRate(rowsPerSecond)}`;
    screen.line(
      `${formatQuantity(rows, 'row')} of ${map} written to ${file === '-' ? 'standard output' : file}: ${figures}`,
    );
  });
}

interface Export {
  readonly map: string;
  readonly format: ExportFormat;
  readonly sink: Sink;
  readonly timeoutMs: number;
}

/** @returns how many; a file that is not whole is taken away again */
async function writeRows(context: CliContext, grid: Grid, { map, format, sink, timeoutMs }: Export): Promise<number> {
  const call = { signal: context.io.signal, timeoutMs };
  try {
    const statement = `SELECT ${await columnsFor(grid, map, format, call)} FROM ${sqlName(map)}`;
    const result = grid.sql(statement, [], call);
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

/** A column a field of the documents; values that are no documents are one column. */
async function columnsFor(
  grid: Grid,
  map: string,
  format: ExportFormat,
  call: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string> {
  if (holdsValues(format)) return '__key, __value';
  const fields = await grid.sql(`SELECT * FROM ${sqlName(map)} LIMIT 0`, [], call).columns();
  // A field of this name would stand beside the key.
  const names = fields.map(({ name }) => name).filter((name) => name !== '__key');
  return names.length === 0 ? '__key, __value' : `__key, ${names.map(sqlName).join(', ')}`;
}
