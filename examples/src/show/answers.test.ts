import { DELAY_BINS } from '../flights/histogram.ts';
import { duckdbAnswers, expectSameRows } from '../testing/duckdb-answers.ts';
import { runSource } from '../testing/run-node.ts';
import { SHOW_HELP } from './options.ts';
import type { ShowFigures } from './report.ts';

const ROWS = 200_000;
const TRANSACTIONS = 20_000;
const TIMEOUT_MS = 120_000;

describe('the show', () => {
  it('tells its flags, and where the command line is, and does nothing else', async () => {
    const shown = await runSource('show/main.ts', ['--help'], TIMEOUT_MS);
    expect(shown).toMatchObject({ code: 0, stdout: SHOW_HELP, stderr: '' });
  });

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
      expect(figures.fraud.paced.transactions).toBe(TRANSACTIONS / 4);
      for (const { p50, p99 } of [figures.fraud.latencyMs, figures.fraud.paced.latencyMs]) {
        expect(p50).toBeGreaterThan(0);
        expect(p99).toBeGreaterThanOrEqual(p50);
      }
      expect(shown.stderr).toMatch(/at full speed, [\s\S]*: p50 .*, p99 .*\n.*at a steady .*\/s: p50 .*, p99 /);
      expect(figures.members.map((member) => member.rssBytes > member.heapBytes)).toEqual([true, true]);
    },
    TIMEOUT_MS + 10_000,
  );
});
