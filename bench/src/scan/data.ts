/**
 * The rows that `scan` asks about, its three statements, and how answers are compared.
 *
 * All numbers are whole and their sums stay below 2^53, so every subject must give the very same answer.
 */
import { type Random, seededRandom } from '@ashlar/core';

export const ROW_COUNT = 1_000_000;
export const GROUP_COUNT = 50;
const RANGE = 1000;

export interface Columns {
  /** 0..999: the column that filters read. */
  readonly y: Float64Array;
  /** The column that is summed. */
  readonly x: Float64Array;
  /** Group of the row, 0..49. */
  readonly g: Int32Array;
}

/** The text of a group: rows carry it beside the number. */
export function groupName(group: number): string {
  return `branch office ${String(group).padStart(2, '0')}`;
}

/** In shared memory, so that the threads of `loop` see it. */
export function makeColumns(): Columns {
  const random = seededRandom(7);
  const y = new Float64Array(new SharedArrayBuffer(ROW_COUNT * 8));
  const x = new Float64Array(new SharedArrayBuffer(ROW_COUNT * 8));
  const g = new Int32Array(new SharedArrayBuffer(ROW_COUNT * 4));
  for (let row = 0; row < ROW_COUNT; row++) {
    y[row] = random.below(RANGE);
    x[row] = random.below(10_000);
    g[row] = random.below(GROUP_COUNT);
  }
  return { y, x, g };
}

export const QUERIES = ['filter-sum', 'group-50', 'group-str'] as const;
export type QueryName = (typeof QUERIES)[number];

/** A statement with a constant that was not asked before: about half of the rows pass, or nearly all. */
export function freshConstant(query: QueryName, random: Random): number {
  const share = query === 'filter-sum' ? 0.4 + random.next() * 0.2 : random.next() * 0.05;
  return Math.round(share * RANGE * 1000) / 1000;
}

export function statement(query: QueryName, constant: number): string {
  switch (query) {
    case 'filter-sum':
      return `SELECT count(*) AS n, sum(x) AS total FROM t WHERE y >= ${constant}`;
    case 'group-50':
      return `SELECT g, count(*) AS n, sum(x) AS total FROM t WHERE y >= ${constant} GROUP BY g`;
    case 'group-str':
      return `SELECT s AS g, count(*) AS n, sum(x) AS total FROM t WHERE y >= ${constant} GROUP BY s`;
  }
}

export type Row = Readonly<Record<string, unknown>>;

/** Rows of any subject as one text, whatever their order and number types. */
export function answerText(rows: readonly Row[]): string {
  return rows
    .map(({ g, n, total }) => `${g ?? ''}|${Number(n)}|${Number(total)}`)
    .sort()
    .join('\n');
}
