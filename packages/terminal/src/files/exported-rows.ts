/**
 * Entries as rows of a file, and back: what `export` writes, `import` reads as the same entries.
 *
 *                     JSON                          columns: __key  n     __value
 *   'a1' -> { n: 1 }  {"__key":"a1","n":1}                   a1     1
 *   'a2' -> 5         {"__key":"a2","__value":5}             a2           5         also documents with such a field themselves
 *
 * Where keys and values stand in columns of text they have the form of `values/text-form.ts`: 5 is a number, "5" a text.
 */
import type { GridKey } from '@ashlar/api';
import { exactJson, keyJson, parseKey, parseValue, toKey, valueText } from '../values/text-form.ts';
import type { Document } from './rows.ts';

const KEY = '__key';
const VALUE = '__value';

/** Where a file of typed columns says that its `__value` column holds values as text. */
export const TEXT_VALUES = { key: 'ashlar.values', value: 'text' } as const;

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

/** Which columns of a file of rows hold texts that stand for keys and values. */
export interface TextColumns {
  readonly keys: boolean;
  readonly values: boolean;
}

/** Whether a column of a file of text holds keys or values of an export. @param names  of all columns */
export function isExportColumn(name: string, names: readonly string[]): boolean {
  return (name === KEY || name === VALUE) && names.includes(KEY);
}

/** @throws GridError INVALID_KEY */
export function keyOfRow(row: Document, isText: boolean): GridKey {
  const key = row[KEY];
  return isText && typeof key === 'string' ? parseKey(key) : toKey(key);
}

/** @param isText  a row without `__value` is a document of the other columns */
export function valueOfRow(row: Document, isText: boolean): unknown {
  if (!Object.hasOwn(row, VALUE)) return withoutKey(row);
  const value = row[VALUE];
  if (!isText) return value;
  if (value !== null) return typeof value === 'string' ? parseValue(value) : value;
  const { [VALUE]: _value, ...rest } = withoutKey(row);
  return rest;
}

function withoutKey(row: Document): Document {
  const { [KEY]: _key, ...value } = row;
  return value;
}

/** A value that a column a field has no place for, as the text of a `__value` column; null for documents. */
export function textBesideFields(value: unknown): string | null {
  return isDocument(value) ? null : valueText(value);
}

function isDocument(value: unknown): boolean {
  return exactJson(value).startsWith('{');
}
