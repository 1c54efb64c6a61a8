/**
 * `npm run chaos`: three members as processes, real faults, real clients, and the judgement of what they saw. Its last line is one
 * of JSON; exit code 0: all is right.
 */
import { writeFileSync } from 'node:fs';
import { ChaosRun } from './chaos-run.ts';
import { budgetTold } from './faults/takeover.ts';
import { type ChaosOptions, parseOptions, USAGE } from './options.ts';
import { shortcomings, verdictOf } from './verdict.ts';

async function main(options: ChaosOptions): Promise<number> {
  const { minutes, seed, faults, backups, callsASecond, history } = options;
  const beganMs = performance.now();
  const tell = (line: string): void => {
    process.stderr.write(`chaos ${((performance.now() - beganMs) / 1000).toFixed(1).padStart(7)} s  ${line}\n`);
  };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  tell(`seed ${seed}, ${minutes} minutes, backups ${backups}, faults ${faults.join(', ') || 'none'}`);
  if (backups > 0) tell(budgetTold());
  const run = new ChaosRun({ seed, forMs: minutes * 60_000, faults, backups, callsASecond, tell });
  const findings = await run.run(stop.signal);
  if (history !== undefined) writeFileSync(history, run.history.map((one) => `${JSON.stringify(one)}\n`).join(''));
  for (const complaint of findings.complaints) tell(complaint);
  for (const wrong of shortcomings(findings)) tell(`NOT RIGHT: ${wrong}`);
  const { answered, refused } = run.outcomes;
  tell(
    `${answered} calls answered; refused: ${[...refused].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'}`,
  );
  const verdict = verdictOf(findings);
  process.stdout.write(`${JSON.stringify(verdict, undefined, options.json ? undefined : 2)}\n`);
  return verdict.ok ? 0 : 1;
}

if (process.argv.slice(2).some((flag) => flag === '--help' || flag === '-h')) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
let options: ChaosOptions;
try {
  options = parseOptions(process.argv.slice(2), Math.random);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
  process.exit(2);
}
process.exit(await main(options));
