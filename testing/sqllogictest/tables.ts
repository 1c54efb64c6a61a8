/**
 * Tables over maps: the grid has no CREATE TABLE, and an entry needs a key. What a file says about tables is translated.
 *
 *   CREATE TABLE t(a INTEGER, b TEXT)       remembers columns and types; t is a map
 *   INSERT INTO t VALUES (1, 'x')           INSERT INTO t (__key, "a", "b") VALUES (17, CAST(1 AS bigint), CAST('x' AS text))
 *   DROP TABLE t                            empties the map
 *
 * tables T1  Every column is given in every row, in the table's order, so that `*` lists what the table has.
 * tables T2  A value is cast to its column's type: an undeclared number would be double precision, and `/` another operator.
 */

export interface TableColumn {
  readonly name: string;
  /** A type of the grid's SQL. */
  readonly type: string;
}

/** What to do instead of a statement of the file. */
export type Translation =
  | { readonly kind: 'create' | 'drop'; readonly map: string }
  | { readonly kind: 'sql'; readonly sql: string }
  | { readonly kind: 'refused'; readonly why: string };

const CREATE = /^\s*create\s+(?:temp(?:orary)?\s+)?table\s+(?:if\s+not\s+exists\s+)?(\w+)\s*\(([\s\S]*)\)\s*;?\s*$/i;
const DROP = /^\s*drop\s+table\s+(?:if\s+exists\s+)?(\w+)\s*;?\s*$/i;
const INSERT = /^\s*insert\s+into\s+(\w+)\s*(?:\(([^)]*)\)\s*)?values\s*([\s\S]*?);?\s*$/i;
const CONSTRAINT = /^\s*(primary|unique|foreign|check|constraint)\b/i;

export class Tables {
  readonly #columns = new Map<string, readonly TableColumn[]>();
  #nextKey = 1;

  translate(sql: string): Translation {
    const create = CREATE.exec(sql);
    if (create !== null) return this.#create(create[1]!, create[2]!);
    const drop = DROP.exec(sql);
    if (drop !== null) return this.#drop(drop[1]!);
    const insert = INSERT.exec(sql);
    const columns = insert === null ? undefined : this.#columns.get(insert[1]!.toLowerCase());
    if (insert === null || columns === undefined) return { kind: 'sql', sql };
    return this.#insert(insert[1]!, columns, insert[2], insert[3]!);
  }

  #create(name: string, body: string): Translation {
    const key = name.toLowerCase();
    if (this.#columns.has(key)) return { kind: 'refused', why: 'the table exists' };
    const columns: TableColumn[] = [];
    for (const part of splitTop(body)) {
      if (CONSTRAINT.test(part)) continue;
      const [, column, type] = /^\s*"?(\w+)"?\s*(\w*)/.exec(part) ?? [];
      columns.push({ name: column!, type: gridType(type ?? '') });
    }
    this.#columns.set(key, columns);
    return { kind: 'create', map: name };
  }

  #drop(name: string): Translation {
    if (!this.#columns.delete(name.toLowerCase())) return { kind: 'refused', why: 'no such table' };
    return { kind: 'drop', map: name };
  }

  #insert(name: string, columns: readonly TableColumn[], listed: string | undefined, values: string): Translation {
    const order = listed?.split(',').map((column) => column.trim().toLowerCase());
    const rows = splitTop(values).map((row) => {
      const given = splitTop(row.trim().slice(1, -1));
      const cells = columns.map((column, index) => {
        const place = order === undefined ? index : order.indexOf(column.name.toLowerCase());
        return place < 0 ? 'NULL' : cell(given[place] ?? 'NULL', column);
      });
      return `(${[this.#nextKey++, ...cells].join(', ')})`;
    });
    const names = columns.map((column) => `"${column.name}"`);
    return { kind: 'sql', sql: `INSERT INTO ${name} (__key, ${names.join(', ')}) VALUES ${rows.join(', ')}` };
  }
}

/** tables T2 */
function cell(text: string, { type }: TableColumn): string {
  return type === '' ? text : `CAST(${text} AS ${type})`;
}

function gridType(declared: string): string {
  if (/int|serial/i.test(declared)) return 'bigint';
  if (/real|float|double/i.test(declared)) return 'float8';
  if (/char|text|string/i.test(declared)) return 'text';
  if (/dec|numeric/i.test(declared)) return 'numeric';
  return declared.toLowerCase();
}

/** Parts between commas that stand in no bracket and no quotes. */
export function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') quote = char;
    else if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
