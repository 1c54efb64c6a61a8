/** Reading what members report: sums of figures, what happened between two looks, quantiles of latency histograms. Pure. */
import type { Figure, MemberStats } from '@ashlar/api';

type Labels = Readonly<Record<string, string>>;

/** The sum of a figure over those of its lines that have all of `labels`; 0 where there is none. */
export function sumOf(figures: readonly Figure[], name: string, labels: Labels = {}): number {
  let sum = 0;
  for (const figure of figures) if (figure.name === name && hasLabels(figure, labels)) sum += figure.value;
  return sum;
}

/** The values a label takes, in the order in which they come. */
export function labelValues(figures: readonly Figure[], name: string, label: string): string[] {
  const found = figures.filter((figure) => figure.name === name).map(({ labels }) => labels[label]);
  return [...new Set(found.filter((value) => value !== undefined))];
}

function hasLabels({ labels }: Figure, wanted: Labels): boolean {
  return Object.entries(wanted).every(([label, value]) => labels[label] === value);
}

/** Names of figures that only grow; they are shown as the growth between two looks. */
const GROWING = /_(total|bucket|count|sum)$/;

/**
 * The figures of `now`, those that only grow as their growth since `before`. A member that was started anew began at
 * zero; for one that is new, or did not answer then, there is no growth to show.
 */
export function since(before: readonly MemberStats[], now: readonly MemberStats[]): MemberStats[] {
  const known = new Map(before.map((stats) => [stats.member, stats]));
  return now.map((stats) => ({ ...stats, figures: grown(known.get(stats.member)?.figures ?? [], stats.figures) }));
}

function grown(before: readonly Figure[], now: readonly Figure[]): Figure[] {
  const values = new Map(before.map((figure) => [keyOf(figure), figure.value]));
  const hasRestarted = sumOf(now, 'ashlar_uptime_seconds') < sumOf(before, 'ashlar_uptime_seconds');
  return now.map((figure) => {
    if (!GROWING.test(figure.name)) return figure;
    // A line of a map that came in between began at zero.
    const from = hasRestarted ? 0 : (values.get(keyOf(figure)) ?? (before.length === 0 ? figure.value : 0));
    return { ...figure, value: Math.max(0, figure.value - from) };
  });
}

function keyOf({ name, labels }: Figure): string {
  return `${name} ${JSON.stringify(labels)}`;
}

/**
 * A quantile of a latency histogram in milliseconds, as Prometheus' histogram_quantile finds it: within its bucket by
 * proportion. NaN when nothing was recorded.
 */
export function quantileMs(figures: readonly Figure[], name: string, quantile: number, labels: Labels = {}): number {
  const counts = new Map<number, number>();
  for (const figure of figures) {
    if (figure.name !== `${name}_bucket` || !hasLabels(figure, labels)) continue;
    const bound = figure.labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(figure.labels['le']);
    counts.set(bound, (counts.get(bound) ?? 0) + figure.value);
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return Number.NaN;
  const rank = quantile * total;
  let [lowerBound, lowerCount] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank && count > lowerCount) {
      const share = (rank - lowerCount) / (count - lowerCount);
      return (bound === Number.POSITIVE_INFINITY ? lowerBound : lowerBound + (bound - lowerBound) * share) * 1000;
    }
    [lowerBound, lowerCount] = [bound, count];
  }
  return lowerBound * 1000;
}
