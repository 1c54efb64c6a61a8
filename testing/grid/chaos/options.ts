/** The command line of a chaos run. */
import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './faults/faults.ts';

export interface ChaosOptions {
  readonly minutes: number;
  /** 32 bits. */
  readonly seed: number;
  readonly faults: readonly FaultKind[];
  readonly backups: number;
  readonly callsASecond: number;
  readonly json: boolean;
  /** File that the history is written to, a line an operation. */
  readonly history: string | undefined;
}

export const USAGE =
  'usage: npm run chaos -- [--minutes N] [--seed N] [--faults KIND,...] [--backups N] [--rate CALLS_A_SECOND] [--history FILE] [--json]';
const MINUTES_MAX = 7 * 24 * 60;
const BACKUPS_MAX = 2;

/**
 * @param chance  gives the seed where none is stated
 * @throws Error for flags that are not known, and values that are none
 */
export function parseOptions(args: readonly string[], chance: () => number): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string' },
      faults: { type: 'string', default: FAULT_KINDS.join() },
      backups: { type: 'string', default: '1' },
      rate: { type: 'string', default: '400' },
      history: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    minutes: numberIn('minutes', values.minutes, (value) => value > 0 && value <= MINUTES_MAX, 'a time above 0'),
    seed: wholeIn('seed', values.seed ?? String(Math.floor(chance() * 2 ** 31)), 2 ** 32 - 1),
    faults: faultsOf(values.faults),
    backups: wholeIn('backups', values.backups, BACKUPS_MAX),
    callsASecond: numberIn('rate', values.rate, (value) => value >= 1 && value <= 100_000, 'calls a second'),
    history: values.history,
    json: values.json,
  };
}

function faultsOf(text: string): FaultKind[] {
  const names = text.split(',').filter((name) => name !== '' && name !== 'none');
  for (const name of names) {
    if ((FAULT_KINDS as readonly string[]).includes(name)) continue;
    throw new Error(`--faults ${text}: some of ${FAULT_KINDS.join(', ')} are expected, or none`);
  }
  return names as FaultKind[];
}

function wholeIn(flag: string, text: string, most: number): number {
  const isRight = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= most;
  return numberIn(flag, text, isRight, `a whole number from 0 to ${most}`);
}

function numberIn(flag: string, text: string, isRight: (value: number) => boolean, what: string): number {
  const value = Number(text);
  if (text !== '' && isRight(value)) return value;
  throw new Error(`--${flag} ${text}: ${what} is expected`);
}
