/** `ashlar export`: the entries of a map, as they are at one moment, into a file. */
import { type Grid, GridError, type GridKey } from '@ashlar/api';
import {
  ColumnTypes,
  EXPORT_FORMATS,
  type ExportFormat,
  fileSink,
  formatBytes,
  formatDuration,
  formatOf,
  formatQuantity,
  formatRate,
  hasTypes,
  holdsValues,
  keyText,
  openRowFile,
  type Sink,
  sqlName,
  startProgress,
  streamSink,
} from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';

interface ExportOptions extends CommonOptions {
  readonly format?: string;
  readonly timeout?: number;
  readonly null?: string;
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
    .option('--null <text>', 'what stands for NULL in csv (default: an empty field)')
    .option('--timeout <ms>', 'milliseconds after which it gives up (default: a week)', parseCount)
    .action((map: string, file: string, options: ExportOptions) =>
      guarded(context, options, () => exportMap(context, map, file, options)),
    );
}

async function exportMap(context: CliContext, map: string, file: string, options: ExportOptions): Promise<void> {
  const format = formatOf(file, options.format);
  const nullText = nullTextOf(options.null, format);
  const startedMs = performance.now();
  await withGrid(context, options, async (grid) => {
    const call = { signal: context.io.signal, timeoutMs: options.timeout ?? NO_TIMEOUT_MS };
    const columns = await columnsFor(grid, map, format, call);
    const openSink = (): Sink => (file === '-' ? streamSink(context.io.stdout) : fileSink(file));
    const { rows, bytes } = await writeRows(context, grid, { map, format, nullText, columns, openSink, call });
    const durationMs = performance.now() - startedMs;
    const rowsPerSecond = (rows / durationMs) * 1000;
    // Where standard output is the file, the figures go beside it.
    const screen = file === '-' ? context.err : context.out;
    if (options.json) {
      const perSecond = Math.round(rowsPerSecond);
      screen.line(JSON.stringify({ map, file, format, rows, bytes, durationMs, rowsPerSecond: perSecond }));
      return;
    }
    const figures = `${formatBytes(bytes)} in ${formatDuration(durationMs)}, ${formatRate(rowsPerSecond)}`;
    screen.line(
      `${formatQuantity(rows, 'row')} of ${map} written to ${file === '-' ? 'standard output' : file}: ${figures}`,
    );
  });
}

