/** serialization: keys and values to bytes and back, the path reader, the partition hash. No I/O, no timers. */

export {
  batchRowCount,
  COLUMN_TYPES,
  type Column,
  type ColumnRows,
  type ColumnType,
  columnValue,
  columnValues,
  decodeColumns,
  encodeColumns,
  type IntervalParts,
  sliceBatch,
  sliceColumn,
  ValueTag,
} from './batches/index.ts';
export { ByteColumn } from './byte-column.ts';
export { copyBytes } from './copy-bytes.ts';
export type { EventColumns } from './event-columns.ts';
export { FieldLocator } from './field-locator.ts';
export { hashBytes, murmur3 } from './hash.ts';
export { KEY_BYTES_MAX, type Key, type KeyElement } from './key-format.ts';
export { affinityEnd, checkKey, compareBytes, compareKeys, decodeKey } from './key-reader.ts';
export { encodeKey, KeyWriter } from './key-writer.ts';
export { decodeParameters, encodeParameters } from './parameters.ts';
export { partitionHash, partitionOf } from './partition.ts';
export { Path, type PathSegment, pathText } from './path.ts';
export { decodeRefusal, encodeRefusal, type RefusingCode, refusedBy } from './refusals.ts';
export { haveSameShape } from './same-shape.ts';
export {
  beginShortAnswer,
  decodeShortRequest,
  SHORT_TEXT_MAX,
  type ShortAnswer,
  type ShortHeader,
  type ShortRequest,
  shortAnswerOf,
  shortAnswerValue,
  shortHeader,
  shortRequestValue,
  typeOfCell,
} from './short-statements.ts';
export type { ByKey, StatementColumn, StatementEnd, StatementOutput } from './statement-output.ts';
export { storableBytes, UNCERTAIN } from './storable.ts';
export { decodeMessage, decodeValue } from './value-decoder.ts';
export { EXTENSION, VALUE_BYTES_MAX, VALUE_DEPTH_MAX, ValueType } from './value-format.ts';
export { ValueReader } from './value-reader.ts';
export { checkValue, containerCount, containerHeaderBytes, elementEnd, elementsUpTo } from './value-scan.ts';
export { encodeMessage, encodeValue, ValueWriter } from './value-writer.ts';
