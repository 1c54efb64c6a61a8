/**
 * The end of a pipeline: rows become encoded batches.
 *
 * output U1  A batch has at most BATCH_ROWS rows and about BATCH_BYTES; one row may be larger.
 * output U2  Small pushes are gathered into one batch; a push that fills one goes as it is, so that a dictionary of a chunk
 *            is sent as a dictionary.
 */
import { BATCH_ROWS, Tag, type Vector } from '@ashlar/expressions';
import { valueBytes, valueIn } from '../column-builder.ts';
import { type ExecContext, MemoryShare } from '../context.ts';
import { compact, type Operator, type Rows } from '../rows.ts';
import { encodeBatch } from '../vectors.ts';
import { part } from './limit.ts';
import { RowBuffer } from './row-buffer.ts';

/** Encoded bytes aimed at: what one message of a result may hold. */
export const BATCH_BYTES = 256 * 1024;
/** Rows that go without being gathered. */
const DIRECT_ROWS_MIN = 1024;
const NUMBER_BYTES = 8;

export class OutputOperator implements Operator {
  readonly batches: Uint8Array[] = [];
  rowCount = 0;
  #sentBytes = 0;
  readonly #emit: ((batch: Uint8Array) => void) | undefined;
  readonly #buffer = new RowBuffer();
  #bufferBytes = 0;
  readonly #context: ExecContext;
  readonly #memory: MemoryShare;
  #heldBytes = 0;

  /** @param emit takes batches as they come; without it they are kept in `batches` and count as memory */
  constructor(context: ExecContext, emit?: (batch: Uint8Array) => void) {
    this.#context = context;
    this.#emit = emit;
    this.#memory = new MemoryShare(context.memory, 'the result');
  }

  /** What was sent, and what is gathered for the next batch. */
  get bytesMade(): number {
    return this.#sentBytes + this.#bufferBytes;
  }

  push(rows: Rows): boolean {
    if (rows.count === 0) return true;
    this.rowCount += rows.count;
    this.#take(rows);
    return true;
  }

  finish(): void {
    this.#flush();
  }

  #take(rows: Rows): void {
    const bytes = bytesOf(rows);
    if (bytes > BATCH_BYTES && rows.count > 1) {
      const middle = rows.count >>> 1;
      this.#take(part(rows, 0, middle));
      this.#take(part(rows, middle, rows.count));
      return;
    }
    if (this.#buffer.length + rows.count > BATCH_ROWS || this.#bufferBytes + bytes > BATCH_BYTES) this.#flush();
    if (rows.count >= DIRECT_ROWS_MIN && this.#buffer.length === 0) {
      this.#send(encodeBatch(compact(rows)));
      return;
    }
    this.#buffer.append({ vectors: rows.batch.columns, selection: rows.selection, count: rows.count });
    this.#bufferBytes += bytes;
  }

  #flush(): void {
    const { length } = this.#buffer;
    if (length === 0) return;
    this.#send(encodeBatch(this.#buffer.slice(0, length)));
    this.#buffer.clear();
    this.#bufferBytes = 0;
  }

  #send(batch: Uint8Array): void {
    this.#context.checkCancelled();
    this.#sentBytes += batch.length;
    if (this.#emit !== undefined) {
      this.#emit(batch);
      return;
    }
    this.batches.push(batch);
    this.#heldBytes += batch.length;
    this.#memory.set(this.#heldBytes);
  }
}

/** Estimated encoded bytes of the rows. */
function bytesOf({ batch, selection, count }: Rows): number {
  let bytes = 0;
  for (const column of batch.columns) bytes += columnBytes(column, selection, count);
  return bytes;
}

function columnBytes(column: Vector, selection: Uint16Array | undefined, count: number): number {
  if (column.values === undefined && column.dictionary === undefined) return count * NUMBER_BYTES;
  let bytes = 0;
  for (let index = 0; index < count; index++) {
    const row = selection === undefined ? index : selection[index]!;
    const tag = column.uniform ?? column.tags![row]!;
    bytes += tag < Tag.BIGINT ? NUMBER_BYTES : valueBytes(valueIn(column, row, tag));
  }
  return bytes;
}
