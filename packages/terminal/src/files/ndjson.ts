/** Files with one JSON object a line. */
import { statSync } from 'node:fs';
import { openText, type TextFile, textOf } from './encoded-text.ts';
import { brokenRow, ROW_CHARACTERS_MAX, rowOf } from './json-rows.ts';
import type { Document, RowBatch, RowSource } from './rows.ts';
import { linesOf } from './text-lines.ts';

const BATCH_ROWS = 2048;

/** @throws GridError INVALID_ARGUMENT for a file that is no text */
export async function openNdjson(path: string, encoding?: string): Promise<RowSource> {
  const file = await openText(path, encoding);
  const bytesTotal = statSync(path).size;
  return { rowCount: undefined, bytesTotal, batches: (limit) => readNdjson(file, limit) };
}

async function* readNdjson(file: TextFile, limit = Number.POSITIVE_INFINITY): AsyncGenerator<RowBatch> {
  let rows: Document[] = [];
  let rowCount = 0;
  let lineNumber = 0;
  let bytesRead = 0;
  const pieces = textOf(file, (bytes) => {
    bytesRead = bytes;
  });
  for await (const line of linesOf(pieces)) {
    lineNumber += 1;
    if (rowCount >= limit) break;
    if (line.trim() === '') continue;
    if (line.length > ROW_CHARACTERS_MAX) throw brokenRow(file.path, lineNumber, 'longer than 64 MiB');
    rows.push(rowOf(file.path, line, lineNumber));
    rowCount += 1;
    if (rows.length < BATCH_ROWS) continue;
    yield { rows, bytesRead };
    rows = [];
  }
  if (rows.length > 0) yield { rows, bytesRead };
}
