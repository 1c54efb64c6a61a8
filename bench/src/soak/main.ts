/**
 * `npm run soak -- [--minutes N] [--seed N] [--commit-delay MS] [--commit-drops N]
 * [--json]`: a store with threads, and a grid of two members, both written to,
 * read, expired and reused at full speed, and grids that are asked what must be answered so and not otherwise; ends at the
 * first row that must not be seen, or answer that must not be given. Exit code 0: none was.
 *
 * The members commit late, as they do with backups (--commit-delay 0: at once), and with --commit-drops lose what a partition
 * has not committed now and then, as a member does that loses the partition; they take both from the environment.
 */
import { setUp } from '../report.ts';
import { AnswersSoak } from './answers/answers-soak.ts';
import { GridSoak } from './grid/grid-soak.ts';
import { parseOptions, type SoakOptions, USAGE } from './options.ts';
import { ReaderSoak } from './readers/reader-soak.ts';
import { StoreProcess } from './store/store-process.ts';
import { type Counts, SoakFault } from './tally.ts';

/** How long one of the grids with known answers is asked. */
const ANSWERS_TURN_MS = 15_000;
const PROGRESS_EVERY_MS = 20_000;
const INTERRUPTED = 130;

/** A part of the soak, and the fault that ended it. */
interface Part {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly counts: () => Counts;
}

function partsOf({ seed }: SoakOptions): readonly Part[] {
  const store = new StoreProcess(seed);
  const grid = new GridSoak(seed);
  const readers = new ReaderSoak();
  const answers = new AnswersSoak(seed, ANSWERS_TURN_MS);
  return [
    { name: 'one store, threads beside the writer', run: (signal) => store.run(signal), counts: () => store.counts() },
    { name: 'two members, three clients', run: (signal) => grid.run(signal), counts: () => grid.tally.counts() },
    {
      name: 'one member, readers that do not read',
      run: (signal) => readers.run(signal),
      counts: () => readers.tally.counts(),
    },
    {
      name: 'sixteen callers, known answers',
      run: (signal) => answers.run(signal),
      counts: () => answers.tally.counts(),
    },
  ];
}

async function soak(options: SoakOptions): Promise<number> {
  const startedMs = performance.now();
  const elapsedS = (): number => Math.round((performance.now() - startedMs) / 1000);
  const stop = new AbortController();
  let interruption: string | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      interruption = signal;
      stop.abort();
    });
  }
  const timer = setTimeout(() => stop.abort(), options.durationMs);
  process.env['ASHLAR_TESTING_COMMIT_DELAY_MS'] = `${options.commitDelayMs}ms`;
  process.env['ASHLAR_TESTING_COMMIT_DROP_PER_MILLE'] = String(options.commitDropPerMille);
  process.env['ASHLAR_TESTING_SEED'] = String(options.seed % 2 ** 31);
  const parts = partsOf(options);
  process.stderr.write(
    `soak: ${setUp()}\nsoak: seed ${options.seed}, ${options.durationMs / 60_000} minutes, commits up to ${options.commitDelayMs} ms late\n`,
  );
  const progress = setInterval(
    () => process.stderr.write(`soak: ${progressLine(parts, elapsedS())}\n`),
    PROGRESS_EVERY_MS,
  );
  const faults: { readonly part: string; readonly error: Error }[] = [];
  const runs = parts.map(({ name, run }) =>
    runToTheEnd(run, stop.signal).catch((error: Error) => {
      // Ctrl-C of a terminal reaches the members too: what fails then is no fault.
      if (interruption === undefined) faults.push({ part: name, error });
      stop.abort();
    }),
  );
  await Promise.all(runs);
  clearTimeout(timer);
  clearInterval(progress);
  report(options, parts, faults, elapsedS());
  if (interruption !== undefined) process.stderr.write(`soak: ended by ${interruption}\n`);
  if (faults.length > 0) return 1;
  return interruption === undefined ? 0 : INTERRUPTED;
}

/** A part that ends before it is told to has done less than it says. */
async function runToTheEnd(run: Part['run'], signal: AbortSignal): Promise<void> {
  await run(signal);
  if (!signal.aborted) throw new SoakFault('it ended by itself');
}

function progressLine(parts: readonly Part[], elapsedS: number): string {
  const sum = (pattern: RegExp): string => {
    const found = parts.flatMap(({ counts }) => Object.entries(counts())).filter(([name]) => pattern.test(name));
    return found.reduce((total, [, count]) => total + count, 0).toLocaleString('en-US');
  };
  const [rows, scans] = [sum(/^rows .*checked$/), sum(/^(scans|statements|answers|sums by .*)$/)];
  return `${elapsedS} s, ${rows} rows checked, ${scans} scans and statements, 0 faults`;
}

function report(
  { seed, json }: SoakOptions,
  parts: readonly Part[],
  faults: readonly { readonly part: string; readonly error: Error }[],
  elapsedS: number,
): void {
  const told = faults.map(({ part, error }) => {
    const facts = error instanceof SoakFault ? error.facts : { code: (error as { code?: string }).code };
    return { part, message: error.message, facts, stack: error.stack };
  });
  if (json) {
    const counts = Object.fromEntries(parts.map((part) => [part.name, part.counts()]));
    process.stdout.write(`${JSON.stringify({ bench: 'soak', seed, elapsedS, counts, faults: told })}\n`);
    return;
  }
  for (const part of parts) {
    process.stdout.write(`\n${part.name}\n`);
    for (const [name, count] of Object.entries(part.counts())) {
      process.stdout.write(`  ${name.padEnd(40)} ${count.toLocaleString('en-US').padStart(14)}\n`);
    }
  }
  process.stdout.write(`\n${elapsedS} s, seed ${seed}: ${told.length} faults\n`);
  for (const fault of told) {
    process.stdout.write(`\nFAULT in ${fault.part}: ${fault.message}\n${JSON.stringify(fault.facts, undefined, 2)}\n`);
    process.stdout.write(`${fault.stack}\n`);
  }
}

if (process.argv.slice(2).some((flag) => flag === '--help' || flag === '-h')) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
let options: SoakOptions;
try {
  options = parseOptions(process.argv.slice(2), Math.random);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
  process.exit(2);
}
process.exit(await soak(options));
