/** What many runs reached, added up: whether seeds look where they ought to. */
import type { RunReport } from '../run.ts';

const SUMMED = [
  'events',
  'virtualMs',
  'committed',
  'answered',
  'unknown',
  'elections',
  'losses',
  'shrinks',
  'growths',
] as const;

export class Totals {
  seeds = 0;
  failed = 0;
  readonly #sums = new Map<string, number>();
  readonly #faults = new Map<string, number>();

  add(report: RunReport): void {
    this.seeds += 1;
    if (report.violation !== undefined) this.failed += 1;
    for (const name of SUMMED) this.#sums.set(name, (this.#sums.get(name) ?? 0) + report[name]);
    for (const [kind, count] of report.faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
  }

  toJSON(): Record<string, unknown> {
    const rounded = [...this.#sums].map(([name, sum]) => [name, Math.round(sum)]);
    return {
      seeds: this.seeds,
      failed: this.failed,
      ...Object.fromEntries(rounded),
      faults: Object.fromEntries(this.#faults),
    };
  }

  text(): string {
    const sums = [...this.#sums].map(([name, sum]) => `${name} ${Math.round(sum)}`);
    const faults = [...this.#faults].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`);
    return `${sums.join(', ')}\nfaults: ${faults.join(', ')}`;
  }
}
