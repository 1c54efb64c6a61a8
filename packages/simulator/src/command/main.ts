/**
 * `npm run simulate -- --seeds N [--first N] [--mutant NAME] [--json]`: runs seeds one after the other; the last line is
 * `N seeds, N failed`. What was run before on the same core may be added up: `--first` goes on where that ended.
 *
 *   --seed N [--trace]  one seed, with a line for every effect of every member
 *   --store real        members have the store of real ones, in place of maps and arrays
 *   --stop              ends at the first seed that fails
 *   --mutants           every mutant, until a seed catches it: the table of the README
 *
 * Exit code 1 when a seed failed; with a mutant, when none did.
 */
import { parseArgs } from 'node:util';
import { MUTANTS, mutantNamed } from '../mutants.ts';
import { type RunReport, simulate } from '../run.ts';
import { mutantsTable } from './mutants-table.ts';
import { Totals } from './totals.ts';

const USAGE = `usage: npm run simulate -- --seeds N [--first N] [--mutant NAME] [--store real] [--stop] [--json]
       npm run simulate -- --seed N [--mutant NAME] [--store real] [--trace]
       npm run simulate -- --mutants [--seeds N]
mutants: ${Object.keys(MUTANTS).join(', ')}`;

interface Flags {
  readonly seeds: string;
  readonly first: string;
  readonly seed: string | undefined;
  readonly mutant: string | undefined;
  readonly store: string;
  readonly mutants: boolean;
  readonly trace: boolean;
  readonly stop: boolean;
  readonly json: boolean;
}

function usage(text: string): never {
  console.error(text);
  console.error(USAGE);
  process.exit(2);
}

function help(): never {
  console.log(USAGE);
  process.exit(0);
}

function parsed(): Flags {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '1000' },
        first: { type: 'string', default: '1' },
        seed: { type: 'string' },
        mutant: { type: 'string' },
        store: { type: 'string', default: 'toy' },
        mutants: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        stop: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) help();
    return { seed: undefined, mutant: undefined, ...values };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

function whole(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) usage(`--${name} takes a whole number, not '${text}'`);
  return number;
}

const flags = parsed();
const mutated = flags.mutant === undefined ? {} : mutantNamed(flags.mutant);
if (mutated === undefined) usage(`there is no mutant '${flags.mutant}'`);
if (flags.store !== 'toy' && flags.store !== 'real') usage(`--store is toy or real, not '${flags.store}'`);
const isStoreReal = flags.store === 'real';

if (flags.mutants) {
  const { lines, missed } = mutantsTable(whole(flags.seeds, 'seeds'), (line) => console.error(line));
  for (const line of lines) console.log(line);
  process.exit(missed === 0 ? 0 : 1);
}
if (flags.seed !== undefined) runOne(whole(flags.seed, 'seed'));
else runMany(whole(flags.first, 'first'), whole(flags.seeds, 'seeds'));

function runOne(seed: number): void {
  const trace = flags.trace ? (line: string) => console.log(line) : undefined;
  const report = simulate({ seed, ...mutated, trace, isStoreReal });
  console.log(reportText(report));
  console.log(`1 seeds, ${report.violation === undefined ? 0 : 1} failed`);
  process.exitCode = (report.violation === undefined) === (flags.mutant === undefined) ? 0 : 1;
}

function runMany(first: number, count: number): void {
  const totals = new Totals();
  for (let seed = first; seed < first + count; seed++) {
    const report = simulate({ seed, ...mutated, isStoreReal });
    totals.add(report);
    if (report.violation === undefined) continue;
    console.log(flags.json ? JSON.stringify({ seed, ...report.violation }) : failureText(report));
    if (flags.stop) break;
  }
  console.log(flags.json ? JSON.stringify(totals.toJSON()) : totals.text());
  console.log(`${totals.seeds} seeds, ${totals.failed} failed`);
  process.exitCode = (totals.failed === 0) === (flags.mutant === undefined) ? 0 : 1;
}

function failureText({ seed, violation }: RunReport): string {
  const mutant = `${flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`}${isStoreReal ? ' --store real' : ''}`;
  return `seed ${seed} at ${violation!.atMs.toFixed(1)} ms: ${violation!.text}
  repeat: npm run simulate -- --seed ${seed}${mutant} --trace`;
}

function reportText(report: RunReport): string {
  const { violation, faults, ...rest } = report;
  const verdict =
    violation === undefined ? 'all is well' : `FAILED at ${violation.atMs.toFixed(1)} ms: ${violation.text}`;
  return `${JSON.stringify({ ...rest, faults: Object.fromEntries(faults) })}\n${verdict}`;
}
