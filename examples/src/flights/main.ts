/**
 * Flights in a grid that runs already (`npx ashlar start`): loads a slice of them, asks three questions in SQL, runs a
 * job beside the data.
 *
 *   node --conditions=@ashlar/source examples/src/flights/main.ts [host:port]
 */

import { connect, type GridKey } from '@ashlar/client';
import { loadRows, openRows } from '@ashlar/terminal';
import { delayHistogram } from './flights.jobs.ts';
import { DELAY_BINS, histogramBars } from './histogram.ts';
import { Airports, dataFile, Flights } from './model.ts';
import { flightStatements } from './statements.ts';

const SLICE_ROWS = 100_000;

const grid = await connect({ seeds: [process.argv[2] ?? '127.0.0.1:7710'] });
try {
  await loadAndAsk();
} finally {
  await grid.close();
}

async function loadAndAsk(): Promise<void> {
  const flights = grid.map(Flights);
  const airports = grid.map(Airports);
  await Promise.all([flights.clear(), airports.clear()]);
  await loadRows(await openRows(dataFile('flights-3m.parquet')), flights, { limit: SLICE_ROWS });
  await loadRows(await openRows(dataFile('airports.csv')), airports, { keyOf: (row) => row['iata'] as GridKey });
  console.log(`${await flights.size()} flights, ${await airports.size()} airports`);
  console.log('the first flight:', await flights.get(0));

  for (const { title, sql, params } of flightStatements(SLICE_ROWS)) {
    console.log(`\n${title}`);
    console.table(await grid.sql(sql, params).all());
  }

  await grid.deploy(new URL('./flights.jobs.ts', import.meta.url), { name: 'flights' });
  const counts = await grid.run(delayHistogram, { map: Flights, ...DELAY_BINS });
  for (const { label, value } of histogramBars(counts, DELAY_BINS)) console.log(label.padStart(18), value);
}
