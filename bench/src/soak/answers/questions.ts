/**
 * Questions to a grid with known answers, one for every way to ask. Each must get its answer whoever else asks at the
 * same time.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Grid } from '@ashlar/client';
import type { MemberConnection } from '@ashlar/transport';
import { SoakFault } from '../tally.ts';
import { FIXED_COUNT, FixedRows, look, Own, raise, sums } from './user-code.ts';

/** A caller, and a member that it asks past its client. */
export interface Caller {
  readonly grid: Grid;
  readonly member: MemberConnection;
}

export interface Question {
  readonly name: string;
  ask(caller: Caller, signal?: AbortSignal): Promise<void>;
}

const NUMBERS = Array.from({ length: FIXED_COUNT }, (_, n) => n);
const SUM = NUMBERS.reduce((sum, n) => sum + n, 0);
const GROUPS = [0, 1, 2, 3, 4];
const OWN_ROWS = 20;

/** @throws SoakFault */
export function expectAnswer(question: string, answer: unknown, expected: unknown): void {
  if (isDeepStrictEqual(answer, expected)) return;
  throw new SoakFault(`${question}: a wrong answer`, { answer, expected });
}

function statement(
  text: string,
  expected: readonly (readonly number[])[],
  parameters: readonly unknown[] = [],
): Question {
  return {
    name: text,
    async ask({ grid }, signal) {
      const rows = await grid.sql<Record<string, unknown>>(text, parameters, { signal }).all();
      const numbers = rows.map((row) => Object.values(row).map(Number));
      if (!/ORDER BY/.test(text)) numbers.sort((a, b) => a[0]! - b[0]!);
      expectAnswer(text, numbers, expected);
    },
  };
}

const each = NUMBERS.map((n) => [n]);

/** Questions that only read. */
export const READS: readonly Question[] = [
  statement('SELECT count(*) FROM fixed', [[FIXED_COUNT]]),
  statement('SELECT n FROM fixed', each),
  statement(
    'SELECT n, g FROM fixed',
    NUMBERS.map((n) => [n, n % 5]),
  ),
  statement('SELECT n FROM fixed ORDER BY __key LIMIT 3', [[0], [1], [2]]),
  statement('SELECT n FROM fixed ORDER BY n DESC LIMIT 2 OFFSET 1', [[FIXED_COUNT - 2], [FIXED_COUNT - 3]]),
  statement('SELECT sum(n) FROM fixed', [[SUM]]),
  statement(
    'SELECT g, count(*), sum(n) FROM fixed GROUP BY g',
    GROUPS.map((g) => [g, 10, 225 + g * 10]),
  ),
  statement(
    'SELECT DISTINCT g FROM fixed',
    GROUPS.map((g) => [g]),
  ),
  statement(
    'SELECT n FROM fixed WHERE g = $1',
    NUMBERS.filter((n) => n % 5 === 2).map((n) => [n]),
    [2],
  ),
  statement('SELECT n FROM fixed WHERE __key = 7', [[7]]),
  statement('SELECT a.n FROM fixed a JOIN fixed b ON a.__key = b.__key', each),
  statement(
    'SELECT a.g, count(*) FROM fixed a JOIN fixed b ON a.g = b.g GROUP BY a.g',
    GROUPS.map((g) => [g, 100]),
  ),
  {
    name: 'entries()',
    async ask({ grid }, signal) {
      const found: number[] = [];
      for await (const { key, value } of grid.map(FixedRows).entries({ signal })) if (value.n === key) found.push(key);
      expectAnswer(this.name, found.sort(byNumber), NUMBERS);
    },
  },
  {
    name: 'keys()',
    async ask({ grid }, signal) {
      const found: number[] = [];
      for await (const key of grid.map(FixedRows).keys({ signal })) found.push(key);
      expectAnswer(this.name, found.sort(byNumber), NUMBERS);
    },
  },
  {
    name: 'batches()',
    async ask({ grid }, signal) {
      let rows = 0;
      for await (const batch of grid.sql('SELECT * FROM fixed', [], { signal }).batches()) rows += batch.rowCount;
      expectAnswer(this.name, rows, FIXED_COUNT);
    },
  },
  {
    name: 'first()',
    async ask({ grid }, signal) {
      expectAnswer(this.name, await grid.sql('SELECT n FROM fixed WHERE n = 9', [], { signal }).first(), { n: 9 });
    },
  },
  {
    name: 'Sql/Query',
    async ask({ member }, signal) {
      const request = { text: 'SELECT count(*), sum(n) FROM fixed', parameters: new Uint8Array(0) };
      const { rows } = await member.sql.query({ ...request, sessionVersion: 0, rowsMax: 0, strict: false }, { signal });
      expectAnswer(
        this.name,
        rows.map((row) => JSON.parse(row).map(Number)),
        [[FIXED_COUNT, SUM]],
      );
    },
  },
  {
    name: 'size(), getAll()',
    async ask({ grid }, signal) {
      const map = grid.map(FixedRows);
      expectAnswer(this.name, await map.size({ signal }), FIXED_COUNT);
      const values = await map.getAll(NUMBERS, { signal });
      expectAnswer(
        this.name,
        values.map((value) => value?.n),
        NUMBERS,
      );
    },
  },
  {
    name: 'a job',
    async ask({ grid }, signal) {
      const shares: number[] = [];
      const onProgress = (share: number): void => void shares.push(share);
      const told = await grid.run(sums, { map: FixedRows }, { signal, onProgress });
      expectAnswer(this.name, told, [FIXED_COUNT, SUM, SUM]);
      const isInOrder = shares.every((share, at) => share <= 1 && (at === 0 || share >= shares[at - 1]!));
      if (!isInOrder) throw new SoakFault('progress of a job that goes back', { shares });
    },
  },
  {
    name: 'processAll()',
    async ask({ grid }, signal) {
      expectAnswer(this.name, await grid.map(FixedRows).processAll(NUMBERS, look, undefined, { signal }), NUMBERS);
    },
  },
];

