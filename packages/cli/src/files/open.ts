/** Chooses the reader by the file's ending. */
import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { GridError } from '@ashlar/api';
import { openCsv } from './csv.ts';
import { openNdjson } from './ndjson.ts';
import { openParquet } from './parquet.ts';
import type { RowSource } from './rows.ts';

/** @throws GridError INVALID_ARGUMENT when there is no such file, or its ending is unknown */
export async function openRows(path: string): Promise<RowSource> {
  if (!existsSync(path)) throw new GridError('INVALID_ARGUMENT', `there is no file ${path}`);
  switch (extname(path).toLowerCase()) {
    case '.parquet':
      return openParquet(path);
    case '.csv':
      return openCsv(path);
    case '.tsv':
      return openCsv(path, '\t');
    case '.ndjson':
    case '.jsonl':
      return openNdjson(path);
    default:
      throw new GridError('INVALID_ARGUMENT', `${basename(path)}: unknown kind of file`, {
        hint: 'files end in .parquet, .csv, .tsv, .ndjson or .jsonl',
      });
  }
}
