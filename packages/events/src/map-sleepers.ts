/**
 * Subscriptions of one map that sleep, found by what a record holds.
 *
 *   record -> value of each column that conditions begin with -> those that ask for it
 *          -> conditions that begin with anything else        -> all of them
 *
 * map-sleepers M1  Whoever is left out does not want the record, and would have counted nothing for it (equality E1, E2).
 * map-sleepers M2  A record costs what its columns cost to read, however many ask for other values.
 */
import { type DocumentColumn, DocumentRow } from '@ashlar/expressions';
import type { LogRecordView } from '@ashlar/storage';
import type { Equality } from './equality.ts';

/** What conditions of subscriptions begin with. */
export interface Asker {
  /** Undefined: it has to be asked about every record. */
  readonly equality: Equality | undefined;
}

/** Those whose conditions begin with one column and constants of one kind. */
class ColumnAskers<A extends Asker> {
  readonly #kind: Equality['kind'];
  readonly #isOfKey: boolean;
  readonly #row: DocumentRow;
  readonly #byConstant = new Map<string | number, Set<A>>();
  readonly #all = new Set<A>();
  /** Of all, those whose conditions go on (equality E2). */
  readonly #longer = new Set<A>();

  constructor({ column, kind }: Equality) {
    this.#kind = kind;
    this.#isOfKey = column.source === 'key';
    this.#row = new DocumentRow([column]);
  }

  get size(): number {
    return this.#all.size;
  }

  add(asker: A, { constants, isWhole }: Equality): void {
    this.#all.add(asker);
    if (!isWhole) this.#longer.add(asker);
    for (const constant of constants) {
      const known = this.#byConstant.get(constant);
      if (known === undefined) this.#byConstant.set(constant, new Set([asker]));
      else known.add(asker);
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

  /** Those that have to be asked about a record; undefined: none. */
  of(record: LogRecordView): ReadonlySet<A> | undefined {
    if (this.#isOfKey) {
      record.positionKey();
      this.#row.key(record.bytes, record.start, record.stop);
    } else {
      if (record.hasValue) record.positionValue();
      else record.positionOldValue();
      this.#row.document(record.bytes, record.start, record.stop, record.version, record.expiresAt);
    }
    const value = this.#row.value(0);
    if (value === null) return this.#longer;
    return typeof value === this.#kind ? this.#byConstant.get(value as string | number) : this.#all;
  }
}

export class MapSleepers<A extends Asker> {
  readonly #byColumn = new Map<string, ColumnAskers<A>>();
  readonly #others = new Set<A>();

  get isEmpty(): boolean {
    return this.#others.size === 0 && this.#byColumn.size === 0;
  }

  add(asker: A): void {
    const { equality } = asker;
    if (equality === undefined) {
      this.#others.add(asker);
      return;
    }
    const name = nameOf(equality);
    let askers = this.#byColumn.get(name);
    if (askers === undefined) this.#byColumn.set(name, (askers = new ColumnAskers(equality)));
    askers.add(asker, equality);
  }

  delete(asker: A): void {
    const { equality } = asker;
    if (equality === undefined) {
      this.#others.delete(asker);
      return;
    }
    const name = nameOf(equality);
    const askers = this.#byColumn.get(name);
    askers?.delete(asker, equality);
    if (askers?.size === 0) this.#byColumn.delete(name);
  }

  /** Calls back for each that has to be asked about the record; it may be deleted meanwhile. */
  forEachAsked(record: LogRecordView, ask: (asker: A) => void): void {
    for (const askers of this.#byColumn.values()) {
      const asked = askers.of(record);
      if (asked !== undefined && asked.size > 0) asked.forEach(ask);
    }
    if (this.#others.size > 0) this.#others.forEach(ask);
  }
}

function nameOf({ column, kind }: Equality): string {
  return `${kind} ${columnName(column)}`;
}

function columnName(column: DocumentColumn): string {
  return column.source === 'path' ? JSON.stringify(column.path) : column.source;
}
