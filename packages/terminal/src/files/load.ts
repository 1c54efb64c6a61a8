/**
 * Fills a map from a file, as fast as the grid stores.
 *
 * load L1  The file is read only as fast as the grid takes its rows; what may be unanswered is bounded (GridMap.load).
 * load L2  When loading ends, well or not, nothing of it is under way any more; cancelled, what was sent may still be stored.
 */
import type { EntryStream, GridKey, GridMap } from '@ashlar/api';
import { CancelledError } from '@ashlar/core';
import type { Document, RowBatch, RowSource } from './rows.ts';

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

type Entry<V> = readonly [GridKey, V];

/** Rows of a file as entries. Only a batch of them costs an asynchronous step: what was read is returned as it is. */
class FileEntries<V> implements EntryStream<GridKey, V> {
  /** Bytes of the file of which all rows were taken. */
  bytesRead = 0;
  /** Why there are no more rows, where that is not the end of the file. */
  broken: { readonly error: unknown } | undefined;
  readonly #batches: AsyncIterator<RowBatch>;
  readonly #entryOf: (row: Document, rowNumber: number) => Entry<V>;
  readonly #signal: AbortSignal | undefined;
  #batch: RowBatch = { rows: [], bytesRead: 0 };
  /** Index in the batch. */
  #next = 0;
  #rowNumber = 0;

  constructor(
    batches: AsyncIterable<RowBatch>,
    entryOf: (row: Document, rowNumber: number) => Entry<V>,
    signal: AbortSignal | undefined,
  ) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#entryOf = entryOf;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): IteratorResult<Entry<V>, undefined> | Promise<IteratorResult<Entry<V>, undefined>> {
    return this.#next < this.#batch.rows.length ? this.#take() : this.#read();
  }

  async return(): Promise<void> {
    await this.#batches.return?.();
  }

  #take(): IteratorResult<Entry<V>, undefined> {
    try {
      return { done: false, value: this.#entryOf(this.#batch.rows[this.#next++]!, this.#rowNumber++) };
    } catch (error) {
      this.broken = { error };
      throw error;
    }
  }

  async #read(): Promise<IteratorResult<Entry<V>, undefined>> {
    try {
      do {
        this.bytesRead = this.#batch.bytesRead;
        const { done, value } = await this.#batches.next();
        if (done === true) return { done: true, value: undefined };
        if (this.#signal?.aborted === true) throw new CancelledError('loading');
        this.#batch = value;
        this.#next = 0;
      } while (this.#batch.rows.length === 0);
    } catch (error) {
      this.broken = { error };
      throw error;
    }
    return this.#take();
  }
}

/** @throws what load throws, or what the file's reader throws; rows before that stay stored */
export async function loadRows<V>(
  source: RowSource,
  map: Pick<GridMap<GridKey, V>, 'load'>,
  options: LoadOptions<V> = {},
): Promise<LoadResult> {
  const { limit, signal, onProgress, bytesInFlightMax, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { keyOf = (_row, rowNumber) => rowNumber, toValue = (row: Document) => row as V } = options;
  const startedMs = performance.now();
  const entryOf = (row: Document, rowNumber: number): Entry<V> => [keyOf(row, rowNumber), toValue(row)];
  const entries = new FileEntries(source.batches(limit, signal), entryOf, signal);
  try {
    const { entries: rows } = await map.load(entries, {
      signal,
      timeoutMs,
      ...(bytesInFlightMax === undefined ? {} : { bytesInFlightMax }),
      onProgress: ({ entries: stored }) => onProgress?.(stored, entries.bytesRead),
    });
    return { rows, bytes: entries.bytesRead, durationMs: performance.now() - startedMs };
  } catch (error) {
    // What is wrong with the file is told with its place, not as part of what became of the load.
    throw entries.broken === undefined ? error : entries.broken.error;
  }
}
