/** A JSON text as a row, and what is wrong with it. */
import { GridError } from '@ashlar/api';
import { parseExactJson } from '../values/text-form.ts';
import type { Document } from './rows.ts';

/** Whole numbers of more digits than a double holds: these texts are read exactly, the others faster. */
const LONG_NUMBER = /\d{16}/;
/** A row is far smaller than this; a file that has none of the marks that end one is not read to its end. */
export const ROW_CHARACTERS_MAX = 64 * 1024 * 1024;

/** @throws GridError INVALID_ARGUMENT with the line, when the text is no JSON or no object */
export function rowOf(path: string, text: string, line: number): Document {
  let value: unknown;
  try {
    value = LONG_NUMBER.test(text) ? parseExactJson(text) : JSON.parse(text);
  } catch (cause) {
    throw brokenRow(path, line, 'not valid JSON', cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Document;
  throw brokenRow(path, line, 'a JSON object is expected');
}

export function brokenRow(path: string, line: number, what: string, cause?: unknown): GridError {
  return new GridError('INVALID_ARGUMENT', `${path}, line ${line}: ${what}`, { cause, details: { line } });
}
