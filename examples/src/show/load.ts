/** Act 1: three million flights, and the airports they start from, go into the grid. */

import type { GridKey } from '@ashlar/api';
import {
  formatBytes,
  formatDuration,
  formatQuantity,
  formatRate,
  loadRows,
  openRows,
  startProgress,
} from '@ashlar/terminal';
import { Airports, dataFile, Flights } from '../flights/model.ts';
import { headline, type Stage } from './stage.ts';

export interface LoadFigures {
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Size of the file. */
  readonly bytes: number;
  readonly airports: number;
}

export async function load({ options, screen, grid, signal }: Stage): Promise<LoadFigures> {
  headline(screen, 'load', 'flights-3m.parquet and airports.csv through the public client');
  const airports = await loadRows(await openRows(dataFile('airports.csv')), grid.map(Airports), {
    keyOf: (row) => row['iata'] as GridKey,
    signal,
  });
  const source = await openRows(dataFile('flights-3m.parquet'));
  const progress = startProgress(screen, { label: Flights.name, unit: 'rows', total: options.rows });
  try {
    const flights = await loadRows(source, grid.map(Flights), {
      limit: options.rows,
      signal,
      onProgress: (rows, bytes) => progress.update(rows, bytes),
    });
    progress.stop();
    const rowsPerSecond = Math.round((flights.rows / flights.durationMs) * 1000);
    const figures = `${formatDuration(flights.durationMs)} (${formatBytes(flights.bytes)}, ${formatRate(rowsPerSecond)})`;
    screen.line(`  ${formatQuantity(flights.rows, 'flight')} in ${figures}`);
    screen.line(`  ${formatQuantity(airports.rows, 'airport')} in ${formatDuration(airports.durationMs)}`);
    const { rows, bytes } = flights;
    return { rows, bytes, seconds: flights.durationMs / 1000, rowsPerSecond, airports: airports.rows };
  } finally {
    progress.stop();
  }
}
