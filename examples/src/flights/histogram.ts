/** The delay histogram as a chart: the bins asked for and their labels. */
import type { Bar } from '@ashlar/terminal';
import type { HistogramArgs } from './flights.jobs.ts';

/** Quarters of an hour from half an hour early to three hours late. */
export const DELAY_BINS: HistogramArgs = { fromMinutes: -45, binMinutes: 15, bins: 16 };

/** "below -30", "-30 to -15", ... "180 and more". */
export function histogramBars(counts: readonly number[], { fromMinutes, binMinutes }: HistogramArgs): Bar[] {
  return counts.map((value, bin) => {
    const from = fromMinutes + bin * binMinutes;
    if (bin === 0) return { label: `below ${from + binMinutes} min`, value };
    if (bin === counts.length - 1) return { label: `${from} min and more`, value };
    return { label: `${from} to ${from + binMinutes} min`, value };
  });
}
