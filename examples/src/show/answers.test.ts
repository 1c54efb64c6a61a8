import { DELAY_BINS } from '../flights/histogram.ts';
import { duckdbAnswers, expectSameRows } from '../testing/duckdb-answers.ts';
import { runSource } from '../testing/run-node.ts';
import type { ShowFigures } from './report.ts';

const ROWS = 200_000;
const TRANSACTIONS = 20_000;
const TIMEOUT_MS = 120_000;

describe('the show', () => {
  it(
    'answers as DuckDB does, and raises exactly the alerts of the reference',
    async () => {
      const args = ['--once', '--json', '--rows', String(ROWS), '--transactions', String(TRANSACTIONS)];
      const shown = await runSource('show/main.ts', [...args, '--port', '27710', '--memory', '256MiB'], TIMEOUT_MS);
      expect({ code: shown.code, stderr: shown.code === 0 ? '' : shown.stderr }).toEqual({ code: 0, stderr: '' });
      const figures = JSON.parse(shown.stdout) as ShowFigures;
      const expected = await duckdbAnswers(ROWS, DELAY_BINS);

      expect(figures.load.rows).toBe(ROWS);
      for (const [at, answer] of figures.select.entries()) expectSameRows(answer.rows, expected.statements[at]!);
      expect(figures.select).toHaveLength(expected.statements.length);
      expect(figures.compute.counts).toEqual(expected.histogram);
      expect(figures.fraud).toMatchObject({ transactions: TRANSACTIONS, agreesWithReference: true, late: 0 });
      expect(figures.fraud.alerts).toBeGreaterThan(50);
      expect(figures.members.map((member) => member.rssBytes > member.heapBytes)).toEqual([true, true]);
    },
    TIMEOUT_MS + 10_000,
  );
});
