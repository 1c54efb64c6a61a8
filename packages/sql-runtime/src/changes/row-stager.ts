/** Stages the rows of UPDATE and DELETE that a scan found, each as it is now. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CancelledError, MapDroppedError, type MapId, type PartitionId } from '@ashlar/core';
import { type EntryLimits, keptDeadline } from '@ashlar/partitions';
import { ValueWriter } from '@ashlar/serialization';
import { type ChangedRows, ChangeRule, type ChangeTask } from '@ashlar/sql-executor';
import { type MemberStore, RecordCause } from '@ashlar/storage';
import type { Staging } from './staged-change.ts';

const SLICE_MS = 2;
const ROWS_A_LOOK = 64;

/** A row that a scan found. */
export interface ChangedRow {
  readonly part: ChangedRows;
  readonly index: number;
}

export function allRows(found: readonly ChangedRows[]): ChangedRow[] {
  return found.flatMap((part) => Array.from({ length: part.count }, (_, index) => ({ part, index })));
}

export interface RowStagerDependencies {
  readonly store: MemberStore;
  readonly limits: EntryLimits;
}

export class RowStager {
  readonly #task: ChangeTask;
  readonly #mapId: MapId;
  readonly #deps: RowStagerDependencies;
  readonly #rule: ChangeRule;
  readonly #writer: ValueWriter = new ValueWriter();

  constructor(task: ChangeTask, deps: RowStagerDependencies) {
    this.#task = task;
    this.#mapId = task.scan.mapId as MapId;
    this.#deps = deps;
    this.#rule = new ChangeRule(task);
  }

  /** In slices, so that gets and other partitions come in between. @returns rows changed */
  async stage(rows: readonly ChangedRow[], into: Staging): Promise<number> {
    let affected = 0;
    let sliceEndMs = performance.now() + SLICE_MS;
    for (const [at, { part, index }] of rows.entries()) {
      into.rows = at;
      if (this.#stageRow(part, index, into)) affected++;
      if (at % ROWS_A_LOOK !== ROWS_A_LOOK - 1 || performance.now() < sliceEndMs) continue;
      await nextTurn();
      if (into.signal.aborted) throw new CancelledError('the statement');
      sliceEndMs = performance.now() + SLICE_MS;
    }
    return affected;
  }

  /** @returns false: it is gone, or does not meet the condition any more */
  #stageRow(part: ChangedRows, index: number, { batch, seen }: Staging): boolean {
    const { store } = this.#deps;
    const mapId = this.#mapId;
    const partition = part.partitions[index]! as PartitionId;
    const start = index === 0 ? 0 : part.keyEnds[index - 1]!;
    const end = part.keyEnds[index]!;
    if (!store.hasMap(mapId)) throw new MapDroppedError(this.#task.scan.map, { mapId });
    const isThere = store.findNewest(mapId, partition, part.keys, start, end, batch);
    const { found } = store;
    seen.note(found.undecided, batch);
    if (!isThere) return false;
    const isSame = found.version === part.versions[index];
    if (!isSame && !this.#stillMatches(part, start, end)) return false;
    if (this.#task.kind === 'delete')
      return batch.remove(mapId, partition, part.keys, start, end, RecordCause.statement);
    const from = !isSame || index === 0 ? 0 : part.valueEnds[index - 1]!;
    const to = isSame ? part.valueEnds[index]! : this.#changedAnew();
    const value = isSame ? part.values : this.#writer.bytes;
    this.#deps.limits.checkValue(to - from);
    const expiresAt = keptDeadline(found.expiresAt);
    batch.put(mapId, partition, part.keys, start, end, batch.value(value, from, to, expiresAt, RecordCause.statement));
    return true;
  }

  /** Checks the entry that the store has found again, because it is not as the scan saw it. */
  #stillMatches({ keys }: ChangedRows, start: number, end: number): boolean {
    const { valueBytes, valueStart, valueEnd, version, expiresAt } = this.#deps.store.found;
    const row = this.#rule.row.key(keys, start, end);
    row.document(valueBytes, valueStart, valueEnd, version, expiresAt);
    return this.#rule.matches();
  }

  /** Writes what becomes of it. @returns its bytes */
  #changedAnew(): number {
    const { valueBytes, valueStart, valueEnd } = this.#deps.store.found;
    this.#writer.reset();
    return this.#writer.write(this.#rule.changed(valueBytes, valueStart, valueEnd));
  }
}
