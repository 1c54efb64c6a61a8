/** Values as the files print them, and whether a result is the expected one. */
import { createHash } from 'node:crypto';
import type { QueryRecord, SortMode } from './records.ts';

/** One value as the original form prints it, by its type letter. */
export function rendered(value: unknown, type: string): string {
  if (value === null || value === undefined) return 'NULL';
  if (type === 'I' && isNumeric(value)) return truncated(value);
  if (type === 'I' && typeof value === 'boolean') return value ? '1' : '0';
  if (type === 'R' && isNumeric(value)) return Number(value).toFixed(3);
  const text = textOf(value);
  return text === '' ? '(empty)' : text.replace(/[^\x20-\x7e]/g, '@');
}

/** What differs from the record, or undefined where nothing does. */
export function difference(record: QueryRecord, rows: readonly (readonly unknown[])[]): string | undefined {
  const { expected, types, sort } = record;
  const hashed = /^(\d+) values hashing to ([0-9a-f]{32})$/.exec(expected[0] ?? '');
  if (hashed !== null) {
    const lines = sorted(linesOf(rows, types), sort);
    const hash = createHash('md5')
      .update(lines.map((line) => `${line}\n`).join(''))
      .digest('hex');
    return hash === hashed[2] ? undefined : `${lines.length} values hash to ${hash}: ${lines.slice(0, 12).join(' ')}`;
  }
  const width = types.length;
  const isByRow = expected.length === rows.length;
  if (!isByRow) return valueDifference(record, rows);
  // With one column the two forms look alike.
  return width === 1 && valueDifference(record, rows) === undefined ? undefined : rowDifference(record, rows);
}

/** A value as the portable form prints it. */
function plain(value: unknown): string {
  return value === null || value === undefined ? 'NULL' : textOf(value);
}

/** One value a line. */
function valueDifference(
  { expected, types, sort }: QueryRecord,
  rows: readonly (readonly unknown[])[],
): string | undefined {
  const lines = sorted(linesOf(rows, types), sort).flat();
  const wanted = sort === 'nosort' ? expected : sorted(groups(expected, types.length), sort);
  if (lines.length !== wanted.length)
    return `${lines.length} values, expected ${wanted.length}: ${lines.slice(0, 12).join(' ')}`;
  const at = lines.findIndex((line, index) => !isSame(line, wanted[index]!));
  return at < 0 ? undefined : `value ${at + 1} is ${lines[at]}, expected ${wanted[at]}`;
}

/** One row a line, compared after folding white space. */
function rowDifference({ expected, sort }: QueryRecord, rows: readonly (readonly unknown[])[]): string | undefined {
  const fold = (line: string): string => line.trim().replace(/\s+/g, ' ');
  const lines = rows.map((row) => fold(row.map(plain).join(' ')));
  const wanted = expected.map(fold);
  if (sort !== 'nosort') {
    lines.sort();
    wanted.sort();
  }
  const at = lines.findIndex((line, index) => {
    const mine = line.split(' ');
    const theirs = wanted[index]!.split(' ');
    return mine.length !== theirs.length || mine.some((word, place) => !isSame(word, theirs[place]!));
  });
  return at < 0 ? undefined : `row ${at + 1} is ${lines[at]}, expected ${wanted[at]}`;
}

function linesOf(rows: readonly (readonly unknown[])[], types: string): string[][] {
  return rows.map((row) => row.map((value, column) => rendered(value, types[column] ?? 'T')));
}

function groups(values: readonly string[], width: number): string[][] {
  return Array.from({ length: Math.ceil(values.length / width) }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
}

function sorted(rows: readonly (readonly string[])[], mode: SortMode): string[] {
  if (mode === 'valuesort') return rows.flat().sort(byBytes);
  if (mode === 'rowsort') return [...rows].sort((one, other) => byBytes(one.join(' '), other.join(' '))).flat();
  return rows.flat();
}

const byBytes = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const SAME = new Set(['(empty) ', 't true', 'f false', 't 1', 'f 0']);

/** Equal as text, or as numbers: 1.50 is 1.5. */
function isSame(one: string, other: string): boolean {
  if (one === other) return true;
  if (SAME.has(`${one} ${other.trim()}`)) return true;
  const [a, b] = [Number(one), Number(other)];
  return one.trim() !== '' && other.trim() !== '' && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint' || isDecimal(value);
}

/** A Decimal; the class of another realm or copy has the same shape. */
function isDecimal(value: unknown): value is { toString(): string } {
  return typeof value === 'object' && value !== null && 'unscaled' in value && 'scale' in value;
}

function truncated(value: unknown): string {
  if (typeof value === 'number') return String(Math.trunc(value) + 0);
  const [whole] = String(value).split('.');
  return whole === '-0' ? '0' : whole!;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (value instanceof Date)
    return value
      .toISOString()
      .replace('T', ' ')
      .replace(/(\.000)?Z$/, '');
  if (typeof value === 'object' && !isDecimal(value)) return JSON.stringify(value);
  return String(value);
}
