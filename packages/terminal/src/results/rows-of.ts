/** The first rows of a batch, each as an array of values. */
import type { ColumnBatch } from '@ashlar/api';

export function rowsOf(batch: ColumnBatch, rowCount: number): unknown[][] {
  const columns = batch.columns.map((_, column) => batch.values(column));
  return Array.from({ length: Math.min(batch.rowCount, rowCount) }, (_, row) => columns.map((values) => values[row]));
}
