/** Rows kept whole, column by column. */
import { BATCH_ROWS, type Batch, type SqlType } from '@ashlar/expressions';
import { ColumnBuilder } from '../column-builder.ts';
import type { Evaluated } from '../rows.ts';

export class RowBuffer {
  #columns: ColumnBuilder[] | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    let bytes = 0;
    for (const column of this.#columns ?? []) bytes += column.bytes;
    return bytes;
  }

  get columns(): readonly ColumnBuilder[] {
    return this.#columns ?? [];
  }

  append({ vectors, selection, count }: Evaluated): void {
    const columns = (this.#columns ??= vectors.map(
      (vector): ColumnBuilder => new ColumnBuilder(vector.type as SqlType),
    ));
    columns.forEach((column, index) => {
      column.append(vectors[index]!, selection, count);
    });
    this.#length += count;
  }

  clear(): void {
    for (const column of this.#columns ?? []) column.clear();
    this.#length = 0;
  }

  /** Rows [from, to), as views: valid until the buffer changes. */
  slice(from: number, to: number): Batch {
    return { length: to - from, columns: this.columns.map((column) => column.slice(from, to)) };
  }

  gather(rows: Int32Array, from: number, to: number): Batch {
    return { length: to - from, columns: this.columns.map((column) => column.gather(rows, from, to)) };
  }

  /** The rows in the order of `rows`, in batches. */
  *batches(rows: Int32Array): Iterable<Batch> {
    for (let from = 0; from < rows.length; from += BATCH_ROWS) {
      yield this.gather(rows, from, Math.min(from + BATCH_ROWS, rows.length));
    }
  }
}
