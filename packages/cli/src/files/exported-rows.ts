/**
 * Entries as rows of a file, and back: what `export` writes, `import` reads as the same entries.
 *
 *   'a1' -> { n: 1 }   {"__key":"a1","n":1}
 *   'a2' -> 5          {"__key":"a2","__value":5}     also documents that have such a field themselves
 */
import type { GridKey } from '@ashlar/api';
import { exactJson, keyJson, parseKey, toKey } from '../values/text-form.ts';
import type { Document } from './rows.ts';

const KEY = '__key';
const VALUE = '__value';

/** JSON of an entry. */
export function entryJson(key: GridKey, value: unknown): string {
  const json = exactJson(value);
  const head = `{"${KEY}":${keyJson(key)}`;
  const isDocument =
    json.startsWith('{') && !Object.hasOwn(value as object, KEY) && !Object.hasOwn(value as object, VALUE);
  if (!isDocument) return `${head},"${VALUE}":${json}}`;
  return json === '{}' ? `${head}}` : `${head},${json.slice(1)}`;
}

/** Whether a row came from an export. */
export function isExported(row: Document): boolean {
  return Object.hasOwn(row, KEY);
}

/** @param textKeys  the file has keys as text (CSV) @throws GridError INVALID_KEY */
export function keyOfRow(row: Document, textKeys: boolean): GridKey {
  const key = row[KEY];
  return textKeys && typeof key === 'string' ? parseKey(key) : toKey(key);
}

export function valueOfRow(row: Document): unknown {
  if (Object.hasOwn(row, VALUE)) return row[VALUE];
  const { [KEY]: _key, ...value } = row;
  return value;
}
