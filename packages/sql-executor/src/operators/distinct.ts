/** Rows not seen before; the first of equal rows passes at once. */
import { BATCH_ROWS, type SqlType } from '@ashlar/expressions';
import { type ExecContext, MemoryShare } from '../context.ts';
import { RowIds } from '../keys/row-ids.ts';
import type { Operator, Rows } from '../rows.ts';

export class DistinctOperator implements Operator {
  #ids: RowIds | undefined;
  readonly #rowIds = new Int32Array(BATCH_ROWS);
  readonly #selected = new Uint16Array(BATCH_ROWS);
  /** passed[id - known] = 1 once a row of that new id has passed. */
  readonly #passed = new Uint8Array(BATCH_ROWS);
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
    let fresh = 0;
    for (let index = 0; index < count; index++) {
      // At most `count` ids are new, whatever their order.
      const added = this.#rowIds[index]! - known;
      if (added < 0 || this.#passed[added] === 1) continue;
      this.#passed[added] = 1;
      this.#selected[fresh++] = selection === undefined ? index : selection[index]!;
    }
    this.#memory.set(ids.bytes);
    return fresh === 0 || this.#next.push({ batch, selection: this.#selected, count: fresh });
  }

  finish(): void {
    this.#next.finish();
  }
}
