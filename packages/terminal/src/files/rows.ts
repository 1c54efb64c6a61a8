/** Files as batches of documents: what the readers of parquet, csv and ndjson have in common. */
import type { TextColumns } from './exported-rows.ts';

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
  /** Rows in the file; undefined when only reading it shows. */
  readonly rowCount: number | undefined;
  /** Size of the file. */
  readonly bytesTotal: number;
  /** Notices for the reader of the file: columns that were renamed. */
  readonly notices?: readonly string[];
  /** Columns of an export that hold keys and values as text; undefined: none does. */
  readonly textColumns?: TextColumns;
  /**
   * @param limit  rows wanted at most; the last batch is cut to it
   * @param signal  looked at where much is read before a batch can be given; who takes the batches looks at it between them
   */
  batches(limit?: number, signal?: AbortSignal): AsyncIterable<RowBatch>;
}
