/** batches: columns of result rows to bytes and back. */
export {
  COLUMN_TYPES,
  type Column,
  type ColumnRows,
  type ColumnType,
  type IntervalParts,
  ValueTag,
} from './column.ts';
export { batchRowCount, decodeColumns } from './decode.ts';
export { encodeColumns } from './encode.ts';
export { columnValue, columnValues, sliceBatch, sliceColumn } from './values.ts';
