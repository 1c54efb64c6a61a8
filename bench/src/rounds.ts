/** Figures over alternating rounds: each round asks every subject of every case once, in turning order. */
import { type Figure, median, type Reporter } from './report.ts';

export type Metrics = Readonly<Record<string, readonly [value: number, unit: string]>>;

export interface RoundsOptions {
  readonly bench: string;
  readonly cases: readonly string[];
  readonly subjects: readonly string[];
  /** Measured rounds; one more goes before, to warm up. */
  readonly rounds: number;
}

/** Runs all and reports the median of each figure. Subjects change places from round to round. */
export async function runRounds(
  { bench, cases, subjects, rounds }: RoundsOptions,
  reporter: Reporter,
  measure: (caseName: string, subject: string, round: number) => Promise<Metrics>,
): Promise<void> {
  const seen = new Map<string, { about: Omit<Figure, 'value'>; values: number[] }>();
  for (let round = 0; round <= rounds; round++) {
    for (const name of cases) {
      for (let turn = 0; turn < subjects.length; turn++) {
        const subject = subjects[(turn + round) % subjects.length]!;
        const metrics = await measure(name, subject, round);
        if (round > 0) note(seen, { bench, case: name, subject }, metrics);
      }
    }
    reporter.progress(`${bench}: round ${round} of ${rounds}`);
  }
  for (const { about, values } of seen.values()) reporter.figure({ ...about, value: median(values) });
}

function note(
  seen: Map<string, { about: Omit<Figure, 'value'>; values: number[] }>,
  about: { readonly bench: string; readonly case: string; readonly subject: string },
  metrics: Metrics,
): void {
  for (const [metric, [value, unit]] of Object.entries(metrics)) {
    const key = `${about.case}\n${about.subject}\n${metric}`;
    let known = seen.get(key);
    if (known === undefined) {
      known = { about: { ...about, metric, unit }, values: [] };
      seen.set(key, known);
    }
    known.values.push(value);
  }
}
