/**
 * Names to columns: the relations of one FROM, and the columns that a statement asks of each.
 *
 * A map is a table whose columns are the paths of its documents, added to a relation as names are met. While a statement
 * is being bound, a column's index is `relation * RELATION_STRIDE + column`; the plan numbers them by position later.
 *
 * N1  A first step that names a relation (its alias, else its map) qualifies; everything else is a path.
 * N2  A field matches exactly first, then by a unique match without regard to case; a label keeps the document's spelling.
 * N3  A path that no document has is NULL and a notice, not an error: documents need no schema.
 */
import { GridError, type TextPosition, UnknownMapError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { CatalogMap, CatalogView, ScanColumn } from '@ashlar/sql-plan';
import { closest, distance } from 'fastest-levenshtein';
import { unsupported } from '../guard/sql-errors.ts';
import type { Name, PathStep, Table } from '../parse/syntax.ts';

export const RELATION_STRIDE = 1 << 16;

/** Pseudo-columns of every map. */
const SPECIAL = { __key: 'key', __value: 'value', __version: 'version' } as const;

/** Thrown while binding when a name can only be judged with the paths of a map's documents at hand. */
export class PathsWanted extends Error {
  readonly map: string;
  constructor(map: string) {
    super(`the paths of '${map}' are wanted`);
    this.map = map;
  }
}

export class Relation {
  readonly index: number;
  readonly alias: string;
  readonly map: CatalogMap;
  readonly columns: ScanColumn[] = [];
  readonly #indexOf = new Map<string, number>();

  constructor(index: number, alias: string, map: CatalogMap) {
    this.index = index;
    this.alias = alias;
    this.map = map;
  }

  /** The index of a column, asked for now or before. */
  column(column: ScanColumn): number {
    const key = column.source === 'path' ? JSON.stringify(column.path) : column.source;
    const known = this.#indexOf.get(key);
    if (known !== undefined) return known;
    const index = this.columns.push(column) - 1;
    this.#indexOf.set(key, index);
    return index;
  }

  reference(column: ScanColumn, name: string, at: number): Expr {
    const index = this.index * RELATION_STRIDE + this.column(column);
    return { kind: 'column', index, name, type: column.type, at };
  }

  /** Top-level fields of the map's documents, in their order. */
  get fields(): readonly string[] {
    return (this.map.paths ?? []).filter((path) => path.length === 1).map((path) => path[0]!);
  }
}

export class Scope {
  readonly relations: Relation[] = [];
  readonly notices: string[] = [];
  readonly #catalog: CatalogView;
  /** Maps whose paths were looked for just now: what is not among them is in no document. */
  readonly #fresh: ReadonlySet<string>;

  constructor(catalog: CatalogView, fresh: ReadonlySet<string>) {
    this.#catalog = catalog;
    this.#fresh = fresh;
  }

  /** @throws GridError UNKNOWN_MAP with the nearest name, SYNTAX_ERROR when an alias stands twice */
  add(table: Table): Relation {
    if ((table.alias?.columns.length ?? 0) > 0)
      throw unsupported('a list of column names behind a map', table.position);
    const map = findMap(this.#catalog, table);
    const alias = table.alias?.name.text ?? map.name;
    if (this.relations.some((relation) => relation.alias === alias)) {
      throw new GridError('SYNTAX_ERROR', `'${alias}' stands twice in FROM`, {
        position: table.position,
        hint: `give one of them another name: FROM ${map.name} AS x`,
      });
    }
    const relation = new Relation(this.relations.length, alias, map);
    this.relations.push(relation);
    return relation;
  }

  /** The column that a path names. @throws GridError AMBIGUOUS_COLUMN, UNKNOWN_COLUMN; PathsWanted */
  resolve(first: Name, rest: readonly PathStep[], position: TextPosition): Expr {
    const qualified = this.#relationNamed(first);
    if (qualified !== undefined && rest.length > 0) {
      const [next, ...more] = rest;
      if (next!.kind === 'Name') return this.#columnOf(qualified, next!.name, more, position);
    }
    if (this.relations.length === 0) {
      throw new GridError('UNKNOWN_COLUMN', `unknown column '${first.text}': the statement has no FROM`, { position });
    }
    return this.#columnOf(this.#ownerOf(first), first, rest, position);
  }

  relationNamed(name: Name): Relation {
    const relation = this.#relationNamed(name);
    if (relation !== undefined) return relation;
    const names = this.relations.map(({ alias }) => alias);
    throw new UnknownMapError(name.text, names.length > 0 ? closest(name.text, names) : undefined, name.position);
  }

  /** Asks that the fields of a relation be complete, for `*`. @throws PathsWanted */
  wantAllFields(relation: Relation): void {
    if (!this.#fresh.has(relation.map.name)) throw new PathsWanted(relation.map.name);
  }

  #relationNamed(name: Name): Relation | undefined {
    const exact = this.relations.find(({ alias }) => alias === name.text);
    if (exact !== undefined || name.quoted) return exact;
    const folded = this.relations.filter(({ alias }) => alias.toLowerCase() === name.text.toLowerCase());
    return folded.length === 1 ? folded[0] : undefined;
  }

  /** Which relation an unqualified name belongs to: the only one, or the only one whose documents have it. */
  #ownerOf(first: Name): Relation {
    if (this.relations.length === 1) return this.relations[0]!;
    const owners = this.relations.filter((relation) => {
      this.#wantPaths(relation, first);
      return spellingsOf(relation, first).length > 0;
    });
    if (owners.length === 1) return owners[0]!;
    const names = this.relations.map(({ alias }) => alias);
    const message =
      owners.length === 0
        ? `unknown column '${first.text}': no document of ${names.join(', ')} has it`
        : `column '${first.text}' is in ${owners.map(({ alias }) => alias).join(' and ')}`;
    throw new GridError(owners.length === 0 ? 'UNKNOWN_COLUMN' : 'AMBIGUOUS_COLUMN', message, {
      position: first.position,
      hint: `say which one: ${names[0]}.${first.text}`,
    });
  }

  #columnOf(relation: Relation, first: Name, rest: readonly PathStep[], position: TextPosition): Expr {
    const at = position.offset;
    const special = Object.hasOwn(SPECIAL, first.text) ? SPECIAL[first.text as keyof typeof SPECIAL] : undefined;
    if (special !== undefined) {
      if (rest.length > 0) throw unsupported(`a part of ${first.text}`, position);
      const type = special === 'key' ? 'any' : special === 'version' ? 'int8' : 'json';
      return relation.reference({ source: special, type }, first.text, at);
    }
    this.#wantPaths(relation, first);
    const path: (string | number)[] = [this.#spelling(relation, first), ...rest.map(stepOf)];
    const name = nameOf(path);
    return relation.reference({ source: 'path', path, type: 'any' }, name, at);
  }

  /** N2, N3. */
  #spelling(relation: Relation, name: Name): string {
    const spellings = spellingsOf(relation, name);
    if (spellings.length === 1) return spellings[0]!;
    if (spellings.length > 1) {
      throw new GridError('AMBIGUOUS_COLUMN', `'${name.text}' may be ${spellings.map((s) => `"${s}"`).join(' or ')}`, {
        position: name.position,
        hint: 'write the name in double quotes, exactly as the documents have it',
      });
    }
    this.#noticeMissing(relation, name.text);
    return name.text;
  }

  #noticeMissing(relation: Relation, name: string): void {
    const { fields, map } = relation;
    if (fields.length === 0) return;
    const nearest = closest(name, fields);
    const hint = distance(name, nearest) <= Math.max(2, name.length / 2) ? `; did you mean '${nearest}'?` : '';
    const notice = `no document of '${map.name}' has '${name}': it is NULL${hint}`;
    if (!this.notices.includes(notice)) this.notices.push(notice);
  }

  #wantPaths(relation: Relation, name: Name): void {
    if (relation.fields.includes(name.text) || this.#fresh.has(relation.map.name)) return;
    throw new PathsWanted(relation.map.name);
  }
}