/** @throws GridError INVALID_ARGUMENT for a text that CSV would put in quotes, or where the format has nulls of its own */
function nullTextOf(text: string | undefined, format: ExportFormat): string | undefined {
  if (text === undefined) return undefined;
  if (format !== 'csv') throw new GridError('INVALID_ARGUMENT', `--null is for csv; ${format} has nulls of its own`);
  if (!/[",\r\n]/.test(text)) return text;
  throw new GridError('INVALID_ARGUMENT', '--null takes a text without quotes, commas and line ends');
}

interface ExportCall {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** The columns of a file. */
interface ExportColumns {
  /** SQL names. */
  readonly names: readonly string[];
  /** A column a field: values that are no documents are marked by `KIND`, and stand in `__value` where there are any. */
  readonly areFields: boolean;
  readonly valuesBesideFields: boolean;
}

interface Export {
  readonly map: string;
  readonly format: ExportFormat;
  readonly nullText: string | undefined;
  readonly columns: ExportColumns;
  readonly openSink: () => Sink;
  readonly call: ExportCall;
}

/** 'object' for documents; NULL, which stands for null here, and other words for values without fields. */
const KIND = `coalesce(json_typeof(__value), 'null')`;

interface Written {
  readonly rows: number;
  readonly bytes: number;
}

/** A few writers change the types of a map's fields; a map whose types never rest is not exported. */
const ATTEMPTS_MAX = 5;

/** Writes the file; again, where a column turned out to hold more than the type that was begun with. */
async function writeRows(context: CliContext, grid: Grid, job: Export): Promise<Written> {
  let known: ColumnTypes | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const outcome = await writeOnce(context, grid, job, known);
    if (!(outcome instanceof ColumnTypes)) return outcome;
    known = outcome;
  }
  throw new GridError(
    'INVALID_VALUE',
    `the types of fields in ${job.map} changed during each of ${ATTEMPTS_MAX} attempts`,
    {
      hint: 'export to .ndjson, where each value has its own type',
    },
  );
}

/** @returns wider types to begin with; a file that is not whole is taken away again */
async function writeOnce(
  context: CliContext,
  grid: Grid,
  { map, format, nullText, columns, openSink, call }: Export,
  known: ColumnTypes | undefined,
): Promise<Written | ColumnTypes> {
  const { names, areFields, valuesBesideFields } = columns;
  const sink = openSink();
  try {
    const selected = areFields ? [...names, KIND] : names;
    const result = grid.sql(`SELECT ${selected.join(', ')} FROM ${sqlName(map)}`, [], call);
    const writer = await openRowFile(format, sink, { valuesBesideFields, nullText });
    const types = known ?? new ColumnTypes((await result.columns()).slice(0, names.length));
    const total = (await grid.maps(call)).find(({ name }) => name === map)?.entries;
    const progress = startProgress(context.err, { label: map, unit: 'rows', total });
    let rows = 0;
    let isTooNarrow = false;
    let isBegun = false;
    try {
      for await (const batch of result.batches()) {
        if (areFields && !valuesBesideFields) requireDocuments(map, batch.values(0), batch.values(names.length));
        isTooNarrow = (types.add(batch) && isBegun && hasTypes(format)) || isTooNarrow;
        rows += batch.rowCount;
        if (isTooNarrow) continue;
        if (!isBegun) await writer.begin(types.columns);
        isBegun = true;
        await writer.rows(batch);
        progress.update(rows, sink.bytesWritten);
      }
    } finally {
      progress.stop();
    }
    if (isTooNarrow) return await beginAgain(sink, types);
    if (!isBegun) await writer.begin(types.columns);
    await writer.end();
    await sink.commit();
    return { rows, bytes: sink.bytesWritten };
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

/** @throws GridError INVALID_ARGUMENT when what was written cannot be taken back */
async function beginAgain(sink: Sink, types: ColumnTypes): Promise<ColumnTypes> {
  if (!sink.canDiscard && sink.bytesWritten > 0) {
    throw new GridError('INVALID_ARGUMENT', 'a field holds values of several types, and part of the file is out', {
      hint: 'export to a file in place of standard output, or to ndjson',
    });
  }
  await sink.discard();
  return types;
}

/** A column a field of the documents; where there are none, the values are one column. */
async function columnsFor(grid: Grid, map: string, format: ExportFormat, call: ExportCall): Promise<ExportColumns> {
  const whole = { names: ['__key', '__value'], areFields: false, valuesBesideFields: false };
  if (holdsValues(format)) return whole;
  const fields = await grid.sql(`SELECT * FROM ${sqlName(map)} LIMIT 0`, [], call).columns();
  const names = fields.map(({ name }) => name);
  if (names.length === 0) return whole;
  for (const name of names) requireColumnName(map, name);
  const valuesBesideFields = await hasValuesWithoutFields(grid, map, call);
  const values = valuesBesideFields ? ['__value'] : [];
  return { names: ['__key', ...names.map(sqlName), ...values], areFields: true, valuesBesideFields };
}

/** Names that SQL does not read as fields of the documents. */
const RESERVED: ReadonlySet<string> = new Set(['__key', '__value', '__version', '__expires_at']);

/** @throws GridError INVALID_VALUE for a field that no column of a statement can be */
function requireColumnName(map: string, field: string): void {
  if (field !== '' && !RESERVED.has(field)) return;
  const what = field === '' ? 'a field without a name' : `a field '${field}', which names something else in SQL`;
  throw new GridError('INVALID_VALUE', `documents of ${map} have ${what}: no column can stand for it`, {
    hint: 'export to .ndjson, which has a place for every value',
    details: { map, field },
  });
}

async function hasValuesWithoutFields(grid: Grid, map: string, call: ExportCall): Promise<boolean> {
  const found = grid.sql(`SELECT __key FROM ${sqlName(map)} WHERE ${KIND} <> 'object' LIMIT 1`, [], call);
  return (await found.first()) !== undefined;
}

/** @throws GridError INVALID_VALUE when one came after the columns were settled: the file has no place for it */
function requireDocuments(map: string, keys: readonly unknown[], kinds: readonly unknown[]): void {
  const row = kinds.findIndex((kind) => kind !== 'object');
  if (row < 0) return;
  const key = keyText(keys[row] as GridKey);
  throw new GridError(
    'INVALID_VALUE',
    `the value of ${key} in ${map} is not a document: it was stored during the export`,
    {
      hint: 'export again; .ndjson has a place for every value',
      details: { map, key },
    },
  );
}
