/** Chooses the reader by the file's ending; readers that need a library are loaded when there is a file for them. */
import { existsSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { GridError } from '@ashlar/api';
import type { CsvOptions } from './csv.ts';
import { openJson } from './json.ts';
import { openNdjson } from './ndjson.ts';
import type { RowSource } from './rows.ts';

/** How a file is to be read, where its ending and its first bytes do not say. */
export type OpenOptions = CsvOptions;

type Kind = 'parquet' | 'csv' | 'tsv' | 'ndjson' | 'json';

const ENDINGS: Readonly<Record<string, Kind>> = {
  '.parquet': 'parquet',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'json',
};

const COMPRESSED = new Set(['.gz', '.tgz', '.zst', '.bz2', '.xz', '.lz4', '.br', '.zip', '.7z']);

/** Options that mean something, by kind. */
const OPTIONS: Readonly<Record<Kind, readonly (keyof OpenOptions)[]>> = {
  parquet: [],
  csv: ['delimiter', 'encoding', 'nullText'],
  tsv: ['delimiter', 'encoding', 'nullText'],
  ndjson: ['encoding'],
  json: ['encoding'],
};

/** @throws GridError INVALID_ARGUMENT when there is no such file, it is of no known kind, or holds nothing of its kind */
export async function openRows(path: string, options: OpenOptions = {}): Promise<RowSource> {
  const kind = kindOf(path);
  for (const name of Object.keys(options) as (keyof OpenOptions)[]) {
    if (options[name] === undefined || OPTIONS[kind].includes(name)) continue;
    const what = name === 'nullText' ? 'a null text' : name === 'encoding' ? 'an encoding' : 'a delimiter';
    throw new GridError('INVALID_ARGUMENT', `${basename(path)}: ${kind} files do not take ${what}`);
  }
  switch (kind) {
    case 'parquet':
      return (await import('./parquet.ts')).openParquet(path);
    case 'csv':
      return (await import('./csv.ts')).openCsv(path, options);
    case 'tsv':
      return (await import('./csv.ts')).openCsv(path, { ...options, delimiter: options.delimiter ?? '\t' });
    case 'ndjson':
      return openNdjson(path, options.encoding);
    case 'json':
      return openJson(path, options.encoding);
  }
}

function kindOf(path: string): Kind {
  if (!existsSync(path)) throw new GridError('INVALID_ARGUMENT', `there is no file ${path}`);
  if (!statSync(path).isFile()) throw new GridError('INVALID_ARGUMENT', `${path} is not a file`);
  const kind = ENDINGS[extname(path).toLowerCase()];
  if (kind !== undefined) return kind;
  if (COMPRESSED.has(extname(path).toLowerCase())) {
    throw new GridError('INVALID_ARGUMENT', `${basename(path)} is compressed`, { hint: 'unpack it first' });
  }
  throw new GridError('INVALID_ARGUMENT', `${basename(path)}: unknown kind of file`, {
    hint: `files end in ${Object.keys(ENDINGS).join(', ')}`,
  });
}
