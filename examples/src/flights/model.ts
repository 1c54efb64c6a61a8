/** The maps of the flights example, and where their data lies. */
import { fileURLToPath } from 'node:url';
import { defineMap } from '@ashlar/api';

/** A flight in the United States in 2001; keyed by its row number in the file. */
export interface Flight {
  readonly date: Date;
  /** Minutes late at the destination; negative when early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** Airports by their three-letter code. */
  readonly origin: string;
  readonly destination: string;
}

/** Keyed by its code. */
export interface Airport {
  readonly iata: string;
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

export const Flights = defineMap<number, Flight>('flights');
export const Airports = defineMap<string, Airport>('airports');

/** Rows of flights-3m.parquet. */
export const FLIGHTS_MAX = 3_000_000;

/** A file of the package vega-datasets. */
export function dataFile(name: 'flights-3m.parquet' | 'airports.csv'): string {
  return fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')));
}
