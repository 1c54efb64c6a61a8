/** The job of the flights example: a histogram of delays, counted beside the data on every member. */
import { defineJob } from '@ashlar/api';
import type { Flight } from './model.ts';

export interface HistogramArgs {
  /** The first bin starts here and takes all that is earlier, too. */
  readonly fromMinutes: number;
  readonly binMinutes: number;
  /** The last bin takes all that is later, too. */
  readonly bins: number;
}

/** Flights in each bin of delay; flights without a delay are in none. */
export const delayHistogram = defineJob<Flight, HistogramArgs, number[], number[]>({
  map: (rows, { fromMinutes, binMinutes, bins }) => {
    const counts = new Array<number>(bins).fill(0);
    for (const delay of rows.numbers('delay')) {
      if (Number.isNaN(delay)) continue;
      const bin = Math.floor((delay - fromMinutes) / binMinutes);
      counts[Math.max(0, Math.min(bins - 1, bin))]! += 1;
    }
    return counts;
  },
  reduce: (partials, { bins }) =>
    Array.from({ length: bins }, (_, bin) => partials.reduce((sum, counts) => sum + counts[bin]!, 0)),
});
