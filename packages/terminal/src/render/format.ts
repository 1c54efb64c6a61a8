/** Numbers, sizes, times and values as people read them. Pure. */
import { types } from 'node:util';
import { Decimal } from '@ashlar/api';

/** Made when the first number is shown: it takes 10 ms, which a member that starts has no use for. */
let counts: Intl.NumberFormat | undefined;

/** 3000000 -> "3,000,000". */
export function formatCount(count: number | bigint): string {
  counts ??= new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
  return counts.format(count);
}

/** "1 row", "2 rows". */
export function formatQuantity(count: number, noun: string): string {
  return `${formatCount(count)} ${count === 1 ? noun : `${noun}s`}`;
}

/** Binary units, three digits: 13493022 -> "12.9 MiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  while (Math.abs(amount) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

/** Three digits and a unit: 0.85 -> "850 µs", 12.34 -> "12.3 ms", 72_000 -> "1 min 12 s". */
export function formatDuration(durationMs: number): string {
  if (!Number.isFinite(durationMs)) return '?';
  if (durationMs < 0.9995) return `${Math.round(durationMs * 1000)} µs`;
  if (durationMs < 999.5) return `${threeDigits(durationMs)} ms`;
  if (durationMs < 59_950) return `${threeDigits(durationMs / 1000)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "412,345/s", below ten with one digit after the point. */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '?/s';
  return `${perSecond < 10 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond))}/s`;
}

/** 0.8417 -> "84.2 %"; "-" where there is nothing to divide by. */
export function formatShare(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : '-';
}

/**
 * A SQL value as a table shows it.
 *
 * @param decimals  digits after the point of numbers that are no integers; default: all that the double has
 */
export function formatValue(value: unknown, decimals?: number): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'number') {
    return decimals === undefined || Number.isInteger(value) ? String(value) : value.toFixed(decimals);
  }
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (types.isDate(value))
    return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString().replace('T', ' ');
  if (typeof value === 'object' && !Decimal.is(value)) return JSON.stringify(toPlain(value));
  return String(value);
}

/**
 * A value for JSON: bigints become numbers where exact and text elsewhere, times ISO text, bytes base64, decimals text.
 * NaN and the infinities, which JSON lacks, become null.
 */
export function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const asNumber = Number(value);
    return Number.isSafeInteger(asNumber) ? asNumber : value.toString();
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Decimal.is(value)) return String(value);
  if (Array.isArray(value)) return value.map(toPlain);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]));
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
