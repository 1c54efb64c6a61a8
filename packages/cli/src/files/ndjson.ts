/** Files with one JSON object a line. */
import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { GridError } from '@ashlar/api';
import { parseExactJson } from '../values/text-form.ts';
import type { Document, RowBatch, RowSource } from './rows.ts';

const BATCH_ROWS = 2048;
/** Keys and values of an export come back as they were; other files are read as every JSON reader does, and faster. */
const EXPORTED_WITH_LONG_NUMBERS = /^\{"__key":.*\d{16}/;

export function openNdjson(path: string): RowSource {
  const bytesTotal = statSync(path).size;
  return { rowCount: undefined, bytesTotal, batches: (limit) => readNdjson(path, limit) };
}

async function* readNdjson(path: string, limit = Number.POSITIVE_INFINITY): AsyncGenerator<RowBatch> {
  const input = createReadStream(path);
  let rows: Document[] = [];
  let rowCount = 0;
  let lineNumber = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      lineNumber += 1;
      if (rowCount >= limit) break;
      if (line.trim() === '') continue;
      rows.push(parseLine(path, line, lineNumber));
      rowCount += 1;
      if (rows.length < BATCH_ROWS) continue;
      yield { rows, bytesRead: input.bytesRead };
      rows = [];
    }
  } finally {
    input.destroy();
  }
  if (rows.length > 0) yield { rows, bytesRead: input.bytesRead };
}

function parseLine(path: string, line: string, lineNumber: number): Document {
  const where = `${path}, line ${lineNumber}`;
  let value: unknown;
  try {
    value = EXPORTED_WITH_LONG_NUMBERS.test(line) ? parseExactJson(line) : JSON.parse(line);
  } catch (cause) {
    throw new GridError('INVALID_ARGUMENT', `${where}: not valid JSON`, { cause, details: { line: lineNumber } });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Document;
  throw new GridError('INVALID_ARGUMENT', `${where}: a JSON object is wanted`, { details: { line: lineNumber } });
}
