/**
 * Subscriptions of one map that sleep, found by what a record holds.
 *
 *   record -> value of each column that conditions begin with -> those that ask for it
 *          -> conditions that begin with anything else        -> all of them
 *
 * map-sleepers M1  Whoever is left out does not want the record, and would have counted nothing for it (equality E1, E2).
 * map-sleepers M2  A record costs what its columns cost to read, once (record-columns.ts), however many ask for other values.
 */
import type { DocumentColumn, Row } from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';
import type { Equality } from './equality.ts';
import { columnName, type RecordColumn, RecordColumns } from './record-columns.ts';

/** A condition, as it is found. */
export interface Asker {
  /** Undefined: it has to be asked about every record. */
  readonly equality: Equality | undefined;
  /** What the condition reads. */
  readonly columns: readonly DocumentColumn[];
}

/** Those whose conditions begin with one column and constants of one kind. */
class ColumnAskers<A extends Asker> {
  readonly #kind: Equality['kind'];
  readonly #column: RecordColumn;
  readonly #byConstant = new Map<string | number, Map<A, Row>>();
  readonly #all = new Map<A, Row>();
  /** Of all, those whose conditions go on (equality E2). */
  readonly #longer = new Map<A, Row>();

  constructor(kind: Equality['kind'], column: RecordColumn) {
    this.#kind = kind;
    this.#column = column;
  }

  get size(): number {
    return this.#all.size;
  }

  add(asker: A, row: Row, { constants, isWhole }: Equality): void {
    this.#all.set(asker, row);
    if (!isWhole) this.#longer.set(asker, row);
    for (const constant of constants) {
      const known = this.#byConstant.get(constant);
      if (known === undefined) this.#byConstant.set(constant, new Map([[asker, row]]));
      else known.set(asker, row);
    }
  }

  delete(asker: A, { constants }: Equality): void {
    this.#all.delete(asker);
    this.#longer.delete(asker);
    for (const constant of constants) {
      const known = this.#byConstant.get(constant);
      known?.delete(asker);
      if (known?.size === 0) this.#byConstant.delete(constant);
    }
  }

  /** Those that have to be asked about the record at hand; undefined: none. */
  get asked(): ReadonlyMap<A, Row> | undefined {
    const { value } = this.#column;
    if (value === null) return this.#longer;
    return typeof value === this.#kind ? this.#byConstant.get(value as string | number) : this.#all;
  }
}

export class MapSleepers<A extends Asker> {
  readonly #columns = new RecordColumns();
  readonly #byColumn = new Map<string, ColumnAskers<A>>();
  readonly #others = new Map<A, Row>();

  get isEmpty(): boolean {
    return this.#others.size === 0 && this.#byColumn.size === 0;
  }

  add(asker: A): void {
    const { equality, columns } = asker;
    const row = this.#columns.rowOf(columns);
    if (equality === undefined) this.#others.set(asker, row);
    else this.#askersOf(equality).add(asker, row, equality);
  }

  #askersOf(equality: Equality): ColumnAskers<A> {
    const name = nameOf(equality);
    let askers = this.#byColumn.get(name);
    if (askers !== undefined) return askers;
    askers = new ColumnAskers(equality.kind, this.#columns.hold(equality.column));
    this.#byColumn.set(name, askers);
    return askers;
  }

  delete(asker: A): void {
    const { equality, columns } = asker;
    this.#columns.release(columns);
    if (equality === undefined) {
      this.#others.delete(asker);
      return;
    }
    const name = nameOf(equality);
    const askers = this.#byColumn.get(name);
    askers?.delete(asker, equality);
    if (askers?.size !== 0) return;
    this.#byColumn.delete(name);
    this.#columns.release([equality.column]);
  }

  /** Calls back for each that has to be asked about the record, with what its condition reads; it may be deleted meanwhile. */
  forEachAsked(record: LogRecordView, ask: (row: Row, asker: A) => void): void {
    this.#columns.moveTo(record);
    for (const askers of this.#byColumn.values()) {
      const { asked } = askers;
      if (asked !== undefined && asked.size > 0) asked.forEach(ask);
    }
    if (this.#others.size > 0) this.#others.forEach(ask);
  }
}

function nameOf({ column, kind }: Equality): string {
  return `${kind} ${columnName(column)}`;
}
