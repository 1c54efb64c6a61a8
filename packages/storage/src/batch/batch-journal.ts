/**
 * What a batch staged, operation by operation: enough to give it its version, or to undo it. In the ordinary heap; used
 * again by later batches.
 *
 *   [table index][staged slot + 1][closed slot + 1] ...
 *
 * Beside it what the batch keeps of its partitions and tables, by their place in the batch's own lists.
 */
import type { StoreCore } from '../store-core.ts';

const FIELDS = 3;
const FIRST_OPERATIONS = 32;
const FIRST_PLACES = 16;
/** In place of the table: the operation was undone. */
const UNDONE = -1;

export class BatchJournal {
  #fields = new Int32Array(FIRST_OPERATIONS * FIELDS);
  #length = 0;
  /** By partition: the batch's first record in its log, and the last, once it is sealed. */
  firstSequences = new Float64Array(FIRST_PLACES);
  lastSequences = new Float64Array(FIRST_PLACES);
  /** By table: how many live entries more there are, once it is sealed. */
  liveChanges = new Int32Array(FIRST_PLACES);

  /** Operations noted: slots written and slots closed, counted by key. */
  get count(): number {
    return this.#length / FIELDS;
  }

  /** What it takes of the heap, in numbers of 32 bits. */
  get capacity(): number {
    return this.#fields.length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Room for one more partition, at `place`. */
  reservePartition(place: number): void {
    if (place < this.firstSequences.length) return;
    this.firstSequences = grown(this.firstSequences, new Float64Array(place * 2));
    this.lastSequences = grown(this.lastSequences, new Float64Array(place * 2));
  }

  /** Room for one more table, at `place`. */
  reserveTable(place: number): void {
    if (place >= this.liveChanges.length) this.liveChanges = grown(this.liveChanges, new Int32Array(place * 2));
  }

  /** The partition at `place` leaves the batch's list. */
  removePartition(place: number): void {
    this.firstSequences.copyWithin(place, place + 1);
    this.lastSequences.copyWithin(place, place + 1);
  }

  /** The table at `place` leaves the batch's list. */
  removeTable(place: number): void {
    this.liveChanges.copyWithin(place, place + 1);
  }

  /** 0 for a slot: none. */
  note(tableIndex: number, stagedPlusOne: number, closedPlusOne: number): void {
    const at = this.#length;
    if (at + FIELDS > this.#fields.length) this.#grow();
    this.#fields[at] = tableIndex;
    this.#fields[at + 1] = stagedPlusOne;
    this.#fields[at + 2] = closedPlusOne;
    this.#length = at + FIELDS;
  }

  #grow(): void {
    const grown = new Int32Array(this.#fields.length * 2);
    grown.set(this.#fields);
    this.#fields = grown;
  }

  /** Puts the version into the lanes of operations [from, to). core.collect() follows. */
  patch(core: StoreCore, from: number, to: number, lane: number, version: number): void {
    const fields = this.#fields;
    for (let at = from * FIELDS; at < to * FIELDS; at += FIELDS) {
      if (fields[at] === UNDONE) continue;
      const table = core.tables[fields[at]!]!;
      const garbage = table.patch(fields[at + 1]! - 1, fields[at + 2]! - 1, lane, version);
      if (garbage > 0) core.noteGarbage(table, garbage);
    }
  }

  /** Undoes what was staged in one partition, or in all that are left, from the back. core.collect() follows. */
  undo(core: StoreCore, partitionId?: number): void {
    const fields = this.#fields;
    for (let at = this.#length - FIELDS; at >= 0; at -= FIELDS) {
      if (fields[at] === UNDONE) continue;
      const table = core.tables[fields[at]!]!;
      if (partitionId !== undefined && table.partitionId !== partitionId) continue;
      const staged = fields[at + 1]!;
      const closed = fields[at + 2]!;
      if (staged !== 0) table.undoNew(staged - 1);
      if (closed !== 0) table.undoClose(closed - 1);
      core.noteGarbage(table, 1);
      fields[at] = UNDONE;
    }
  }
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
