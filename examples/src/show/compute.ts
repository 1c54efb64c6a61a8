/** Act 3: a job in TypeScript runs beside the data on both members. */
import { formatDuration, formatQuantity, renderBarChart } from '@ashlar/terminal';
import { delayHistogram, type HistogramArgs } from '../flights/flights.jobs.ts';
import { DELAY_BINS, histogramBars } from '../flights/histogram.ts';
import { Flights } from '../flights/model.ts';
import { headline, type Stage } from './stage.ts';

export interface HistogramFigures extends HistogramArgs {
  readonly counts: readonly number[];
  readonly flights: number;
  readonly timeMs: number;
}

export async function compute({ screen, grid, signal }: Stage): Promise<HistogramFigures> {
  headline(screen, 'compute', 'examples/src/flights/flights.jobs.ts, beside the data: delays of all flights');
  await grid.deploy(new URL('../flights/flights.jobs.ts', import.meta.url), { name: 'flights', signal });
  const startedMs = performance.now();
  const counts = await grid.run(delayHistogram, { map: Flights, ...DELAY_BINS }, { signal });
  const timeMs = performance.now() - startedMs;
  const flights = counts.reduce((sum, count) => sum + count, 0);
  screen.line(renderBarChart(histogramBars(counts, DELAY_BINS), screen));
  screen.line(screen.colours.dim(`  ${formatQuantity(flights, 'flight')} in ${formatDuration(timeMs)}`));
  return { ...DELAY_BINS, counts, flights, timeMs };
}
