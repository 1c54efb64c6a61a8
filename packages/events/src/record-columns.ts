/**
 * Columns of the record that is being looked at: each is read once, however many conditions ask for it.
 *
 * record-columns R1  A value is that of the record that was moved to last.
 * record-columns R2  A column is kept while somebody holds it.
 */
import { assert } from '@ashlar/core';
import { type DocumentColumn, DocumentRow, type Row, type RowValue } from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';

export class RecordColumns {
  readonly #byName = new Map<string, RecordColumn>();
  /** What they are read from. */
  readonly #at: At = { record: undefined, count: 0 };

  get size(): number {
    return this.#byName.size;
  }

  /** The bytes of the record must stay until the next move. */
  moveTo(record: LogRecordView): void {
    this.#at.record = record;
    this.#at.count += 1;
  }

  /** As a row of these columns; to be given back by release(). */
  rowOf(columns: readonly DocumentColumn[]): Row {
    const held = columns.map((column) => this.hold(column));
    return (index) => held[index]!.value;
  }

  hold(column: DocumentColumn): RecordColumn {
    const name = columnName(column);
    let known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, (known = new RecordColumn(column, this.#at)));
    known.holders += 1;
    return known;
  }

  release(columns: readonly DocumentColumn[]): void {
    for (const column of columns) {
      const name = columnName(column);
      const known = this.#byName.get(name);
      assert(known !== undefined && known.holders > 0, 'record-columns R2: a column is given back that was not held');
      known.holders -= 1;
      if (known.holders === 0) this.#byName.delete(name);
    }
  }
}

interface At {
  record: LogRecordView | undefined;
  /** Counts moves. */
  count: number;
}

/** A column, as it is read for all. */
export class RecordColumn {
  holders = 0;
  readonly #isOfKey: boolean;
  readonly #row: DocumentRow;
  readonly #at: At;
  /** The move for which `#value` was read. */
  #readAt = 0;
  #value: RowValue = null;

  constructor(column: DocumentColumn, at: At) {
    this.#isOfKey = column.source === 'key';
    this.#row = new DocumentRow([column]);
    this.#at = at;
  }

  get value(): RowValue {
    if (this.#readAt === this.#at.count) return this.#value;
    this.#value = this.#read(this.#at.record!);
    this.#readAt = this.#at.count;
    return this.#value;
  }

  /** The new document, or the old one where there is no new. */
  #read(record: LogRecordView): RowValue {
    if (this.#isOfKey) {
      record.positionKey();
      this.#row.key(record.bytes, record.start, record.stop);
    } else {
      if (record.hasValue) record.positionValue();
      else record.positionOldValue();
      this.#row.document(record.bytes, record.start, record.stop, record.version, record.expiresAt);
    }
    return this.#row.value(0);
  }
}

export function columnName(column: DocumentColumn): string {
  return column.source === 'path' ? JSON.stringify(column.path) : column.source;
}
