/**
 * Rows that show what is wrong with them: every field follows from the key and from a counter that each write of the key
 * raises. A row of two writes (torn), of another key (freed) or of a write that was never sent (future) cannot be whole.
 */

export interface CheckedRow {
  readonly key: number;
  /** Counts the writes of this key, from 1; never used twice. */
  readonly n: number;
  /** The checksum: key * 31 + n * 7 + length of fill, so that statements can check it too. */
  readonly x: number;
  /** One of sixteen: a column of few texts. */
  readonly label: string;
  /** One letter repeated; long ones take blocks of another size. */
  readonly fill: string;
}

const SHORT_MAX = 120;
const LONG = 1500;

export function rowOf(key: number, n: number): CheckedRow {
  const length = n % 16 === 0 ? LONG + (key % 100) : (key * 13 + n * 29) % SHORT_MAX;
  const letter = String.fromCharCode(97 + ((key * 7 + n * 3) % 26));
  return { key, n, x: key * 31 + n * 7 + length, label: `label ${(key + n) % 16}`, fill: letter.repeat(length) };
}

/** What is wrong with a value found under a key; undefined: it is whole. */
export function whatIsWrong(key: unknown, value: unknown): string | undefined {
  if (typeof key !== 'number' || typeof value !== 'object' || value === null) return 'it is not a row';
  const row = value as CheckedRow;
  if (row.key !== key) return `its value is of key ${row.key}`;
  const { n, x, label, fill } = rowOf(key, row.n);
  if (row.label === label && row.fill === fill && row.x === x && Object.keys(value).length === 5) return undefined;
  const parts = [];
  if (row.x !== x) parts.push(`x is ${row.x}, not ${x}`);
  if (row.label !== label) parts.push(`label is '${row.label}', not '${label}'`);
  if (row.fill !== fill) parts.push(`fill is ${brief(row.fill)}, not ${brief(fill)}`);
  return `of write ${n}: ${parts.join('; ')}`;
}

function brief(text: unknown): string {
  if (typeof text !== 'string') return String(text);
  return `${text.length} x '${[...new Set(text)].join('').slice(0, 8)}'`;
}
