/** Files as batches of documents: what the readers of parquet, csv and ndjson have in common. */

export type Document = Record<string, unknown>;

/** Sets a field; one may be called "__proto__". */
export function setField(document: Document, name: string, value: unknown): void {
  if (name !== '__proto__') document[name] = value;
  else Object.defineProperty(document, name, { value, enumerable: true, configurable: true, writable: true });
}

export interface RowBatch {
  readonly rows: readonly Document[];
  /** Bytes of the file used up to the end of this batch. */
  readonly bytesRead: number;
}

/** A file under reading. Batches come in the order of the file; a broken file throws INVALID_ARGUMENT with its place. */
export interface RowSource {
  /** Rows in the file; undefined when only reading tells. */
  readonly rowCount: number | undefined;
  /** Size of the file. */
  readonly bytesTotal: number;
  /** @param limit  rows wanted at most; the last batch is cut to it */
  batches(limit?: number): AsyncIterable<RowBatch>;
}
