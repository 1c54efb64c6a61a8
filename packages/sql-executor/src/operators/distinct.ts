/**
 * Rows not seen before; the first of equal rows passes at once.
 *
 * distinct D1  Rows with a bigint or decimal in a column that may hold numbers of several kinds wait for the end: a number
 *              of the same value may still come, and is what is delivered then (value-ids V1).
 */
import { BATCH_ROWS, type SqlType, Tag, type Vector } from '@ashlar/expressions';
import { type ExecContext, MemoryShare } from '../context.ts';
import { RowIds } from '../keys/row-ids.ts';
import type { Operator, Rows } from '../rows.ts';

const ID_BYTES = 8;

export class DistinctOperator implements Operator {
  #ids: RowIds | undefined;
  readonly #rowIds = new Int32Array(BATCH_ROWS);
  readonly #selected = new Uint16Array(BATCH_ROWS);
  /** passed[id - known] = 1 once a row of that new id has passed. */
  readonly #passed = new Uint8Array(BATCH_ROWS);
  /** Ids of rows that wait (distinct D1). */
  readonly #waiting: number[] = [];
  #wantsMore = true;
  readonly #memory: MemoryShare;
  readonly #next: Operator;

  constructor(context: ExecContext, next: Operator) {
    this.#memory = new MemoryShare(context.memory, 'DISTINCT');
    this.#next = next;
  }

  push({ batch, selection, count }: Rows): boolean {
    const types = batch.columns.map((column): SqlType => column.type);
    const ids = (this.#ids ??= new RowIds(types));
    const known = ids.size;
    ids.encode({ vectors: batch.columns, selection, count }, this.#rowIds);
    this.#passed.fill(0);
    const mixed = batch.columns.filter(mayHoldExact);
    let fresh = 0;
    for (let index = 0; index < count; index++) {
      // At most `count` ids are new, whatever their order.
      const added = this.#rowIds[index]! - known;
      if (added < 0 || this.#passed[added] === 1) continue;
      this.#passed[added] = 1;
      const row = selection === undefined ? index : selection[index]!;
      if (mixed.length > 0 && isExactAt(mixed, row)) this.#waiting.push(this.#rowIds[index]!);
      else this.#selected[fresh++] = row;
    }
    this.#memory.set(ids.bytes + this.#waiting.length * ID_BYTES);
    if (fresh > 0) this.#wantsMore = this.#next.push({ batch, selection: this.#selected, count: fresh });
    return this.#wantsMore;
  }

  finish(): void {
    for (let from = 0; this.#wantsMore && from < this.#waiting.length; from += BATCH_ROWS) {
      const columns = this.#ids!.gather(Int32Array.from(this.#waiting.slice(from, from + BATCH_ROWS)));
      const length = columns[0]!.length;
      this.#wantsMore = this.#next.push({ batch: { length, columns }, selection: undefined, count: length });
    }
    this.#next.finish();
  }
}

/** Whether a column has rows whose values a number of another kind may equal (distinct D1). */
function mayHoldExact({ type, uniform }: Vector): boolean {
  return type !== 'int8' && type !== 'numeric' && (uniform === undefined || isExactTag(uniform));
}

function isExactAt(columns: readonly Vector[], row: number): boolean {
  for (const { uniform, tags } of columns) if (isExactTag(uniform ?? tags![row]!)) return true;
  return false;
}

const isExactTag = (tag: number): boolean => tag === Tag.BIGINT || tag === Tag.DECIMAL;
