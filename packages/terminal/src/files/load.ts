/**
 * Fills a map from a file: putAll in batches, a bounded number of them under way.
 *
 * load L1  At most `inFlightMax` batches are unanswered; reading waits for the grid.
 * load L2  When loading ends, well or not, no batch is under way any more.
 */
import type { GridKey, GridMap } from '@ashlar/api';
import { CancelledError } from '@ashlar/core';
import type { Document, RowSource } from './rows.ts';

export interface LoadOptions<V> {
  /** The key of a row; default: its number in the file, from 0. */
  readonly keyOf?: (row: Document, rowNumber: number) => GridKey;
  /** Rows at most. */
  readonly limit?: number;
  /** Entries a putAll. */
  readonly batchRows?: number;
  readonly inFlightMax?: number;
  readonly signal?: AbortSignal;
  /** Time one putAll may take. Default 60 s. */
  readonly timeoutMs?: number;
  /** Called after each answered batch. */
  readonly onProgress?: (rowsStored: number, bytesRead: number) => void;
  /** A row as the map's value; default: as it was read. */
  readonly toValue?: (row: Document) => V;
}

export interface LoadResult {
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
}

const DEFAULT_BATCH_ROWS = 4096;
const DEFAULT_IN_FLIGHT_MAX = 4;
const DEFAULT_TIMEOUT_MS = 60_000;

/** @throws what putAll throws, or what the file's reader throws; rows stored before stay stored */
export async function loadRows<V>(
  source: RowSource,
  map: Pick<GridMap<GridKey, V>, 'putAll'>,
  options: LoadOptions<V> = {},
): Promise<LoadResult> {
  const { batchRows = DEFAULT_BATCH_ROWS, inFlightMax = DEFAULT_IN_FLIGHT_MAX } = options;
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS, keyOf = (_row, rowNumber) => rowNumber } = options;
  const toValue = options.toValue ?? ((row: Document) => row as V);
  const startedMs = performance.now();
  const inFlight = new Set<Promise<void>>();
  let rowsRead = 0;
  let rowsStored = 0;
  let bytes = 0;
  const send = (entries: [GridKey, V][]): void => {
    const put = map.putAll(entries, { signal, timeoutMs }).then(() => {
      rowsStored += entries.length;
      options.onProgress?.(rowsStored, bytes);
      inFlight.delete(put);
    });
    put.catch(() => {}); // handled where it is awaited, which may be later than the failure
    inFlight.add(put);
  };
  try {
    for await (const batch of source.batches(options.limit, signal)) {
      bytes = batch.bytesRead;
      for (let from = 0; from < batch.rows.length; from += batchRows) {
        const entries = batch.rows.slice(from, from + batchRows).map((row): [GridKey, V] => {
          const rowNumber = rowsRead++;
          return [keyOf(row, rowNumber), toValue(row)];
        });
        if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
        if (signal?.aborted) throw new CancelledError('loading');
        send(entries);
      }
    }
    await Promise.all(inFlight);
  } finally {
    await Promise.allSettled(inFlight);
  }
  return { rows: rowsStored, bytes, durationMs: performance.now() - startedMs };
}