/**
 * Writes rows by every statement that writes, asks for them, and removes them again. Each time they are others: what is left
 * of a time whose outcome nobody knows is in nobody's way.
 */
class OwnRows implements Question {
  readonly name = 'INSERT, UPDATE, processWhere, DELETE';
  #times = 0;

  async ask({ grid }: Caller): Promise<void> {
    const mine = this.#times++;
    const count = async (text: string): Promise<number> => (await grid.sql(text, [mine]).execute()).affected;
    const rows = Array.from({ length: OWN_ROWS }, (_, row) => `($${row + 2}, ${row}, $1)`);
    const keys = Array.from({ length: OWN_ROWS }, (_, row) => `${mine}:${row}`);
    const insert = `INSERT INTO own (__key, v, c) VALUES ${rows.join(', ')}`;
    const { affected } = await grid.sql(insert, [mine, ...keys]).execute();
    expectAnswer('INSERT', affected, OWN_ROWS);
    const where = 'c = $1';
    expectAnswer('UPDATE', await count(`UPDATE own SET v = v + 1 WHERE ${where}`), OWN_ROWS);
    const processed = await grid.map(Own).processWhere(where, [mine], raise, undefined);
    expectAnswer('processWhere', processed.affected, OWN_ROWS);
    const [row] = await grid.sql<{ v: number }>(`SELECT sum(v) AS v FROM own WHERE ${where}`, [mine]).all();
    expectAnswer('the sum of own rows', Number(row!.v), (OWN_ROWS * (OWN_ROWS - 1)) / 2 + 2 * OWN_ROWS);
    expectAnswer('DELETE', await count(`DELETE FROM own WHERE ${where}`), OWN_ROWS);
  }
}

export const WRITES: Question = new OwnRows();

function byNumber(a: number, b: number): number {
  return a - b;
}
