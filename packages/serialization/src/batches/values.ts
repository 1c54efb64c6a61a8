/**
 * Columns as plain JavaScript values, as applications see them, and parts of encoded batches.
 *
 *   SQL NULL -> null · boolean -> boolean · float8, int4, count(*) -> number · int8 -> bigint · numeric -> Decimal
 *   text -> string · bytea -> Uint8Array · timestamptz, date -> Date · interval -> { months, days, milliseconds } · json -> as decoded
 */
import { type Column, ValueTag } from './column.ts';
import { batchRowCount, decodeColumns } from './decode.ts';
import { encodeColumns } from './encode.ts';

/** Every row's value; null for SQL NULL. */
export function columnValues(column: Column): readonly unknown[] {
  const { uniform, length } = column;
  // The ordinary columns without a decision a row.
  if (uniform === ValueTag.NUMBER || uniform === ValueTag.INT) return Array.from(column.numbers!.subarray(0, length));
  if (uniform !== undefined && uniform >= ValueTag.BIGINT && column.values !== undefined) return column.values;
  return Array.from({ length }, (_, row) => columnValue(column, row));
}

/** One row's value; null for SQL NULL. */
export function columnValue(column: Column, row: number): unknown {
  const tag = column.uniform ?? column.tags![row]!;
  switch (tag) {
    case ValueTag.MISSING:
    case ValueTag.NULL:
      return null;
    case ValueTag.BOOLEAN:
      return column.numbers![row] !== 0;
    case ValueTag.NUMBER:
    case ValueTag.INT:
      return column.numbers![row];
    case ValueTag.TIMESTAMP:
    case ValueTag.DATE:
      return new Date(column.numbers![row]!);
    case ValueTag.TEXT:
      return column.dictionary === undefined ? column.values![row] : column.dictionary[column.codes![row]!];
    default:
      return column.values![row];
  }
}

/**
 * Rows [from, to) of an encoded batch as a batch; the same bytes when that is all of them.
 *
 * @throws GridError CORRUPT_DATA
 */
export function sliceBatch(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const rows = batchRowCount(bytes);
  const start = Math.max(0, Math.min(from, rows));
  const end = Math.max(start, Math.min(to, rows));
  if (start === 0 && end === rows) return bytes;
  const { columns } = decodeColumns(bytes);
  return encodeColumns({ length: end - start, columns: columns.map((column) => sliceColumn(column, start, end)) });
}

/** Rows [from, to) of a column; lanes are views where they can be. */
export function sliceColumn(column: Column, from: number, to: number): Column {
  return {
    type: column.type,
    length: to - from,
    uniform: column.uniform,
    tags: column.tags?.subarray(from, to),
    numbers: column.numbers?.subarray(from, to),
    values: column.values?.slice(from, to),
    codes: column.codes?.subarray(from, to),
    dictionary: column.dictionary,
  };
}
