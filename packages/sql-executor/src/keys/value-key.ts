/**
 * Which values of different kinds are one value: for GROUP BY, DISTINCT and the keys of joins.
 *
 *   number 1, int 1, bigint 1n, decimal 1.00 -> the number 1        timestamp, date -> milliseconds
 *   decimal 0.10 -> the number 0.1           2n ** 70n + 1n -> text 'n1180591620717411303425'
 *
 * value-key K1  Values of the same key are equal, and equal values have the same key: by exact value, as `=` sees it
 *               (expressions' exact.ts).
 * value-key K2  A number takes the number itself as its key. A bigint or decimal takes the double of equal value if there is
 *               one; a fraction has one when it is what the double prints as (0.1). So keys are exact among decimals and
 *               among doubles, and an exact fraction meets the double that a document would hold for it.
 */
import { Decimal } from '@ashlar/api';
import { type Interval, Tag } from '@ashlar/expressions';

/** A number, or a text whose first character names the kind. */
export type ValueKey = number | string;

/** The key of a value of the value lane (BIGINT, DECIMAL, BYTES, INTERVAL, JSON); TEXT has a table of its own. */
export function valueKey(tag: number, value: unknown): ValueKey {
  switch (tag) {
    case Tag.BIGINT:
      return integerKey(value as bigint);
    case Tag.DECIMAL:
      return decimalKey(value as Decimal);
    case Tag.BYTES: {
      const bytes = value as Uint8Array;
      return `x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')}`;
    }
    case Tag.INTERVAL:
      return `i${(value as Interval).comparable}`;
    default:
      return `j${jsonKey(value)}`;
  }
}

function integerKey(value: bigint): ValueKey {
  const double = Number(value);
  return Number.isFinite(double) && BigInt(double) === value ? double : `n${value}`;
}

function decimalKey(value: Decimal): ValueKey {
  const { unscaled, scale } = value.canonical();
  if (scale === 0) return integerKey(unscaled);
  const text = value.canonical().toString();
  const double = Number(text);
  return Decimal.parse(String(double)).equals(value) ? double : `n${text}`;
}

/** Text that equal JSON values share: fields by name, numbers by value. */
function jsonKey(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonKey).join(',')}]`;
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return `${typeof value === 'number' ? value + 0 : integerKey(value)}`;
    case 'string':
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : objectKey(value);
    default:
      return String(value);
  }
}

function objectKey(value: object): string {
  if (Decimal.is(value)) return `${decimalKey(value)}`;
  if (ArrayBuffer.isView(value))
    return `<${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}>`;
  const time = Object.prototype.toString.call(value) === '[object Date]' ? (value as Date).getTime() : undefined;
  if (time !== undefined) return `@${time}`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${jsonKey(field)}`).join(',')}}`;
}
