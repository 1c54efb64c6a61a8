/**
 * Rows of a get whose columns are what documents hold: the bytes of its fields, copied as they lie into the answer.
 *
 * plain-row P1  As the expressions would say it (get-rows.ts): such a column is a value as the document has it, and NULL where
 *               it has none.
 */
import type { Expr } from '@ashlar/expressions';
import { decodeKey, encodeValue, FieldLocator, type ValueWriter } from '@ashlar/serialization';
import type { EntryPlace } from '@ashlar/sql-executor';
import type { GetPlan } from '@ashlar/sql-plan';

const NULL = encodeValue(null);

/** A column: a field, by its number, the key, or the whole document. */
type PlainColumn = number | 'key' | 'value';

export class PlainRow {
  readonly #columns: readonly PlainColumn[];
  readonly #fields: FieldLocator;

  /** @returns undefined: the columns of the plan are not all what documents hold, or it leaves rows out */
  static of({ scan, exprs }: GetPlan): PlainRow | undefined {
    if (scan.filter !== undefined) return undefined;
    const names: string[] = [];
    const columns: PlainColumn[] = [];
    for (const expr of exprs) {
      const column = plainColumn(expr, scan, names);
      if (column === undefined) return undefined;
      columns.push(column);
    }
    return new PlainRow(columns, names);
  }

  private constructor(columns: readonly PlainColumn[], names: readonly string[]) {
    this.#columns = columns;
    this.#fields = new FieldLocator(names);
  }

  /** Appends the cells of an entry's row. @throws GridError CORRUPT_DATA */
  write(key: Uint8Array, { valueBytes, valueStart, valueEnd }: EntryPlace, writer: ValueWriter): void {
    const { starts, ends } = this.#fields;
    this.#fields.locate(valueBytes, valueStart, valueEnd);
    for (const column of this.#columns) {
      if (column === 'key') writer.write(decodeKey(key, 0, key.length));
      else if (column === 'value') writer.copy(valueBytes, valueStart, valueEnd);
      else if (starts[column]! < 0) writer.copy(NULL, 0, NULL.length);
      else writer.copy(valueBytes, starts[column]!, ends[column]!);
    }
  }
}

/** @param names  of the fields so far; a new one is added */
function plainColumn(expr: Expr, { columns }: GetPlan['scan'], names: string[]): PlainColumn | undefined {
  if (expr.kind !== 'column' || expr.type !== 'any') return undefined;
  const column = columns[expr.index]!;
  if (column.source === 'key' || column.source === 'value') return column.source;
  const [name, ...inner] = column.source === 'path' ? column.path : [];
  if (typeof name !== 'string' || inner.length > 0) return undefined;
  const known = names.indexOf(name);
  return known >= 0 ? known : names.push(name) - 1;
}
