/** Vectors of operators and columns of encoded batches: one shape, but for intervals, which are a class here. */
import { GridError } from '@ashlar/core';
import { BATCH_ROWS, type Batch, Interval, type SqlType, Tag, type Vector } from '@ashlar/expressions';
import { type Column, type ColumnRows, decodeColumns, encodeColumns, type IntervalParts } from '@ashlar/serialization';
import type { PlanColumn } from '@ashlar/sql-plan';

/** Decoded columns as vectors. */
export function vectorsOf(rows: ColumnRows): Vector[] {
  return rows.columns.map(vectorOfColumn);
}

function vectorOfColumn(column: Column): Vector {
  const { uniform, length, values } = column;
  // In vectors NULL is never uniform: kernels meet it in `tags` alone.
  if (uniform !== undefined && uniform <= Tag.NULL) {
    return { ...column, uniform: undefined, tags: new Uint8Array(length).fill(Tag.NULL) };
  }
  if (values === undefined || !values.some(isIntervalParts)) return column;
  return { ...column, values: values.map((value, row) => intervalOf(value, uniform ?? column.tags![row]!)) };
}

function isIntervalParts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'milliseconds' in value;
}

function intervalOf(value: unknown, tag: number): unknown {
  if (tag !== Tag.INTERVAL) return value;
  const { months, days, milliseconds } = value as IntervalParts;
  return new Interval(months, days, milliseconds);
}

/**
 * Encodes a batch for the wire. The layout follows from what the vectors hold; `columns` names the SQL types that
 * readers get, those of the vectors when it is left out.
 */
export function encodeBatch(batch: Batch, columns?: readonly PlanColumn[]): Uint8Array {
  const typed = batch.columns.map((vector, index) => {
    const type: SqlType = columns?.[index]?.type ?? vector.type;
    return type === vector.type ? vector : { ...vector, type };
  });
  return encodeColumns({ length: batch.length, columns: typed });
}

/** @throws GridError CORRUPT_DATA, also for more rows than operators have room for */
export function decodeBatch(bytes: Uint8Array): Batch {
  const rows = decodeColumns(bytes);
  if (rows.length > BATCH_ROWS) throw new GridError('CORRUPT_DATA', `a batch of ${rows.length} rows`);
  return { length: rows.length, columns: vectorsOf(rows) };
}
