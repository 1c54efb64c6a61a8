/**
 * One map in FROM, and the columns that a statement asks of it.
 *
 * A map is a table whose columns are the paths of its documents, added as names are met. While a statement is being
 * bound, a column's index is `relation * RELATION_STRIDE + column`; the plan numbers them by position later.
 */
import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { CatalogMap, ScanColumn } from '@ashlar/sql-plan';
import type { Name } from '../parse/syntax.ts';

export const RELATION_STRIDE = 1 << 16;

/** Pseudo-columns of every map. */
const SPECIAL = {
  __key: { source: 'key', type: 'any' },
  __value: { source: 'value', type: 'json' },
  __version: { source: 'version', type: 'int8' },
  __expires_at: { source: 'expires_at', type: 'timestamptz' },
} as const;

/** Columns whose type every row keeps. */
const PROMISED: ReadonlySet<ScanColumn['source']> = new Set(['version', 'expires_at'] as const);

export type SpecialSource = (typeof SPECIAL)[keyof typeof SPECIAL]['source'];

/** Which pseudo-column a name is, if it is one. */
export function specialOf(name: Name): SpecialSource | undefined {
  const text = name.quoted ? name.text : name.text.toLowerCase();
  return Object.hasOwn(SPECIAL, text) ? SPECIAL[text as keyof typeof SPECIAL].source : undefined;
}

export class Relation {
  readonly index: number;
  readonly alias: string;
  readonly map: CatalogMap;
  readonly columns: ScanColumn[] = [];
  /** Top-level fields of the map's documents, in their order. */
  readonly fields: readonly string[];
  readonly #indexOf = new Map<string, number>();
  readonly #children = new Map<string, readonly string[]>();
  readonly #kinds = new Map<string, number>();
  /** What stands before a column's name where there are several relations: `a.`. */
  readonly #prefix: string;

  constructor(index: number, alias: string, map: CatalogMap, isQualified = false) {
    this.index = index;
    this.alias = alias;
    this.map = map;
    this.#prefix = isQualified ? `${alias}.` : '';
    this.fields = this.childrenOf([]);
  }

  /** The index of a column, asked for now or before. @throws GridError STATEMENT_TOO_LARGE */
  column(column: ScanColumn): number {
    const key = column.source === 'path' ? JSON.stringify(column.path) : column.source;
    const known = this.#indexOf.get(key);
    if (known !== undefined) return known;
    if (this.columns.length === RELATION_STRIDE) {
      throw new GridError('STATEMENT_TOO_LARGE', `more than ${RELATION_STRIDE} columns of '${this.map.name}'`);
    }
    const index = this.columns.push(column) - 1;
    this.#indexOf.set(key, index);
    return index;
  }

  reference(column: ScanColumn, at: number): Expr {
    const index = this.index * RELATION_STRIDE + this.column(column);
    const expr = {
      kind: 'column',
      index,
      name: `${this.#prefix}${columnName(column)}`,
      type: column.type,
      at,
    } as const;
    if (column.source === 'key') return { ...expr, isKey: true };
    return PROMISED.has(column.source) ? { ...expr, isDeclared: true } : expr;
  }

  field(name: string, at: number): Expr {
    return this.reference({ source: 'path', path: [name], type: 'any' }, at);
  }

  special(source: SpecialSource, at: number): Expr {
    return this.reference(SPECIAL[`__${source}`], at);
  }

  /** Bits of VALUE_KIND; 0 where no document is known to have a value; undefined where nobody has looked. */
  valueKindsAt(path: readonly (string | number)[]): number | undefined {
    const { paths, valueKinds } = this.map;
    if (paths === undefined || valueKinds === undefined) return undefined;
    if (this.#kinds.size === 0) {
      for (const [index, known] of paths.entries()) this.#kinds.set(JSON.stringify(known), valueKinds[index] ?? 0);
    }
    return path.some((step) => typeof step === 'number') ? undefined : (this.#kinds.get(JSON.stringify(path)) ?? 0);
  }

  /** Known fields of the object at `path`, in the documents' order. */
  childrenOf(path: readonly string[]): readonly string[] {
    const key = JSON.stringify(path);
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const children = (this.map.paths ?? [])
      .filter((child) => child.length === path.length + 1 && path.every((step, depth) => child[depth] === step))
      .map((child) => child.at(-1)!);
    this.#children.set(key, children);
    return children;
  }
}

/** A column as people write it: __key, account.owner.id, tags[1]. */
export function columnName(column: ScanColumn): string {
  if (column.source !== 'path') return `__${column.source}`;
  return column.path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join('');
}
