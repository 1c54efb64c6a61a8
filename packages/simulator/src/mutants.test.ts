/** The tests of the tests: every mistake on the list is noticed, at the seed and by the invariant that the README names. */
import { readFileSync } from 'node:fs';
import { MUTANTS, mutantNamed } from './mutants.ts';
import { simulate } from './run.ts';

/** Rows of the README's table: mutant, mistake, first seed, invariant. */
const ROWS = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => /^\| `([\w-]+)` \| (.*) \| (\d+) \| ([\w-]+) \|$/.exec(line))
  .flatMap((match) => (match === null ? [] : [match.slice(1) as [string, string, string, string]]));

describe('mutants', () => {
  it('are all in the table of the README, at least twenty', () => {
    expect(ROWS.map(([name, mistake]) => [name, mistake])).toEqual(
      Object.entries(MUTANTS).map(([name, { mistake }]) => [name, mistake]),
    );
    expect(ROWS.length).toBeGreaterThanOrEqual(20);
  });

  it.each(ROWS)('%s (%s) is caught at seed %s by %s', (name, _mistake, seed, invariant) => {
    expect(simulate({ seed: Number(seed), ...mutantNamed(name)! }).violation?.invariant).toBe(invariant);
  });
});
