/**
 * The types of a result's columns over all of its rows.
 *
 * A result takes its types from its first rows: paths that are not declared may hold numbers in these and texts in the next. A file
 * has one type a column, so a writer that has begun with too narrow a one begins again with what was learnt.
 */
import { types as nodeTypes } from 'node:util';
import { type ColumnBatch, Decimal, type ResultColumn, type SqlTypeName } from '@ashlar/api';

export class ColumnTypes {
  /** By column; undefined: only nulls so far. */
  readonly #types: (SqlTypeName | undefined)[];
  readonly #names: readonly string[];

  constructor(columns: readonly ResultColumn[]) {
    this.#names = columns.map(({ name }) => name);
    this.#types = columns.map(() => undefined);
  }

  get columns(): readonly ResultColumn[] {
    return this.#names.map((name, column) => ({ name, type: this.#types[column] ?? 'unknown' }));
  }

  /** Takes a batch in. @returns whether a type became wider, or known */
  add(batch: ColumnBatch): boolean {
    let isChanged = false;
    for (let column = 0; column < this.#types.length; column += 1) {
      const known = this.#types[column];
      const found = known === 'json' ? known : typeOfValues(batch.values(column), batch.columns[column]!.type);
      if (found === undefined || found === known) continue;
      const wider = known === undefined ? found : widerType(known, found);
      isChanged ||= wider !== known;
      this.#types[column] = wider;
    }
    return isChanged;
  }
}

/** The narrowest type that holds the values of both exactly; 'json' where no other does. */
export function widerType(one: SqlTypeName, other: SqlTypeName): SqlTypeName {
  if (one === other) return one;
  const types = new Set([one, other]);
  const isOf = (...names: SqlTypeName[]): boolean => [...types].every((type) => names.includes(type));
  if (isOf('int4', 'int8')) return 'int8';
  if (isOf('int4', 'float8')) return 'float8';
  return 'json';
}

/** The type of a column's values: json where they are of several, undefined where all are null. */
function typeOfValues(values: readonly unknown[], told: SqlTypeName): SqlTypeName | undefined {
  let found: SqlTypeName | undefined;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    found ??= told === 'unknown' ? typeOfValue(value) : told;
    if (!isOfType(value, found)) return 'json';
  }
  return found;
}

/** Where the result knows none: it began with nulls. */
function typeOfValue(value: unknown): SqlTypeName {
  const types: readonly SqlTypeName[] = ['text', 'float8', 'int8', 'boolean', 'numeric', 'timestamptz', 'bytea'];
  return types.find((type) => isOfType(value, type)) ?? 'json';
}

function isOfType(value: unknown, type: SqlTypeName): boolean {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'int4':
    case 'float8':
      return typeof value === 'number';
    case 'int8':
      // Bigints of the grid may be wider than the type.
      return typeof value === 'number' || (typeof value === 'bigint' && BigInt.asIntN(64, value) === value);
    case 'numeric':
      return Decimal.is(value);
    case 'text':
      return typeof value === 'string';
    case 'bytea':
      return value instanceof Uint8Array;
    case 'timestamptz':
    case 'date':
      return nodeTypes.isDate(value);
    case 'interval':
    case 'json':
    case 'unknown':
      return true;
  }
}
