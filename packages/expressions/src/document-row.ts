/**
 * One document as a row: the columns of a scan read from the value's bytes, for conditions and assignments on single
 * entries. No allocation but for the values read.
 */
import { decodeKey, Path, ValueReader, ValueType } from '@ashlar/serialization';
import type { RowValue } from './values.ts';

/** A column of a scan: a path of the document, or the entry itself. */
export type DocumentColumn =
  | { readonly source: 'path'; readonly path: readonly (string | number)[] }
  | { readonly source: 'key' | 'value' | 'version' | 'expires_at' };

type ParsedColumn = Path | 'key' | 'value' | 'version' | 'expires_at';

export class DocumentRow {
  readonly #columns: readonly ParsedColumn[];
  #reader: ValueReader | undefined;
  #bytes: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #keyBytes: Uint8Array | undefined;
  #keyStart = 0;
  #keyEnd = 0;
  #version = 0;
  #expiresAtUs = 0;

  constructor(columns: readonly DocumentColumn[]) {
    this.#columns = columns.map((column) => (column.source === 'path' ? Path.parse(column.path) : column.source));
  }

  /** Moves to the document in bytes[start, end). The bytes must stay until the next move. */
  /** @param expiresAtUs  deadline of the value in microseconds since 1970; 0: none */
  document(bytes: Uint8Array, start: number, end: number, version: number, expiresAtUs = 0): this {
    if (bytes !== this.#bytes) {
      this.#reader = new ValueReader(bytes);
      this.#bytes = bytes;
    }
    this.#start = start;
    this.#end = end;
    this.#version = version;
    this.#expiresAtUs = expiresAtUs;
    return this;
  }

  /** The entry's key, for columns that ask for it. */
  key(bytes: Uint8Array, start: number, end: number): this {
    this.#keyBytes = bytes;
    this.#keyStart = start;
    this.#keyEnd = end;
    return this;
  }

  /** The key that the row stands on; null where nobody gave one. */
  get currentKey(): RowValue {
    return this.#keyBytes === undefined ? null : (decodeKey(this.#keyBytes, this.#keyStart, this.#keyEnd) as RowValue);
  }

  /** The value of column `index`; null where the path is missing. What interpret() takes for a row. */
  readonly value = (index: number): RowValue => {
    const column = this.#columns[index]!;
    if (column === 'version') return BigInt(this.#version);
    if (column === 'expires_at') return this.#expiresAtUs === 0 ? null : new Date(Math.floor(this.#expiresAtUs / 1000));
    if (column === 'key') return this.currentKey;
    const reader = this.#reader!;
    if (column === 'value') {
      reader.readAt(this.#start, this.#end);
      return reader.decode() as RowValue;
    }
    if (!reader.find(column, this.#start, this.#end)) return null;
    return reader.type === ValueType.NUMBER ? reader.number : (reader.decode() as RowValue);
  };
}
