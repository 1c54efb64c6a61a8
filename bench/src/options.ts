/** The command line of a bench, besides its name. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly json: boolean;
  /** Instead of the bench's own number of measured rounds. */
  readonly rounds: number | undefined;
  /** `events` only: what a member holds for a minute, instead of its speed. */
  readonly liveHeap: boolean;
  /** The cases or subjects asked for (`--case`, `--subject`, repeatable), all when none is. @throws naming what there is */
  chosen(kind: 'case' | 'subject', all: readonly string[]): readonly string[];
}

/** @throws Error for flags that are not known, and what is no count */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      case: { type: 'string', multiple: true },
      'live-heap': { type: 'boolean', default: false },
      subject: { type: 'string', multiple: true },
    },
  });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new Error(`--rounds ${values.rounds}: a whole number above 0 is expected`);
  }
  return {
    json: values.json,
    rounds,
    liveHeap: values['live-heap'],
    chosen(kind, all) {
      const asked = values[kind] ?? [];
      const unknown = asked.find((name) => !all.includes(name));
      if (unknown !== undefined) throw new Error(`no ${kind} '${unknown}' in this bench: ${all.join(', ')}`);
      return asked.length === 0 ? all : all.filter((name) => asked.includes(name));
    },
  };
}
