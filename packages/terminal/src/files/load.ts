/**
 * Fills a map from a file, as fast as the grid stores.
 *
 * load L1  The file is read only as fast as the grid takes its rows; what may be unanswered is bounded (GridMap.load).
 * load L2  When loading ends, well or not, nothing of it is under way any more; cancelled, what was sent may still be stored.
 */
import type { GridKey, GridMap } from '@ashlar/api';
import { CancelledError } from '@ashlar/core';
import type { Document, RowSource } from './rows.ts';

export interface LoadOptions<V> {
  /** The key of a row; default: its number in the file, from 0. */
  readonly keyOf?: (row: Document, rowNumber: number) => GridKey;
  /** Rows at most. */
  readonly limit?: number;
  /** Bytes that may be sent and not answered. Default: the grid's. */
  readonly bytesInFlightMax?: number;
  readonly signal?: AbortSignal;
  /** Time a batch may take. Default 60 s. */
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

const DEFAULT_TIMEOUT_MS = 60_000;

/** @throws what load throws, or what the file's reader throws; rows before that stay stored */
export async function loadRows<V>(
  source: RowSource,
  map: Pick<GridMap<GridKey, V>, 'load'>,
  options: LoadOptions<V> = {},
): Promise<LoadResult> {
  const { limit, signal, onProgress, bytesInFlightMax, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { keyOf = (_row, rowNumber) => rowNumber, toValue = (row: Document) => row as V } = options;
  const startedMs = performance.now();
  let bytes = 0;
  let broken: { readonly error: unknown } | undefined;
  async function* entries(): AsyncGenerator<[GridKey, V], void, undefined> {
    let rowNumber = 0;
    try {
      for await (const batch of source.batches(limit, signal)) {
        if (signal?.aborted === true) throw new CancelledError('loading');
        for (const row of batch.rows) yield [keyOf(row, rowNumber++), toValue(row)];
        bytes = batch.bytesRead;
      }
    } catch (error) {
      broken = { error };
      throw error;
    }
  }
  try {
    const { entries: rows } = await map.load(entries(), {
      signal,
      timeoutMs,
      ...(bytesInFlightMax === undefined ? {} : { bytesInFlightMax }),
      onProgress: ({ entries: stored }) => onProgress?.(stored, bytes),
    });
    return { rows, bytes, durationMs: performance.now() - startedMs };
  } catch (error) {
    // What is wrong with the file is told with its place, not as part of what became of the load.
    throw broken === undefined ? error : broken.error;
  }
}
