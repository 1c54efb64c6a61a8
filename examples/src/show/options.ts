/** The flags of `npm start -- ...`. */
import { parseArgs } from 'node:util';
import { GridError } from '@ashlar/api';
import { isError } from '@ashlar/core';
import { FLIGHTS_MAX } from '../flights/model.ts';

export interface ShowOptions {
  /** Print the help, and do nothing else. */
  readonly help: boolean;
  /** Leave after the show instead of serving on. */
  readonly once: boolean;
  /** All figures as one JSON line, last on stdout; everything for people goes to stderr. */
  readonly json: boolean;
  readonly rows: number;
  readonly transactions: number;
  readonly seed: number;
  /** gRPC port of the first member; the next port is its HTTP door, the second member's are 10 further. */
  readonly port: number;
  /** Grid memory of each member, as `ashlar start --memory` takes it. */
  readonly memory: string;
  readonly memoryBytes: number;
}

const USAGE =
  'flags: --once --json --rows N --transactions N --seed N --port N --memory SIZE; npm start -- --help explains them';

/** Text of `npm start -- --help`. */
export const SHOW_HELP = `Usage: npm start [-- FLAGS]

The show: two members on this machine, 3,000,000 flights, three queries, a job, live fraud detection.
It then serves on until Ctrl-C.

Flags:
  --once            leave after the show
  --json            all figures as one JSON line on standard output; text for people goes to standard error
  --rows N          flights to load (default 3,000,000)
  --transactions N  card transactions to stream (default 200,000)
  --seed N          of the simulated transactions (default 1)
  --port N          gRPC port of the first member (default 7710); N+1, N+10 and N+11 are used too
  --memory SIZE     grid memory of each member (default 512MiB)
  -h, --help        this help

Example:
  $ npm start -- --once --json

The command line of Ashlar, with a bare member, a SQL shell and more:
  $ npx ashlar --help
`;

const PORT_MAX = 65_535 - 11;
const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** @throws GridError INVALID_ARGUMENT with a sentence that says what is wanted */
export function parseShowOptions(args: readonly string[]): ShowOptions {
  const values = parseFlags(args);
  const memory = String(values['memory'] ?? '512MiB');
  return {
    help: values['help'] === true,
    once: values['once'] === true,
    json: values['json'] === true,
    rows: parseNumber('rows', values['rows'], 3_000_000, 1, FLIGHTS_MAX),
    transactions: parseNumber('transactions', values['transactions'], 200_000, 100, 10_000_000),
    seed: parseNumber('seed', values['seed'], 1, 0, 0xffff_ffff),
    port: parseNumber('port', values['port'], 7710, 1024, PORT_MAX),
    memory,
    memoryBytes: parseSize(memory),
  };
}

function parseFlags(args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const help = { type: 'boolean', short: 'h' } as const;
  const options = {
    help,
    once: flag,
    json: flag,
    rows: text,
    transactions: text,
    seed: text,
    port: text,
    memory: text,
  };
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const why = isError(cause) ? cause.message.split('. ')[0] : String(cause);
    throw new GridError('INVALID_ARGUMENT', `${why}`, { hint: USAGE, cause });
  }
}

function parseNumber(
  name: string,
  text: string | boolean | undefined,
  byDefault: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return byDefault;
  const value = Number(String(text).replaceAll(/[_,]/g, '') || Number.NaN);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new GridError('INVALID_ARGUMENT', `--${name} ${text}: a whole number from ${min} to ${max} is expected`, {
    hint: USAGE,
  });
}

function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/.exec(text);
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * UNITS[match[2]!]!);
  if (bytes >= 16 * 1024 ** 2) return bytes;
  throw new GridError('INVALID_ARGUMENT', `--memory ${text}: a size like 512MiB or 1GiB, from 16MiB, is expected`, {
    hint: USAGE,
  });
}