/** The map a table names. @throws GridError UNKNOWN_MAP with the nearest name */
export function findMap(catalog: CatalogView, table: Table): CatalogMap {
  const name = table.name.map(({ text }) => text).join('.');
  const exact = catalog.maps.find((map) => map.name === name);
  if (exact !== undefined) return exact;
  const quoted = table.name.some((part) => part.quoted);
  const folded = quoted ? [] : catalog.maps.filter((map) => map.name.toLowerCase() === name.toLowerCase());
  if (folded.length === 1) return folded[0]!;
  const names = catalog.maps.map((map) => map.name);
  const nearest = names.length === 0 ? undefined : closest(name, names);
  const close = nearest !== undefined && distance(name, nearest) <= Math.max(2, name.length / 2);
  throw new UnknownMapError(name, close ? nearest : undefined, table.position);
}

function spellingsOf(relation: Relation, name: Name): readonly string[] {
  const { fields } = relation;
  if (fields.includes(name.text)) return [name.text];
  if (name.quoted) return [];
  return fields.filter((field) => field.toLowerCase() === name.text.toLowerCase());
}

/** Subscripts count from 0, as in JavaScript and in PostgreSQL's jsonb. */
function stepOf(step: PathStep): string | number {
  if (step.kind === 'Name') return step.name.text;
  if (step.kind === 'Subscript' && step.index.kind === 'Literal') {
    const { literal } = step.index;
    if (literal.type === 'string') return literal.value;
    if (literal.type === 'integer' && literal.value >= 0n && literal.value < 2n ** 31n) return Number(literal.value);
  }
  throw unsupported(step.kind === 'Slice' ? 'a slice' : 'a subscript that is not a constant', step.position);
}

/** A path as people write it: account.owner.id, tags[1]. */
export function nameOf(path: readonly (string | number)[]): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}
