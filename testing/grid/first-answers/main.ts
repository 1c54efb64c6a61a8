/**
 * Prints how many of the calls in flight at a fault end with their first answer, once with what the member remembers and once
 * with its log alone.
 *
 *   npm run first-answers -- [--rounds N] [--rate CALLS_A_SECOND] [--json]
 *
 * Exit code 1: fewer than 99 of 100, or an answer that the first sending cannot have given.
 */
import { parseArgs } from 'node:util';
import { type Figures, measure } from './measure.ts';

const LEAST_SHARE = 0.99;
const USAGE = 'usage: npm run first-answers -- [--rounds N] [--rate CALLS_A_SECOND] [--json]';
if (process.argv.slice(2).some((flag) => flag === '--help' || flag === '-h')) {
  console.log(USAGE);
  process.exit(0);
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    rate: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const [rounds, callsASecond] = [Number(values.rounds), Number(values.rate)];
if (!(Number.isInteger(rounds) && rounds > 0 && callsASecond > 0)) {
  console.error(USAGE);
  process.exit(2);
}

let isGood = true;
for (const memory of ['remembered', 'log alone'] as const) {
  const figures = await measure({ rounds, callsASecond, ...(memory === 'log alone' ? { answersMaxBytes: 0 } : {}) });
  for (const [fault, counts] of figures) report(memory, fault, counts);
}
process.exit(isGood ? 0 : 1);

function report(memory: string, fault: string, { inFlight, first, unknown, refused, wrong }: Figures): void {
  const share = first / inFlight;
  isGood &&= share >= LEAST_SHARE && wrong === 0;
  if (values.json) {
    console.log(JSON.stringify({ memory, fault, inFlight, first, unknown, refused, wrong, share }));
    return;
  }
  const counts = `${first} first, ${unknown} unknown, ${refused} refused, ${wrong} wrong`;
  console.log(
    `${memory.padEnd(10)}  ${fault.padEnd(17)}  ${String(inFlight).padStart(6)} in flight: ${counts} (${(share * 100).toFixed(2)} %)`,
  );
}
