/** `ashlar import`: fills a map from a file of rows. */
import { GridError, type GridKey } from '@ashlar/api';
import {
  type Document,
  formatBytes,
  formatDuration,
  formatQuantity,
  formatRate,
  isExported,
  keyOfRow,
  type LoadOptions,
  type LoadResult,
  loadRows,
  openRows,
  type ProgressOptions,
  type RowSource,
  startProgress,
  valueOfRow,
} from '@ashlar/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';

/** How long a grid may take to be there. */
const READY_MS = 5000;

interface ImportOptions extends CommonOptions {
  readonly map: string;
  readonly key?: string;
  readonly limit?: number;
  readonly delimiter?: string;
  readonly encoding?: string;
  readonly null?: string;
}

export function importCommand(context: CliContext): Command {
  const example = 'ashlar import flights-3m.parquet --map flights';
  return gridCommand(context, 'import', 'fill a map from a file', example)
    .argument('<file>', '.parquet, .csv, .tsv, .ndjson, .jsonl or .json')
    .requiredOption('-m, --map <name>', 'the map to fill; created if it does not exist')
    .option(
      '-k, --key <field,...>',
      'field that is the key; several make a composite key (default: __key of an exported file, else the row number)',
    )
    .option('-n, --limit <rows>', 'at most this many rows', parseCount)
    .option(
      '-d, --delimiter <character>',
      'between fields of csv (default: , ; tab or |, by the first lines)',
      parseDelimiter,
    )
    .option('--encoding <name>', 'of text files: latin1, utf16le … (default: UTF-8, or what a byte order mark says)')
    .option('--null <text>', 'what stands for null in csv (default: an empty field)')
    .action((file: string, options: ImportOptions) =>
      guarded(context, options, () => importFile(context, file, options)),
    );
}

async function importFile(context: CliContext, file: string, options: ImportOptions): Promise<void> {
  const { delimiter, encoding, null: nullText } = options;
  const source = await openRows(file, { delimiter, encoding, nullText });
  await withGrid(context, options, async (grid) => {
    const load: LoadOptions<unknown> = {
      ...(options.key === undefined ? exportedEntries(source) : { keyOf: keyFunction(options.key) }),
      limit: options.limit,
      signal: context.io.signal,
    };
    // A grid that cannot be reached, or is incomplete, is reported before a row is read.
    await grid.maps({ signal: context.io.signal, timeoutMs: READY_MS });
    const result = await loadShowing(context, source, options.map, grid.map(options.map), load);
    const perSecond = (result.rows / result.durationMs) * 1000;
    const { notices = [] } = source;
    if (options.json) {
      context.out.line(JSON.stringify({ map: options.map, ...result, rowsPerSecond: Math.round(perSecond), notices }));
      return;
    }
    for (const notice of notices) context.err.line(`${context.err.colours.yellow('notice:')} ${notice}`);
    const { rows, bytes, durationMs } = result;
    const figures = `${formatBytes(bytes)} in ${formatDuration(durationMs)}, ${formatRate(perSecond)}`;
    context.out.line(`${formatQuantity(rows, 'row')} stored in ${options.map}: ${figures}`);
  });
}

/** Progress counts rows where the file says how many there are, bytes elsewhere. */
async function loadShowing(
  context: CliContext,
  source: RowSource,
  label: string,
  map: Parameters<typeof loadRows<unknown>>[1],
  load: LoadOptions<unknown>,
): Promise<LoadResult> {
  const total = source.rowCount === undefined ? undefined : Math.min(source.rowCount, load.limit ?? source.rowCount);
  const shown: ProgressOptions =
    total === undefined ? { label, unit: 'bytes', total: source.bytesTotal } : { label, unit: 'rows', total };
  const progress = startProgress(context.err, shown);
  try {
    return await loadRows(source, map, {
      ...load,
      onProgress: (rows, bytes) => (total === undefined ? progress.update(bytes) : progress.update(rows, bytes)),
    });
  } catch (error) {
    progress.stop();
    // Ctrl-C ends a command without a word; what was stored until then is worth a line.
    if (GridError.is(error, 'CANCELLED') && error.details !== undefined) context.err.line(error.message);
    throw error;
  } finally {
    progress.stop();
  }
}

/** Rows of an export bring their keys; those of other files have their number. */
function exportedEntries({ textColumns }: RowSource): Pick<LoadOptions<unknown>, 'keyOf' | 'toValue'> {
  const { keys = false, values = false } = textColumns ?? {};
  return {
    keyOf: (row, rowNumber) => (isExported(row) ? keyOfRow(row, keys) : rowNumber),
    toValue: (row) => (isExported(row) ? valueOfRow(row, values) : row),
  };
}

/** `\t` and `tab` are the tab, which shells make hard to type. */
function parseDelimiter(text: string): string {
  if (text === '\\t' || text.toLowerCase() === 'tab') return '\t';
  if ([...text].length === 1 && !/["\r\n]/.test(text)) return text;
  throw new InvalidArgumentError('one character is expected, neither a quote nor a line end.');
}

function keyFunction(fields: string): NonNullable<LoadOptions<unknown>['keyOf']> {
  const names = fields.split(',').map((name) => name.trim());
  const [only] = names;
  if (names.length === 1 && only !== undefined) return (row, number) => keyPart(row, only, number);
  return (row, number) => names.map((name) => keyPart(row, name, number));
}

function keyPart(row: Document, name: string, rowNumber: number): Exclude<GridKey, readonly unknown[]> {
  const value = row[name];
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Uint8Array) return value;
  const found = value === undefined ? 'is missing' : `is ${value === null ? 'null' : `a ${typeof value}`}`;
  throw new GridError('INVALID_KEY', `row ${rowNumber}: the key field '${name}' ${found}`, {
    hint: `fields of this row: ${Object.keys(row).join(', ')}`,
  });
}
