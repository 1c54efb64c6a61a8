/** A row source over arrays of values, for tests: every way a chunk may lie in vectors, by choice of the test. */
import { GridError } from '@ashlar/core';
import { type Batch, compileFilter, type SqlType, Tag, type Vector, valueAt, vectorOf } from '@ashlar/expressions';
import type { RowSource, ScannedRows, ScanRequest, SourceYield } from '../row-source.ts';
import { LATE } from '../rows.ts';

export type Row = readonly unknown[];

export interface MemoryOptions {
  /** Rows a chunk. */
  readonly chunkRows?: number;
  /** Texts by code, in a dictionary a chunk. */
  readonly dictionary?: 'none' | 'codes8' | 'codes16';
}

/** Rows by partition. Each chunk is made anew, and its lanes are wiped when the next is asked for. */
export class MemorySource implements RowSource {
  isFinished = false;
  isExpired = false;
  readonly #partitions: readonly (readonly Row[])[];
  readonly #options: Required<MemoryOptions>;

  constructor(partitions: readonly (readonly Row[])[], options: MemoryOptions = {}) {
    this.#partitions = partitions;
    this.#options = { chunkRows: options.chunkRows ?? 4096, dictionary: options.dictionary ?? 'none' };
  }

  *scan({ scan, partition, evaluation, late, fromChunk }: ScanRequest): Iterable<ScannedRows> {
    const rows = this.#partitions[partition]!;
    const filter = scan.filter === undefined ? undefined : compileFilter(scan.filter);
    const { chunkRows } = this.#options;
    for (let from = fromChunk * chunkRows; from < rows.length; from += chunkRows) {
      const chunk = rows.slice(from, from + chunkRows);
      const columns = scan.columns.map((column, index) =>
        this.#vector(
          column.type,
          chunk.map((row) => row[index]),
        ),
      );
      const batch: Batch = { length: chunk.length, columns };
      const selection = new Uint16Array(chunk.length);
      const count = filter?.(batch, evaluation, undefined, chunk.length, selection);
      yield {
        batch: {
          length: chunk.length,
          columns: columns.map((vector, index) => (late?.[index] === true ? LATE : vector)),
        },
        selection: count === undefined ? undefined : selection,
        count: count ?? chunk.length,
        chunk: from / chunkRows,
        rowsScanned: chunk.length,
        late: { read: (index, rows, wanted) => onlyRows(columns[index]!, rows, wanted) },
      };
      for (const column of columns) wipe(column);
    }
  }

  checkAlive(): void {
    if (this.isExpired) throw new GridError('SNAPSHOT_EXPIRED', 'expired');
  }

  finish(): SourceYield {
    this.isFinished = true;
    return { columnOffers: [], unusedPages: [] };
  }

  #vector(type: SqlType, values: readonly unknown[]): Vector {
    const vector = vectorOf(type, values);
    return this.#options.dictionary === 'none' ? vector : coded(vector, this.#options.dictionary);
  }
}

/** The column with other rows than those asked for wiped. */
function onlyRows(vector: Vector, rows: Uint16Array | undefined, count: number): Vector {
  const asked = new Set(rows === undefined ? Array.from({ length: count }, (_, row) => row) : rows.subarray(0, count));
  const values = Array.from({ length: vector.length }, (_, row) => (asked.has(row) ? valueAt(vector, row) : 'wiped'));
  return vectorOf(vector.type, values);
}

/** The same rows with texts by code. */
function coded(vector: Vector, width: 'codes8' | 'codes16'): Vector {
  const { values, uniform, tags, length } = vector;
  const isText = (row: number): boolean => (uniform ?? tags![row]) === Tag.TEXT;
  if (values === undefined || !Array.from({ length }, (_, row) => row).some(isText)) return vector;
  const texts = Array.from({ length }, (_, row) => (isText(row) ? (values[row] as string) : undefined));
  // In an order of its own, with a text that no row has.
  const dictionary = [...new Set(texts.filter((text) => text !== undefined)), 'unused'].sort().reverse();
  if (width === 'codes8' && dictionary.length > 256) return vector;
  const codes = width === 'codes8' ? new Uint8Array(length) : new Uint16Array(length);
  for (let row = 0; row < length; row++) {
    const text = texts[row];
    if (text !== undefined) codes[row] = dictionary.indexOf(text);
  }
  const hasOthers = Array.from({ length }, (_, row) => row).some((row) => !isText(row) && values[row] !== undefined);
  return { ...vector, codes, dictionary, values: hasOthers ? values : undefined };
}

/** What rows R1 allows a source to do: operators that kept a lane would show it. */
function wipe(vector: Vector): void {
  vector.numbers?.fill(Number.NaN);
  vector.tags?.fill(Tag.TEXT);
  vector.codes?.fill(0);
}
