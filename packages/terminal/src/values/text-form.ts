/**
 * Keys and values as people type and read them.
 *
 * text-form V1  `parseKey` reads back what `keyText` writes. So does `parseValue` for values that JSON has; whole doubles
 *               beyond 2^53 come back as bigints, times and bytes as text.
 * text-form V2  A text stands as it is wherever it cannot be taken for JSON, else as a JSON string.
 *
 *   5 -> 5   "5" -> "5"   SEA -> SEA   ["a",1] -> ["a",1]   {"bytes":"0aff"} is the key of the bytes 0a ff
 */
import { types } from 'node:util';
import { Decimal, GridError, type GridKey } from '@ashlar/api';
import { printable } from '../render/cells.ts';

type Part = Exclude<GridKey, readonly unknown[]>;

/** JSON writes doubles from here on with an exponent, which is read as a double again. */
const EXPONENT_FROM = 1e21;

/** Whole numbers that no double holds exactly become bigints. */
const exactNumbers = (_name: string, value: unknown, context?: { readonly source?: string }): unknown => {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
};

/** @throws SyntaxError */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, exactNumbers);
}

/** JSON where it is JSON, else the text. @param asText  takes every text as it is */
export function parseValue(text: string, asText = false): unknown {
  if (asText) return text;
  try {
    return parseExactJson(text);
  } catch {
    return text;
  }
}

/** @throws GridError INVALID_KEY for JSON that is no key: true, null, nested arrays, objects */
export function parseKey(text: string, asText = false): GridKey {
  return toKey(parseValue(text, asText));
}

/** A key out of JSON: a string, a number, bytes, an array of these. @throws GridError INVALID_KEY */
export function toKey(json: unknown): GridKey {
  return Array.isArray(json) ? json.map(toPart) : toPart(json);
}

function toPart(json: unknown): Part {
  if (typeof json === 'string' || typeof json === 'number' || typeof json === 'bigint') return json;
  if (json instanceof Uint8Array) return json;
  const hex = typeof json === 'object' && json !== null ? (json as { bytes?: unknown }).bytes : undefined;
  if (typeof hex === 'string' && /^([\da-f]{2})*$/i.test(hex)) return Uint8Array.from(Buffer.from(hex, 'hex'));
  throw new GridError('INVALID_KEY', `${exactJson(json)} is not a key`, {
    hint: 'keys are text, numbers, arrays of these, {"bytes":"0aff"}; --text takes JSON as plain text',
  });
}

export function keyText(key: GridKey): string {
  return typeof key === 'string' ? textOrJson(key) : keyJson(key);
}

export function valueText(value: unknown): string {
  return typeof value === 'string' ? textOrJson(value) : exactJson(value);
}

/** A key as JSON. */
export function keyJson(key: GridKey): string {
  return exactJson(Array.isArray(key) ? key.map(plainPart) : plainPart(key as Part));
}

/**
 * JSON of any value of the grid: bigints with all their digits, times ISO text, bytes base64, decimals text; NaN and the
 * infinities, which JSON lacks, null.
 */
export function exactJson(value: unknown, indent = ''): string {
  if (typeof value === 'bigint') return value.toString();
  // Doubles beyond 2^53 are shown by more than their shortest digits, which would be read back as another whole number.
  if (Number.isInteger(value) && Math.abs(value as number) < EXPONENT_FROM) return BigInt(value as number).toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (types.isDate(value)) return JSON.stringify(value);
  if (Decimal.is(value)) return JSON.stringify(String(value));
  const isList = Array.isArray(value);
  const colon = indent === '' ? ':' : ': ';
  const items = isList
    ? value.map((item) => exactJson(item, indent))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}${colon}${exactJson(item, indent)}`);
  const [left, right] = isList ? '[]' : '{}';
  if (indent === '' || items.length === 0) return `${left}${items.join(',')}${right}`;
  return `${left}\n${items.map((item) => item.replace(/^/gm, indent)).join(',\n')}\n${right}`;
}

function plainPart(part: Part): unknown {
  return part instanceof Uint8Array ? { bytes: Buffer.from(part).toString('hex') } : part;
}

function textOrJson(text: string): string {
  const isPlain = parseValue(text) === text && text.trim() === text && !/^-|^$/.test(text) && printable(text) === text;
  return isPlain ? text : JSON.stringify(text);
}
