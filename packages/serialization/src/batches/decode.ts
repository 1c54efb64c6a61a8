/**
 * Bytes of a result batch to columns: see layout.ts. Any bytes are either read or refused (layout B3).
 *
 * decode D1  Lanes may be views of the batch's buffer: a batch that was decoded must not be written to.
 */
import { Decimal } from '@ashlar/api';
import { readText } from '../text.ts';
import { decodeValue } from '../value-decoder.ts';
import { COLUMN_TYPES, type Column, type ColumnRows, type ColumnType, ValueTag } from './column.ts';
import {
  ALIGNMENT,
  BATCH_MAGIC,
  BATCH_ROWS_MAX,
  BUFFER_BYTES,
  bitmapBytes,
  corruptBatch,
  HEADER_BYTES,
  Layout,
  NODE_BYTES,
  type Node,
} from './layout.ts';

const DAY_MS = 86_400_000;
const TWO_32 = 2 ** 32;

/** Rows of an encoded batch, read from its header alone. */
export function batchRowCount(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES) throw corruptBatch(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== BATCH_MAGIC) throw corruptBatch('another magic number');
  const rows = view.getUint32(4, true);
  if (rows > BATCH_ROWS_MAX) throw corruptBatch(`${rows} rows`);
  return rows;
}

/**
 * Decodes a batch.
 *
 * @throws GridError CORRUPT_DATA when the bytes are none
 */
export function decodeColumns(bytes: Uint8Array): ColumnRows {
  const length = batchRowCount(bytes);
  // Views of 8-byte numbers need alignment; a slice of a pooled buffer may lack it. Shared bytes may change: copied too.
  const isUsable = bytes.byteOffset % ALIGNMENT === 0;
  const reader = new Reader(isUsable ? bytes : new Uint8Array(bytes), length);
  const columns: Column[] = [];
  for (let column = 0; column < reader.columnCount; column++) columns.push(reader.column());
  return { length, columns };
}

/** Walks nodes and buffers in order. */
class Reader {
  readonly columnCount: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rows: number;
  #node = HEADER_BYTES;
  #nodesLeft: number;
  #buffer: number;
  #buffersLeft: number;

