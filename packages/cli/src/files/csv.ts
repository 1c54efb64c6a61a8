/**
 * CSV files with a header line. A column is numeric or boolean when every value of the first rows is (so that codes
 * like 007 or 1E5 stay text, and a column has one type); an empty field is null.
 */
import { createReadStream, statSync } from 'node:fs';
import { GridError } from '@ashlar/api';
import { parse } from 'csv-parse';
import { type Document, type RowBatch, type RowSource, setField } from './rows.ts';

const SAMPLE_ROWS = 1000;
const BATCH_ROWS = 2048;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?$/;

type ColumnType = 'number' | 'boolean' | 'text';
type TextRow = Record<string, string>;

/** @param delimiter  between fields; a tab for .tsv */
export function openCsv(path: string, delimiter = ','): RowSource {
  const bytesTotal = statSync(path).size;
  return { rowCount: undefined, bytesTotal, batches: (limit) => readCsv(path, delimiter, limit) };
}

async function* readCsv(path: string, delimiter: string, limit?: number): AsyncGenerator<RowBatch> {
  const input = createReadStream(path);
  const parser = input.pipe(parse({ columns: true, delimiter, bom: true, to: limit ?? -1, skip_empty_lines: true }));
  input.once('error', (error) => parser.destroy(error));
  let types: ReadonlyMap<string, ColumnType> | undefined;
  let texts: TextRow[] = [];
  const take = (): RowBatch => {
    types ??= inferTypes(texts);
    const known = types;
    const rows = texts.map((row) => toDocument(row, known));
    texts = [];
    return { rows, bytesRead: input.bytesRead };
  };
  try {
    for await (const row of parser as AsyncIterable<TextRow>) {
      texts.push(row);
      if (texts.length >= (types === undefined ? SAMPLE_ROWS : BATCH_ROWS)) yield take();
    }
  } catch (cause) {
    const why = Error.isError(cause) ? cause.message : String(cause);
    throw new GridError('INVALID_ARGUMENT', `${path} cannot be read: ${why}`, { cause });
  } finally {
    input.destroy();
  }
  if (texts.length > 0) yield take();
}

function inferTypes(sample: readonly TextRow[]): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>();
  for (const name of Object.keys(sample[0] ?? {})) {
    const values = sample.map((row) => row[name] ?? '').filter((value) => value !== '');
    types.set(name, inferType(values));
  }
  return types;
}

function inferType(values: readonly string[]): ColumnType {
  if (values.length === 0) return 'text';
  if (values.every(isNumber)) return 'number';
  return values.every((value) => value === 'true' || value === 'false') ? 'boolean' : 'text';
}

function isNumber(text: string): boolean {
  return NUMBER.test(text) && Math.abs(Number(text)) <= Number.MAX_SAFE_INTEGER;
}

function typedValue(text: string, type: ColumnType | undefined): unknown {
  if (text === '') return null;
  if (type === 'number' && isNumber(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function toDocument(row: TextRow, types: ReadonlyMap<string, ColumnType>): Document {
  const document: Document = {};
  for (const name in row) {
    const text = row[name]!;
    setField(document, name, typedValue(text, types.get(name)));
  }
  return document;
}
