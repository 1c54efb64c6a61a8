/**
 * Rows of partitions where they lie: a snapshot read by a query worker, column by column.
 *
 *   chunk -> visible slots -> zone maps -> columns of the filter -> filter -> the other columns, of the rows that passed
 *
 * store-source S1  The reader epoch is entered anew for every chunk, and table and chunk are asked for after that; so what a
 *                  chunk's rows point to stays until the next chunk is asked for.
 * store-source S2  Columns that the filter does not need are read for the rows that passed it alone, late ones when they are
 *                  asked for.
 * store-source S3  What was read counts only if the snapshot is still alive afterwards: checkAlive() before anything is
 *                  delivered.
 * store-source S4  A scan that finds no more chunks has read all of them only if the map is still there: MAP_DROPPED
 *                  otherwise.
 */
import { GridError, type MapId } from '@ashlar/core';
import {
  BATCH_ROWS,
  boundsOf,
  type ColumnBound,
  compileFilter,
  type Expr,
  type FilterKernel,
  type Vector,
} from '@ashlar/expressions';
import { Path } from '@ashlar/serialization';
import type { ScanColumn } from '@ashlar/sql-plan';
import { ColumnReader, type ColumnSpec, enterChunk, type SlotSelection, type StoreReader } from '@ashlar/storage';
import type { FragmentTask } from './fragment.ts';
import type { RowSource, ScannedRows, ScanRequest, SourceYield } from './row-source.ts';
import { LATE, type LateColumns } from './rows.ts';

/** Serial numbers of regions start below this, so that they have room to grow (see ColumnReader). */
const SERIAL_START_MAX = 2 ** 51;

/** One a worker: it keeps what warm scans need. */
const columnReaders = new WeakMap<StoreReader, ColumnReader>();

function columnReaderOf(reader: StoreReader): ColumnReader {
  const known = columnReaders.get(reader);
  if (known !== undefined) return known;
  const made = new ColumnReader(reader, Math.floor(Math.random() * SERIAL_START_MAX));
  columnReaders.set(reader, made);
  return made;
}

/** The source of a task in a query worker. One at a time a reader. */
export function storeSource(
  reader: StoreReader,
  task: Pick<FragmentTask, 'snapshotId' | 'snapshotVersion' | 'leasedPages' | 'columnNumbers'>,
): RowSource {
  return new StoreSource(reader, columnReaderOf(reader), task);
}

/** A scan made ready: its columns, its filter, and which columns the filter reads. */
interface PreparedScan {
  readonly specs: readonly ColumnSpec[];
  readonly filter: FilterKernel | undefined;
  readonly isInFilter: readonly boolean[];
  readonly bounds: readonly ColumnBound[];
}

class StoreSource implements RowSource {
  readonly #reader: StoreReader;
  readonly #columns: ColumnReader;
  readonly #task: Parameters<typeof storeSource>[1];
  readonly #passed = new Uint16Array(BATCH_ROWS);
  #prepared: PreparedScan | undefined;
  #isBegun = false;

  constructor(reader: StoreReader, columns: ColumnReader, task: Parameters<typeof storeSource>[1]) {
    this.#reader = reader;
    this.#columns = columns;
    this.#task = task;
  }

  *scan(request: ScanRequest): Iterable<ScannedRows> {
    const prepared = (this.#prepared ??= this.#prepare(request));
    const { map } = request.scan;
    const mapId = request.scan.mapId as MapId;
    const place = { mapId, map, partitionId: request.partition };
    if (!this.#isBegun) {
      const { snapshotVersion, leasedPages = [] } = this.#task;
      this.#columns.begin({ mapId, version: snapshotVersion, pages: leasedPages });
      this.#isBegun = true;
    }
    try {
      for (let index = request.fromChunk; ; index++) {
        const chunk = enterChunk(this.#reader, place, index);
        if (chunk === undefined) return;
        const visible = this.#columns.enter(chunk, request.partition, index);
        if (visible > 0) yield this.#rows(prepared, request, visible, index);
      }
    } finally {
      this.#reader.leave();
    }
  }

  checkAlive(): void {
    if (this.#reader.snapshotAlive(this.#task.snapshotId)) return;
    throw new GridError('SNAPSHOT_EXPIRED', 'the snapshot of the query has expired', { hint: 'run the query again' });
  }

  finish(): SourceYield {
    if (!this.#isBegun) return { columnOffers: [], unusedPages: this.#task.leasedPages ?? [] };
    this.#isBegun = false;
    const { offers, unusedPages } = this.#columns.finish();
    return { columnOffers: offers, unusedPages };
  }

  #prepare({ scan, evaluation }: ScanRequest): PreparedScan {
    const isInFilter = scan.columns.map(() => false);
    if (scan.filter !== undefined) markColumns(scan.filter, isInFilter);
    return {
      specs: scan.columns.map((column, index) => specOf(column, this.#task.columnNumbers?.[index] ?? -1)),
      filter: scan.filter === undefined ? undefined : compileFilter(scan.filter),
      isInFilter,
      bounds: scan.filter === undefined ? [] : boundsOf(scan.filter, evaluation),
    };
  }

  /** The rows of the chunk that the column reader is at. */
  #rows(
    prepared: PreparedScan,
    { evaluation, late: isLate }: ScanRequest,
    visible: number,
    chunk: number,
  ): ScannedRows {
    const { specs, filter, isInFilter, bounds } = prepared;
    const columns = this.#columns;
    const nothing = { batch: { length: 0, columns: [] }, selection: undefined, count: 0, chunk, rowsScanned: visible };
    if (!bounds.every(({ column, bound }) => columns.mayMatch(specs[column]!, bound))) return nothing;
    const { length, visible: slots } = columns;
    let selection = slots;
    let count = visible;
    let read: Vector[] = specs.map(() => LATE);
    if (filter !== undefined) {
      read = specs.map((spec, index) => (isInFilter[index] ? this.#read(spec, slots, visible) : LATE));
      count = filter({ length, columns: read }, evaluation, slots, visible, this.#passed);
      if (count === 0) return nothing;
      selection = slots === undefined && count === visible ? undefined : this.#passed;
    }
    const all = read.map((vector, index) =>
      vector === LATE && isLate?.[index] !== true ? this.#read(specs[index]!, selection, count) : vector,
    );
    const late: LateColumns = { read: (column, rows, wanted) => this.#read(specs[column]!, rows, wanted) };
    return { batch: { length, columns: all }, selection, count, chunk, rowsScanned: visible, late };
  }

  #read(spec: ColumnSpec, slots: SlotSelection, count: number): Vector {
    return this.#columns.read(spec, slots, count);
  }
}

function specOf(column: ScanColumn, columnNumber: number): ColumnSpec {
  const { type } = column;
  if (column.source !== 'path') return { source: { kind: column.source }, type, columnNumber };
  return { source: { kind: 'path', path: Path.parse(column.path) }, type, columnNumber };
}

/** Marks the columns that an expression reads. Expressions are plain data: every object in them is looked at. */
function markColumns(node: Expr | object, marks: boolean[]): void {
  if ('kind' in node && node.kind === 'column') {
    marks[(node as Extract<Expr, { kind: 'column' }>).index] = true;
    return;
  }
  for (const [name, part] of Object.entries(node)) {
    // A literal's value is data of the statement, whatever it looks like.
    if (name !== 'value' && typeof part === 'object' && part !== null) markColumns(part, marks);
  }
}
