/**
 * `scan`: one statement over a million rows, a fresh constant each time, with one and two threads. All subjects must
 * give the same answer to every statement. Ashlar is asked over gRPC, DuckDB in this process.
 */
import { seededRandom } from '@ashlar/core';
import type { BenchOptions } from '../options.ts';
import { median, type Reporter } from '../report.ts';
import { type Metrics, runRounds } from '../rounds.ts';
import { AshlarScan } from './ashlar.ts';
import { answerText, freshConstant, makeColumns, QUERIES, type QueryName, ROW_COUNT } from './data.ts';
import { DuckScan } from './duckdb.ts';
import { LoopScan } from './loop.ts';
import type { ScanSubject } from './subjects.ts';

const ROUNDS = 5;
const QUERIES_A_ROUND = 40;
const UPDATES_PER_S = 10_000;
const THREADS = [1, 2] as const;
const SUBJECTS = ['ashlar', 'duckdb', 'loop'] as const;

/** A run's answers, by statement, so that subjects can be compared. */
type Answers = Map<string, string>;

export async function benchScan(reporter: Reporter, options: BenchOptions): Promise<void> {
  const columns = makeColumns();
  const subjects = options.chosen('subject', SUBJECTS);
  const all = THREADS.flatMap((threads) => QUERIES.map((query) => `${query} t${threads}`));
  const cases = options.chosen('case', all);
  const open = new Map<string, ScanSubject>();
  try {
    for (const threads of THREADS.filter((count) => cases.some((name) => name.endsWith(`t${count}`)))) {
      reporter.progress(`scan: loading for ${threads} threads`);
      if (subjects.includes('ashlar')) open.set(`ashlar t${threads}`, await AshlarScan.open(columns, threads));
      if (subjects.includes('duckdb')) open.set(`duckdb t${threads}`, await DuckScan.open(columns, threads));
      if (subjects.includes('loop')) open.set(`loop t${threads}`, new LoopScan(columns, threads));
    }
    const answers: Answers = new Map();
    await runRounds(
      { bench: 'scan', cases, subjects, rounds: options.rounds ?? ROUNDS },
      reporter,
      (name, subject, round) => {
        const [query, threads] = name.split(' ') as [QueryName, string];
        return measure(open.get(`${subject} ${threads}`)!, query, round, answers);
      },
    );
  } finally {
    for (const subject of open.values()) await subject.close();
  }
}

async function measure(subject: ScanSubject, query: QueryName, round: number, answers: Answers): Promise<Metrics> {
  const ask = (seed: number, count: number): Promise<number> => askMany(subject, query, seed, count, answers);
  if (!(subject instanceof AshlarScan)) return { rows_per_s: [await ask(round, QUERIES_A_ROUND), 'rows/s'] };
  await subject.dropColumns();
  const first = await ask(-round - 1, 1);
  await ask(-round - 1, 4);
  const warm = await ask(round, QUERIES_A_ROUND);
  const updater = await subject.startUpdates(UPDATES_PER_S);
  const updating = await ask(round, QUERIES_A_ROUND).finally(() => updater.stop());
  return {
    rows_per_s: [warm, 'rows/s'],
    first_rows_per_s: [first, 'rows/s'],
    updating_rows_per_s: [updating, 'rows/s'],
  };
}

/** The median rate over `count` statements. @throws when another subject answered one of them otherwise */
async function askMany(
  subject: ScanSubject,
  query: QueryName,
  seed: number,
  count: number,
  answers: Answers,
): Promise<number> {
  const random = seededRandom(seed);
  const timesMs: number[] = [];
  for (let asked = 0; asked < count; asked++) {
    const constant = freshConstant(query, random);
    const startedMs = performance.now();
    const rows = await subject.ask(query, constant);
    timesMs.push(performance.now() - startedMs);
    const text = answerText(rows);
    const key = `${query} ${constant}`;
    if ((answers.get(key) ?? text) !== text) throw new Error(`${key}: subjects differ:\n${answers.get(key)}\n${text}`);
    answers.set(key, text);
  }
  return (ROW_COUNT / median(timesMs)) * 1000;
}