  constructor(bytes: Uint8Array, rows: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#rows = rows;
    this.columnCount = this.#view.getUint16(8, true);
    this.#nodesLeft = this.#view.getUint16(10, true);
    this.#buffersLeft = this.#view.getUint32(12, true);
    this.#buffer = HEADER_BYTES + this.#nodesLeft * NODE_BYTES;
    if (this.#buffer + this.#buffersLeft * BUFFER_BYTES > bytes.length) throw corruptBatch('nodes beyond its end');
  }

  column(): Column {
    const node = this.#nextNode();
    if (node.length !== this.#rows) throw corruptBatch(`a column of ${node.length} rows among ${this.#rows}`);
    return this.#columnOf(node);
  }

  #nextNode(): Node {
    if (this.#nodesLeft-- <= 0) throw corruptBatch('nodes are missing');
    const at = this.#node;
    this.#node += NODE_BYTES;
    const view = this.#view;
    const node = {
      type: view.getUint8(at),
      layout: view.getUint8(at + 1),
      tag: view.getUint8(at + 2),
      children: view.getUint8(at + 3),
      length: view.getUint32(at + 4, true),
      nulls: view.getUint32(at + 8, true),
      buffers: view.getUint32(at + 12, true),
    };
    if (node.type >= COLUMN_TYPES.length || node.tag > ValueTag.JSON || node.length > BATCH_ROWS_MAX) {
      throw corruptBatch('a column of unknown kind');
    }
    return node;
  }

  /** The next buffer, of at least `bytesMin`. */
  #nextBuffer(bytesMin: number): Uint8Array {
    if (this.#buffersLeft-- <= 0) throw corruptBatch('buffers are missing');
    const offset = this.#view.getUint32(this.#buffer, true);
    const length = this.#view.getUint32(this.#buffer + 4, true);
    this.#buffer += BUFFER_BYTES;
    if (offset % ALIGNMENT !== 0 || offset + length > this.#bytes.length) throw corruptBatch('a buffer beyond its end');
    if (length < bytesMin) throw corruptBatch(`a buffer of ${length} bytes for ${bytesMin}`);
    return this.#bytes.subarray(offset, offset + length);
  }

  #columnOf(node: Node): Column {
    switch (node.layout) {
      case Layout.NULLS:
        return lanes(node, ValueTag.NULL, {});
      case Layout.DENSE_UNION:
        return this.#union(node);
      case Layout.DICTIONARY:
        return this.#dictionary(node);
      default: {
        if (node.tag <= ValueTag.NULL) throw corruptBatch('values without a tag');
        const valid = this.#nextBuffer(0);
        if (valid.length > 0 && valid.length < bitmapBytes(node.length)) throw corruptBatch('a short validity bitmap');
        return withNulls(this.#values(node, valid), node, valid);
      }
    }
  }

  /** The values of a flat node; rows that are null hold anything. */
  #values(node: Node, valid: Uint8Array): Lanes {
    const { length } = node;
    switch (node.layout) {
      case Layout.BOOLEAN:
        return { numbers: unpackBits(this.#nextBuffer(bitmapBytes(length)), length) };
      case Layout.INT32: {
        const days = new Int32Array(...viewArguments(this.#nextBuffer(length * 4), length));
        return { numbers: Float64Array.from(days, node.tag === ValueTag.DATE ? (day) => day * DAY_MS : undefined!) };
      }
      case Layout.INT64:
        return readInt64(this.#nextBuffer(length * 8), length, node.tag);
      case Layout.FLOAT64:
        return { numbers: new Float64Array(...viewArguments(this.#nextBuffer(length * 8), length)) };
      case Layout.MONTH_DAY_MICRO:
        return { values: readIntervals(this.#nextBuffer(length * 16), length) };
      case Layout.UTF8:
        return { values: this.#texts(node, valid) };
      case Layout.BINARY:
        return { values: this.#binaries(node, valid) };
      default:
        throw corruptBatch(`layout ${node.layout}`);
    }
  }

  /** Offsets and data of a column of variable width, checked. */
  #variable(length: number): { offsets: Uint32Array; data: Uint8Array } {
    const offsets = new Uint32Array(...viewArguments(this.#nextBuffer((length + 1) * 4), length + 1));
    const data = this.#nextBuffer(0);
    for (let row = 0; row < length; row++) if (offsets[row]! > offsets[row + 1]!) throw corruptBatch('falling offsets');
    if (offsets[length]! > data.length) throw corruptBatch('an offset beyond its data');
    return { offsets, data };
  }

  #texts(node: Node, valid: Uint8Array): unknown[] {
    const { length } = node;
    const { offsets, data } = this.#variable(length);
    const parse = textParser(node.tag);
    const texts = new Array<unknown>(length);
    for (let row = 0; row < length; row++) {
      if (!hasBit(valid, row)) texts[row] = null;
      else texts[row] = parse(readText(data, offsets[row]!, offsets[row + 1]!));
    }
    return texts;
  }

  #binaries(node: Node, valid: Uint8Array): unknown[] {
    const { length } = node;
    const { offsets, data } = this.#variable(length);
    const values = new Array<unknown>(length);
    for (let row = 0; row < length; row++) {
      const bytes = data.subarray(offsets[row], offsets[row + 1]);
      if (!hasBit(valid, row)) values[row] = null;
      else values[row] = node.tag === ValueTag.JSON ? decodeValue(bytes) : new Uint8Array(bytes);
    }
    return values;
  }

  #dictionary(node: Node): Column {
    const { length } = node;
    const valid = this.#nextBuffer(0);
    if (valid.length > 0 && valid.length < bitmapBytes(length)) throw corruptBatch('a short validity bitmap');
    const codes = new Uint16Array(...viewArguments(this.#nextBuffer(length * 2), length));
    const child = this.#nextNode();
    if (child.layout !== Layout.UTF8 || child.tag !== ValueTag.TEXT)
      throw corruptBatch('a dictionary that is not text');
    this.#nextBuffer(0);
    const dictionary = this.#texts(child, new Uint8Array(0)) as string[];
    for (let row = 0; row < length; row++) {
      if (codes[row]! >= dictionary.length && hasBit(valid, row)) throw corruptBatch('a code beyond its dictionary');
    }
    return withNulls({ codes, dictionary }, { ...node, tag: ValueTag.TEXT }, valid);
  }

  #union(node: Node): Column {
    const { length } = node;
    const ids = this.#nextBuffer(length);
    const offsets = new Int32Array(...viewArguments(this.#nextBuffer(length * 4), length));
    const children = new Map<number, Column>();
    for (let child = 0; child < node.children; child++) {
      const found = this.#nextNode();
      if (found.layout === Layout.DENSE_UNION) throw corruptBatch('a union within a union');
      children.set(found.tag, this.#columnOf(found));
    }
    const numbers = new Float64Array(length);
    const values = new Array<unknown>(length).fill(null);
    for (let row = 0; row < length; row++) {
      if (ids[row]! <= ValueTag.NULL) continue;
      const child = children.get(ids[row]!);
      const offset = offsets[row]!;
      if (child === undefined || child.uniform === ValueTag.NULL || offset < 0 || offset >= child.length)
        throw corruptBatch('a union row without a value');
      if (child.numbers !== undefined) numbers[row] = child.numbers[offset]!;
      else values[row] = child.values === undefined ? child.dictionary![child.codes![offset]!] : child.values[offset];
    }
    const tags = ids.slice(0, length);
    return { ...lanes(node, undefined, { numbers, values }), tags };
  }
}

type Lanes = Partial<Pick<Column, 'numbers' | 'values' | 'codes' | 'dictionary'>>;

function lanes(node: Node, uniform: ValueTag | undefined, found: Lanes): Column {
  const { numbers, values, codes, dictionary } = found;
  const type = COLUMN_TYPES[node.type] as ColumnType;
  return { type, length: node.length, uniform, tags: undefined, numbers, values, codes, dictionary };
}

/** Whether the lanes have what rows of a tag are read from. */
function holds({ numbers, values, dictionary }: Lanes, tag: ValueTag): boolean {
  if (tag <= ValueTag.NULL) return true;
  if (tag <= ValueTag.DATE) return numbers !== undefined;
  return values !== undefined || (tag === ValueTag.TEXT && dictionary !== undefined);
}

function withNulls(found: Lanes, node: Node, valid: Uint8Array): Column {
  const tag = node.tag as ValueTag;
  if (!holds(found, tag)) throw corruptBatch('a column whose values are of another kind');
  if (valid.length === 0) return lanes(node, tag, found);
  const tags = new Uint8Array(node.length);
  for (let row = 0; row < node.length; row++) tags[row] = hasBit(valid, row) ? tag : ValueTag.NULL;
  return { ...lanes(node, undefined, found), tags };
}

/** Arguments of a typed array's constructor for a view of the buffer's first elements. */
function viewArguments(buffer: Uint8Array, length: number): [ArrayBuffer, number, number] {
  return [buffer.buffer as ArrayBuffer, buffer.byteOffset, length];
}

function hasBit(bits: Uint8Array, row: number): boolean {
  return bits.length === 0 || (bits[row >>> 3]! & (1 << (row & 7))) !== 0;
}

function unpackBits(bits: Uint8Array, length: number): Float64Array {
  const numbers = new Float64Array(length);
  for (let row = 0; row < length; row++) numbers[row] = (bits[row >>> 3]! >>> (row & 7)) & 1;
  return numbers;
}

function readInt64(buffer: Uint8Array, length: number, tag: number): Lanes {
  if (tag === ValueTag.BIGINT) return { values: Array.from(new BigInt64Array(...viewArguments(buffer, length))) };
  const words = new Int32Array(...viewArguments(buffer, length * 2));
  const numbers = new Float64Array(length);
  for (let row = 0; row < length; row++) numbers[row] = words[row * 2 + 1]! * TWO_32 + (words[row * 2]! >>> 0);
  return { numbers };
}

function readIntervals(buffer: Uint8Array, length: number): unknown[] {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const values = new Array<unknown>(length);
  for (let row = 0; row < length; row++) {
    const at = row * 16;
    const milliseconds = Number(view.getBigInt64(at + 8, true)) / 1000;
    values[row] = { months: view.getInt32(at, true), days: view.getInt32(at + 4, true), milliseconds };
  }
  return values;
}

function textParser(tag: number): (text: string) => unknown {
  if (tag === ValueTag.DECIMAL) return parseDecimal;
  if (tag === ValueTag.BIGINT) return parseBigint;
  return (text) => text;
}

function parseDecimal(text: string): Decimal {
  try {
    return Decimal.parse(text);
  } catch {
    throw corruptBatch('a decimal that is none');
  }
}

function parseBigint(text: string): bigint {
  if (!/^-?\d{1,100000}$/.test(text)) throw corruptBatch('an integer that is none');
  return BigInt(text);
}
