/** The output of a bench: the set-up, then a table; or a JSON line for each figure. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import type { BenchFigure as Figure } from '@ashlar/cli';

export type { Figure };

export interface Reporter {
  /** One figure: the median of its rounds. */
  figure(figure: Figure): void;
  /** For people only. */
  note(text: string): void;
  /** Shows how far the bench is; on a terminal only, never among the figures. */
  progress(text: string): void;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function makeReporter(json: boolean): Reporter {
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
  };
  if (json) {
    return {
      progress,
      figure: (figure) => process.stdout.write(`${JSON.stringify(figure)}\n`),
      note: (text) => process.stderr.write(`${text}\n`),
    };
  }
  return {
    progress,
    figure: ({ case: name, subject, metric, value, unit }) => {
      const shown = value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
      process.stdout.write(
        `${name.padEnd(18)} ${subject.padEnd(16)} ${metric.padEnd(22)} ${shown.padStart(14)} ${unit}\n`,
      );
    },
    note: (text) => process.stdout.write(`${text}\n`),
  };
}

/** The machine and its load. */
export function setUp(): string {
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  const [load] = loadavg();
  return `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${memory} GiB, Node ${process.versions.node}, load ${load!.toFixed(1)} before`;
}
