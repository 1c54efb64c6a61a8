/**
 * CSV files with a header line.
 *
 *   pass 1: every value of every column -> its type        pass 2: rows -> documents, in batches
 *
 * csv C1  A column has one type over the whole file: number or boolean when every value is one, else text (so that codes
 *         like 007, and whole numbers that no double holds, stay as they are written).
 * csv C2  An empty field is null; in quotes it is the empty text, where the column is one of texts. With a null text of the
 *         caller's, that text is null where it stands without quotes, and an empty field is an empty text.
 * csv C3  A line is a row: a blank one is a row of null where the file has one column, and nothing elsewhere.
 * csv C4  A first line `sep=;`, with which spreadsheets name the delimiter, is not a row.
 * csv C5  Columns of an export that hold keys and values as text (`exported-rows.ts`) are text.
 */
import { statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { GridError } from '@ashlar/api';
import { CancelledError } from '@ashlar/core';
import { type CastingContext, type Options, type Parser, parse } from 'csv-parse';
import { parse as parseNow } from 'csv-parse/sync';
import { openText, type TextFile, textOf, unreadable } from './encoded-text.ts';
import { isExportColumn } from './exported-rows.ts';
import { type Document, type RowBatch, type RowSource, setField } from './rows.ts';
import { uniqueNames } from './unique-names.ts';

const BATCH_ROWS = 2048;
const TOLD_DELIMITER = /^sep=([^\r\n"])\r?\n/i;
const DELIMITERS = [',', ';', '\t', '|'];
/** Rows of the sample that are looked at for each delimiter. */
const SNIFFED_ROWS = 200;

type ColumnType = 'number' | 'boolean' | 'text';
/** A line of the file; null: the null text, without quotes. */
type Fields = readonly (string | null)[];

export interface CsvOptions {
  /** One character; default: the one of , ; tab | that the first lines agree on. */
  readonly delimiter?: string | undefined;
  readonly encoding?: string | undefined;
  /** Text that stands for NULL; default: an empty field. */
  readonly nullText?: string | undefined;
}

/** Facts about a file that are known before its rows are read. */
interface CsvForm {
  readonly file: TextFile;
  readonly names: readonly string[];
  readonly notices: readonly string[];
  readonly parsing: Options;
}

/** @throws GridError INVALID_ARGUMENT for a file that is empty or no text */
export async function openCsv(path: string, options: CsvOptions = {}): Promise<RowSource> {
  const file = await openText(path, options.encoding);
  const form = await formOf(file, options);
  return {
    rowCount: undefined,
    bytesTotal: statSync(path).size,
    notices: form.notices,
    textColumns: { keys: true, values: true },
    batches: (limit = Number.POSITIVE_INFINITY, signal) => readCsv(form, limit, signal),
  };
}

async function* readCsv(form: CsvForm, limit: number, signal: AbortSignal | undefined): AsyncGenerator<RowBatch> {
  const types = await typesOf(form, limit, signal);
  let bytesRead = 0;
  const rows = rowsOf(form, limit, (bytes) => {
    bytesRead = bytes;
  });
  let batch: Document[] = [];
  for await (const fields of rows) {
    batch.push(toDocument(fields, form.names, types));
    if (batch.length < BATCH_ROWS) continue;
    yield { rows: batch, bytesRead };
    batch = [];
  }
  if (batch.length > 0) yield { rows: batch, bytesRead };
}

/* ---- Lines of fields --------------------------------------------------------------------------------------------- */

/** The rows below the header. @throws GridError INVALID_ARGUMENT with the line of what is broken */
async function* rowsOf(
  { file, parsing }: CsvForm,
  limit: number,
  onBytes: (count: number) => void,
): AsyncGenerator<Fields, void, undefined> {
  if (limit <= 0) return;
  const input = Readable.from(textOf(file, onBytes));
  const parser: Parser = input.pipe(parse(parsing));
  input.once('error', (error) => parser.destroy(error));
  let row = -1;
  try {
    for await (const fields of parser as AsyncIterable<Fields>) {
      row += 1;
      if (row > 0) yield fields;
      if (row >= limit) return;
    }
  } catch (cause) {
    throw GridError.is(cause) ? cause : unreadable(file.path, cause);
  } finally {
    input.destroy();
    parser.destroy();
  }
}

async function formOf(file: TextFile, options: CsvOptions): Promise<CsvForm> {
  const { nullText = '' } = options;
  const told = TOLD_DELIMITER.exec(file.sample)?.[1];
  const delimiter = options.delimiter ?? told ?? sniffDelimiter(file.sample);
  const parsing: Options = {
    ...linesOptions(file.sample, delimiter),
    from_line: told === undefined ? 1 : 2,
    cast: (text: string, { quoting }: CastingContext) => (quoting || text !== nullText ? text : null),
  };
  const [header] = await firstRecord(file, parsing);
  const given = header.map((name) => name ?? '');
  const { names, notices } = uniqueNames(given);
  return { file, names, notices, parsing: { ...parsing, skip_empty_lines: names.length > 1 } };
}

/** The header, which may be longer than the sample. */
async function firstRecord(file: TextFile, parsing: Options): Promise<readonly [Fields]> {
  const input = Readable.from(textOf(file, () => {}));
  const parser: Parser = input.pipe(parse({ ...parsing, to: 1, skip_empty_lines: true }));
  input.once('error', (error) => parser.destroy(error));
  try {
    for await (const fields of parser as AsyncIterable<Fields>) return [fields];
  } catch (cause) {
    throw GridError.is(cause) ? cause : unreadable(file.path, cause);
  } finally {
    input.destroy();
  }
  throw new GridError('INVALID_ARGUMENT', `${file.path} has no header line`);
}

/** Lines end with \n or \r\n, also both in one file; with \r only where the file has no other. */
function linesOptions(sample: string, delimiter: string): Options {
  const isOldMac = !sample.includes('\n') && sample.includes('\r');
  return { delimiter, record_delimiter: isOldMac ? ['\r'] : ['\r\n', '\n'], bom: true };
}

/** The delimiter by which most of the first lines have as many fields as the header, and the header more than one. */
function sniffDelimiter(sample: string): string {
  let best = { delimiter: ',', agreeing: 0, fields: 1 };
  for (const delimiter of DELIMITERS) {
    const counts = fieldCounts(sample, delimiter);
    const fields = counts[0] ?? 0;
    if (fields < 2) continue;
    const agreeing = counts.filter((count) => count === fields).length / counts.length;
    if (agreeing > best.agreeing || (agreeing === best.agreeing && fields > best.fields)) {
      best = { delimiter, agreeing, fields };
    }
  }
  return best.delimiter;
}

function fieldCounts(sample: string, delimiter: string): number[] {
  // The last line may be cut.
  const end = Math.max(sample.lastIndexOf('\n'), sample.lastIndexOf('\r'));
  const lines = end > 0 ? sample.slice(0, end + 1) : sample;
  try {
    const records: string[][] = parseNow(lines, {
      ...linesOptions(sample, delimiter),
      ...{ relax_column_count: true, relax_quotes: true, skip_empty_lines: true, to: SNIFFED_ROWS },
    });
    return records.map((record) => record.length);
  } catch {
    // The sample cuts a quoted field: nothing can be said about this delimiter.
    return [];
  }
}

/* ---- Types ------------------------------------------------------------------------------------------------------- */

const NUMBER = /^[ \t]*[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[ \t]*$/;
/** As the exports of this product, and of most others, write what JSON lacks. */
const NOT_FINITE = /^[ \t]*(?:NaN|-?Infinity)[ \t]*$/;

/** Reads the file once for the types of its columns (csv C1). */
async function typesOf(form: CsvForm, limit: number, signal: AbortSignal | undefined): Promise<readonly ColumnType[]> {
  const { names } = form;
  const seen = names.map((name) => ({
    numbers: !isExportColumn(name, names),
    booleans: !isExportColumn(name, names),
    values: 0,
  }));
  for await (const fields of rowsOf(form, limit, () => {})) {
    if (signal?.aborted) throw new CancelledError('loading');
    for (let column = 0; column < seen.length; column += 1) {
      const value = fields[column];
      if (value === null || value === undefined || value === '') continue;
      const of = seen[column]!;
      of.values += 1;
      if (of.numbers && !isNumber(value)) of.numbers = false;
      if (of.booleans && value !== 'true' && value !== 'false') of.booleans = false;
    }
  }
  return seen.map(({ numbers, booleans, values }) => {
    if (values === 0) return 'text';
    return numbers ? 'number' : booleans ? 'boolean' : 'text';
  });
}

/** Whole numbers beyond 2^53 and leading zeros are no numbers: reading them would change them. */
function isNumber(text: string): boolean {
  if (!NUMBER.test(text)) return NOT_FINITE.test(text);
  const value = Number(text);
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER || (/[eE]/.test(text) && Number.isFinite(value));
}

function typedValue(text: string | null, type: ColumnType): unknown {
  if (text === null || type === 'text') return text;
  if (text === '') return null;
  return type === 'number' ? Number(text) : text === 'true';
}

function toDocument(fields: Fields, names: readonly string[], types: readonly ColumnType[]): Document {
  const document: Document = {};
  for (let column = 0; column < names.length; column += 1) {
    setField(document, names[column]!, typedValue(fields[column] ?? null, types[column]!));
  }
  return document;
}
