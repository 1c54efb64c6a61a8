import { openRows, type RowSource } from '@ashlar/terminal';
import { duckdbAnswers } from '../testing/duckdb-answers.ts';
import { delayHistogram, type HistogramArgs } from './flights.jobs.ts';
import { DELAY_BINS, histogramBars } from './histogram.ts';
import { dataFile, type Flight } from './model.ts';

const ROWS = 30_000;

async function readAll(source: RowSource, limit?: number): Promise<Record<string, unknown>[]> {
  const rows = [];
  for await (const batch of source.batches(limit)) rows.push(...batch.rows);
  return rows;
}

/** The rows as a job sees those of one partition. */
function partitionOf(flights: readonly Flight[]): Parameters<typeof delayHistogram.map>[0] {
  return {
    partitionId: 0,
    count: flights.length,
    numbers: (path) => Float64Array.from(flights, (flight) => flight[path as 'delay'] ?? Number.NaN),
    column: (path) => flights.map((flight) => flight[path as keyof Flight]) as never[],
    entries: () => flights.map((flight, row) => [row, flight] as const)[Symbol.iterator](),
  };
}

describe('the flights file', () => {
  it('is read as documents with plain numbers and times', async () => {
    const rows = await readAll(await openRows(dataFile('flights-3m.parquet')), 3);
    expect(rows[0]).toEqual({
      date: new Date('2001-01-01T00:01:00.000Z'),
      delay: 33,
      distance: 2176,
      origin: 'LAS',
      destination: 'PHL',
    });
    expect(rows).toHaveLength(3);
  });
});

describe('the airports file', () => {
  it('keeps codes text and makes coordinates numbers', async () => {
    const rows = await readAll(await openRows(dataFile('airports.csv')));
    expect(rows.length).toBeGreaterThan(3000);
    expect(rows.every((row) => typeof row['iata'] === 'string' && typeof row['latitude'] === 'number')).toBe(true);
  });
});

describe('the delay histogram', () => {
  it('counts as DuckDB does, in whatever partitions the rows lie', async () => {
    const flights = (await readAll(await openRows(dataFile('flights-3m.parquet')), ROWS)) as unknown as Flight[];
    const { histogram } = await duckdbAnswers(ROWS, DELAY_BINS);
    const context = { signal: new AbortController().signal, progress: () => {} };
    const partials = [0, 1, 2].map((part) =>
      delayHistogram.map(partitionOf(flights.filter((_, row) => row % 3 === part)), DELAY_BINS, context),
    );
    expect(delayHistogram.reduce(partials, DELAY_BINS)).toEqual(histogram);
    expect(delayHistogram.reduce([], DELAY_BINS)).toEqual(new Array(DELAY_BINS.bins).fill(0));
  });

  it('leaves out flights without a delay, and labels its bins', () => {
    const args: HistogramArgs = { fromMinutes: -15, binMinutes: 15, bins: 3 };
    const delays = [-99, -15, -1, 0, 14, 15, 999, Number.NaN];
    const flights = delays.map((delay) => ({ delay }) as Flight);
    const context = { signal: new AbortController().signal, progress: () => {} };
    expect(histogramBars(delayHistogram.map(partitionOf(flights), args, context), args)).toEqual([
      { label: 'below 0 min', value: 3 },
      { label: '0 to 15 min', value: 2 },
      { label: '15 min and more', value: 2 },
    ]);
  });
});
