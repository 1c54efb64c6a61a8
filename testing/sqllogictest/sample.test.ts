/** A sample of sqllogictest files against a grid of two members. */
import { readdirSync, readFileSync } from 'node:fs';
import { TestGrid } from '../grid/support/grid.ts';
import { type Judgement, runFile } from './run-file.ts';

const SAMPLE = new URL('sample/', import.meta.url);

let grid: TestGrid;

beforeAll(async () => {
  grid = await TestGrid.start();
});

afterAll(() => grid.stop());

it.each(readdirSync(SAMPLE))('%s passes, record by record', async (file) => {
  const judgements: Judgement[] = [];
  await runFile(readFileSync(new URL(file, SAMPLE), 'utf8'), await grid.connect(), (one) => judgements.push(one));
  const failed = judgements.filter(({ verdict }) => verdict !== 'passed');
  expect(failed.map(({ record, verdict, detail }) => `${record.line}: ${verdict}: ${detail}`)).toEqual([]);
  expect(judgements.length).toBeGreaterThan(0);
});
