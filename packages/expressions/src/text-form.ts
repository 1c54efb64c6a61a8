/** Values as text, the way PostgreSQL prints them. */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';
import { formatDate, formatTimestamp } from './datetime.ts';
import { type SqlType, Tag } from './types.ts';
import { type RowValue, tagIn } from './values.ts';

/** Exponents from which a double is printed as 1e+15. */
const SCIENTIFIC_FROM = 15;
const SCIENTIFIC_BELOW = -4;

/** The shortest text that reads back as the same double: `0.1`, `1e+15`, `-0`, `NaN`. */
export function formatFloat(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e15) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (!Number.isFinite(value)) return String(value);
  const [mantissa, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent >= SCIENTIFIC_BELOW && exponent < SCIENTIFIC_FROM) return String(value);
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** A value that is not null, as text. */
export function formatValue(value: RowValue, type: SqlType): string {
  switch (tagIn(value, type)) {
    case Tag.TEXT:
      return value as string;
    case Tag.NUMBER:
      return formatFloat(value as number);
    case Tag.TIMESTAMP:
      return formatTimestamp((value as Date).getTime());
    case Tag.DATE:
      return formatDate((value as Date).getTime());
    case Tag.BYTES:
      return `\\x${Buffer.from(value as Uint8Array).toString('hex')}`;
    case Tag.JSON:
      return formatJson(value);
    default:
      return String(value);
  }
}

/** A document as JSON text: bigints and decimals as numbers with all digits, times in ISO 8601, bytes as \x hex. */
export function formatJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || Decimal.is(value)) return String(value);
  if (types.isDate(value)) return JSON.stringify(value);
  if (types.isUint8Array(value)) return JSON.stringify(`\\x${Buffer.from(value).toString('hex')}`);
  if (Array.isArray(value)) return `[${value.map(formatJson).join(',')}]`;
  if (types.isMap(value)) return formatFields([...value].map(([key, item]) => [String(key), item]));
  if (types.isSet(value)) return `[${[...value].map(formatJson).join(',')}]`;
  return formatFields(Object.entries(value));
}

function formatFields(fields: readonly (readonly [string, unknown])[]): string {
  const parts = fields
    .filter(([, item]) => item !== undefined)
    .map(([name, item]) => `${JSON.stringify(name)}:${formatJson(item)}`);
  return `{${parts.join(',')}}`;
}
