/** The soak's command line. */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly durationMs: number;
  /** 32 bits. */
  readonly seed: number;
  readonly json: boolean;
  /** Longest delay of a commit in the members, milliseconds. 0: at once. */
  readonly commitDelayMs: number;
  /** Batches of the members, of 1,000, that are lost with the undecided tail of their partition. */
  readonly commitDropPerMille: number;
}

export const USAGE = 'usage: npm run soak -- [--minutes N] [--seed N] [--commit-delay MS] [--commit-drops N] [--json]';
const DEFAULT_MINUTES = 5;
const DEFAULT_COMMIT_DELAY_MS = 20;

/**
 * @param chance  gives the seed where none is stated
 * @throws Error for flags that are not known, and what is no number
 */
export function parseOptions(args: readonly string[], chance: () => number): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      'commit-delay': { type: 'string', default: String(DEFAULT_COMMIT_DELAY_MS) },
      'commit-drops': { type: 'string', default: '0' },
    },
  });
  const minutes = values.minutes === undefined ? DEFAULT_MINUTES : Number(values.minutes);
  if (!(minutes > 0 && minutes <= 7 * 24 * 60))
    throw new Error(`--minutes ${values.minutes}: a time above 0 is expected`);
  const seed = values.seed === undefined ? Math.floor(chance() * 2 ** 31) : Number(values.seed);
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new Error(`--seed ${values.seed}: a whole number from 0 to 4294967295 is expected`);
  }
  return {
    ...{ durationMs: minutes * 60_000, seed, json: values.json },
    commitDelayMs: wholeUpTo1000('commit-delay', values['commit-delay'].replace(/ms$/, ''), 'whole milliseconds'),
    commitDropPerMille: wholeUpTo1000('commit-drops', values['commit-drops'], 'whole batches of 1,000'),
  };
}

function wholeUpTo1000(flag: string, text: string, what: string): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= 0 && value <= 1000) return value;
  throw new Error(`--${flag} ${text}: ${what} from 0 to 1000 are expected`);
}
