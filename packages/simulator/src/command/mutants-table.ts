/** Every mutant, until a seed catches it, as the table of the README. */
import { MUTANTS, mutantNamed } from '../mutants.ts';
import { simulate } from '../run.ts';

export function mutantsTable(
  seedsMax: number,
  tell: (line: string) => void,
): { readonly lines: readonly string[]; readonly missed: number } {
  const lines = ['| mutant | mistake | first seed | caught by |', '| --- | --- | --- | --- |'];
  let missed = 0;
  for (const [name, { mistake }] of Object.entries(MUTANTS)) {
    const caught = caughtAt(name, seedsMax);
    if (caught === undefined) missed += 1;
    const line = `| \`${name}\` | ${mistake} | ${caught?.seed ?? 'none'} | ${caught?.invariant ?? `not within ${seedsMax}`} |`;
    tell(line);
    lines.push(line);
  }
  return { lines, missed };
}

function caughtAt(name: string, seedsMax: number): { seed: number; invariant: string } | undefined {
  const mutated = mutantNamed(name)!;
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violation } = simulate({ seed, ...mutated });
    if (violation !== undefined) return { seed, invariant: violation.invariant };
  }
  return undefined;
}
