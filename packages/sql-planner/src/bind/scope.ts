/**
 * Names to columns: the relations of one FROM, and which of them a name means.
 *
 * scope N1  A first step that names a relation (its alias, else its map) qualifies; everything else is a path.
 * scope N2  A field matches exactly first, then by a unique match without regard to case; a label keeps the document's
 *           spelling.
 * scope N3  A path that no document has is NULL and a notice, not an error: documents need no schema.
 * scope N4  ON sees the relations of its own item of FROM; a column of USING is one column, the left side's.
 */
import { GridError, type TextPosition, UnknownMapError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { CatalogMap, CatalogView } from '@ashlar/sql-plan';
import { closest, distance } from 'fastest-levenshtein';
import { unsupported } from '../guard/sql-errors.ts';
import type { Name, PathStep, Table } from '../parse/syntax.ts';
import { columnName, RELATION_STRIDE, Relation, specialOf } from './relation.ts';

/** Depth to which the paths of documents are looked for. */
const KNOWN_DEPTH = 4;

/** Most notices of a statement: more are of no use to a reader. */
const NOTICES_MAX = 20;

/** Thrown while binding when a name can only be judged with the paths of a map's documents at hand. */
export class PathsWanted extends Error {
  readonly map: string;
  /** The name may be a column of any map of the statement: all of them are to be looked at. */
  readonly isOfAny: boolean;
  constructor(map: string, isOfAny: boolean) {
    super(`the paths of '${map}' are wanted`);
    this.map = map;
    this.isOfAny = isOfAny;
  }
}

/** One field of one relation, as `*` lists it. */
export interface StarField {
  readonly relation: Relation;
  readonly field: string;
}

export class Scope {
  readonly relations: Relation[] = [];
  readonly notices: string[] = [];
  /** Maps whose paths, as they are now, decided something: what was bound holds as long as they do. */
  readonly restsOn = new Set<string>();
  readonly #catalog: CatalogView;
  /** Maps whose paths were looked for just now: what is not among them is in no document. */
  readonly #fresh: ReadonlySet<string>;
  /** Relations before belong to other items of FROM. */
  #itemStart = 0;
  /** Columns of USING: the right side's, which only a qualified name reaches; and the left side's with its item. */
  readonly #hidden = new Set<string>();
  readonly #merged: (StarField & { readonly itemStart: number })[] = [];

  constructor(catalog: CatalogView, fresh: ReadonlySet<string>) {
    this.#catalog = catalog;
    this.#fresh = fresh;
  }

  /**
   * @param isQualified  columns are to be named with the alias in plans and errors: there is more than one relation
   * @throws GridError UNKNOWN_MAP with the nearest name, SYNTAX_ERROR when an alias stands twice
   */
  add(table: Table, isQualified = false): Relation {
    const [column] = table.alias?.columns ?? [];
    if (column !== undefined)
      throw unsupported(
        'a list of column names after a map',
        column.position,
        'rename the columns in SELECT: brand AS b',
      );
    const map = findMap(this.#catalog, table);
    const alias = table.alias?.name.text ?? map.name;
    if (this.relations.some((relation) => relation.alias === alias)) {
      throw new GridError('SYNTAX_ERROR', `'${alias}' appears twice in FROM`, {
        position: table.alias?.position ?? table.position,
        hint: `give one of them another name: FROM ${map.name} AS x`,
      });
    }
    const relation = new Relation(this.relations.length, alias, map, isQualified);
    this.relations.push(relation);
    return relation;
  }

  /** Binds one item of FROM: names within see the relations that are added within (scope N4). */
  withinItem<T>(bind: () => T): T {
    this.#itemStart = this.relations.length;
    const bound = bind();
    this.#itemStart = 0;
    return bound;
  }

  /** The column that a path names. @throws GridError AMBIGUOUS_COLUMN, UNKNOWN_COLUMN; PathsWanted */
  resolve(first: Name, rest: readonly PathStep[], position: TextPosition): Expr {
    const [next, ...more] = rest;
    const qualified = next?.kind === 'Name' ? find(this.relations, first) : undefined;
    if (qualified !== undefined && next?.kind === 'Name') {
      if (qualified.index < this.#itemStart) throw outsideItem(qualified, position);
      return this.columnOf(qualified, next.name, more, position);
    }
    if (this.relations.length === 0) throw noRelation(first, position);
    return this.columnOf(this.#ownerOf(first, rest.length > 0), first, rest, position);
  }

  /** The column of one relation that a path names. */
  columnOf(relation: Relation, first: Name, rest: readonly PathStep[], position: TextPosition): Expr {
    const special = specialOf(first);
    if (special !== undefined) {
      if (rest.length > 0) throw partOfSpecial(first, position);
      return relation.special(special, position.offset);
    }
    const path = this.#pathOf(relation, first, rest);
    return relation.reference({ source: 'path', path, type: 'any' }, position.offset);
  }

  relationNamed(name: Name): Relation {
    const relation = find(this.relations, name);
    if (relation !== undefined) return relation;
    const names = this.relations.map(({ alias }) => alias);
    throw new UnknownMapError(name.text, names.length > 0 ? closest(name.text, names) : undefined, name.position);
  }

  /** Makes two columns that USING names one. */
  merge(left: Expr, right: Expr): void {
    const [leftField, rightField] = [this.#fieldAt(left), this.#fieldAt(right)];
    this.#hidden.add(hiddenKey(rightField));
    const isKnown = this.#merged.some((known) => hiddenKey(known) === hiddenKey(leftField));
    if (!isKnown) this.#merged.push({ ...leftField, itemStart: this.#itemStart });
  }

  /** What `*` lists: of each item of FROM the columns of USING, then the others. @throws PathsWanted */
  starFields(): readonly StarField[] {
    return this.relations.flatMap((relation) => {
      this.wantAllFields(relation);
      const merged = this.#merged.filter(({ itemStart, field }) => itemStart === relation.index && !isSpecial(field));
      const own = relation.fields.map((field) => ({ relation, field }));
      const isListed = (field: StarField): boolean =>
        this.#merged.some((known) => hiddenKey(known) === hiddenKey(field));
      return [...merged, ...own.filter((field) => !this.#hidden.has(hiddenKey(field)) && !isListed(field))];
    });
  }

  /** Asks that the fields of a relation be complete, for `*`. @throws PathsWanted */
  wantAllFields(relation: Relation): void {
    this.#restOn(relation, false);
  }

  /**
   * The kinds of values that documents hold at a path, as bits of VALUE_KIND; undefined where nobody looks.
   *
   * @throws PathsWanted
   */
  valueKindsAt(index: number): number | undefined {
    const relation = this.relations[Math.floor(index / RELATION_STRIDE)];
    const column = relation?.columns[index % RELATION_STRIDE];
    if (relation === undefined || column?.source !== 'path' || column.path.length > KNOWN_DEPTH) return undefined;
    this.#restOn(relation, false);
    return relation.valueKindsAt(column.path);
  }

  /** Notes that the paths which a map's documents have now decide what follows. @throws PathsWanted */
  #restOn({ map }: Relation, isOfAny: boolean): void {
    if (!this.#fresh.has(map.name)) throw new PathsWanted(map.name, isOfAny);
    this.restsOn.add(map.name);
  }

  /** Whether documents are known to have a field of that name. @throws PathsWanted where nobody has looked yet */
  hasField(name: Name): boolean {
    if (specialOf(name) !== undefined) return true;
    return this.relations.some((relation) => {
      if (spellingsOf(relation.fields, name).length > 0) return true;
      if (relation.map.paths === undefined || this.#fresh.has(relation.map.name)) this.#restOn(relation, true);
      return false;
    });
  }

  /** A field that is to be written, as the documents spell it (scope N2); as it stands where none has it. */
  writtenName(relation: Relation, name: Name): string {
    this.#wantPaths(relation, [], name);
    return this.#uniqueSpelling(relation.fields, name) ?? name.text;
  }

  /** Which relation an unqualified name belongs to: the only one, or the only one whose documents have it. */
  #ownerOf(first: Name, isQualifier: boolean): Relation {
    const visible = this.relations.slice(this.#itemStart);
    const special = specialOf(first);
    const owners = visible.filter((relation) => {
      if (special !== undefined) return !this.#hidden.has(hiddenKey({ relation, field: `__${special}` }));
      if (visible.length > 1) this.#wantPaths(relation, [], first, true);
      const spellings = spellingsOf(relation.fields, first);
      return spellings.some((field) => !this.#hidden.has(hiddenKey({ relation, field })));
    });
    if (owners.length === 1) return owners[0]!;
    if (visible.length === 1) return this.#soleOwner(visible[0]!, first, isQualifier);
    throw owners.length === 0 ? unknownColumn(visible, first) : ambiguousOwner(owners, first);
  }

  /** The only relation, which has no such field as far as is known. */
  #soleOwner(relation: Relation, first: Name, isQualifier: boolean): Relation {
    this.#wantPaths(relation, [], first);
    const { alias, map } = relation;
    if (isQualifier && alias !== map.name && first.text.toLowerCase() === map.name.toLowerCase()) {
      throw new GridError('UNKNOWN_COLUMN', `'${map.name}' is called '${alias}' in this statement`, {
        position: first.position,
        hint: `write ${alias} in its place`,
      });
    }
    if (!isQualifier && find([relation], first) !== undefined) {
      throw unsupported('a whole row as a value', first.position, `the document is ${alias}.__value`);
    }
    return relation;
  }

  #pathOf(relation: Relation, first: Name, rest: readonly PathStep[]): (string | number)[] {
    const names = [this.#spelling(relation, [], first) ?? first.text];
    let depth = 0;
    for (const step of rest) {
      if (step.kind !== 'Name') break;
      names.push(this.#spelling(relation, names, step.name) ?? step.name.text);
      depth++;
    }
    return [...names, ...rest.slice(depth).map(stepOf)];
  }

  /** scope N2, N3: a name as the documents spell it in the object at `parent`; undefined where none has it. */
  #spelling(relation: Relation, parent: readonly string[], name: Name): string | undefined {
    this.#wantPaths(relation, parent, name);
    const known = relation.childrenOf(parent);
    const spelling = this.#uniqueSpelling(known, name);
    if (spelling === undefined) this.#noticeMissing(relation, parent, known, name.text);
    return spelling;
  }

  #uniqueSpelling(known: readonly string[], name: Name): string | undefined {
    const spellings = spellingsOf(known, name);
    if (spellings.length <= 1) return spellings[0];
    throw new GridError('AMBIGUOUS_COLUMN', `'${name.text}' may be ${spellings.map((s) => `"${s}"`).join(' or ')}`, {
      position: name.position,
      hint: 'write the name in double quotes, exactly as the documents have it',
    });
  }

  #noticeMissing({ map }: Relation, parent: readonly string[], known: readonly string[], name: string): void {
    if (known.length === 0 || this.notices.length >= NOTICES_MAX) return;
    const nearest = closest(name, known);
    const shown = (field: string): string => [...parent, field].join('.');
    const hint = isNear(name, nearest) ? `; did you mean '${shown(nearest)}'?` : '';
    const notice = `no document of '${map.name}' has '${shown(name)}': it is NULL${hint}`;
    if (!this.notices.includes(notice)) this.notices.push(notice);
  }

  #wantPaths(relation: Relation, parent: readonly string[], name: Name, isOfAny = false): void {
    if (parent.length >= KNOWN_DEPTH || relation.childrenOf(parent).includes(name.text)) return;
    this.#restOn(relation, isOfAny);
  }

  #fieldAt(column: Expr): StarField {
    const index = column.kind === 'column' ? column.index : -1;
    const relation = this.relations[Math.floor(index / RELATION_STRIDE)]!;
    return { relation, field: columnName(relation.columns[index % RELATION_STRIDE]!) };
  }
}

/** Where other databases keep their catalogs. */
const SYSTEM_TABLE = /^(?:information_schema(?:\.|$)|pg_catalog(?:\.|$)|pg_|sqlite_|sys\.|duckdb_)/i;

/** A map of the user's may have such a name: then another one is a misspelling of it. */
function isSystemTable(name: string, names: readonly string[]): boolean {
  const prefix = SYSTEM_TABLE.exec(name)?.[0].toLowerCase();
  return prefix !== undefined && !names.some((known) => known.toLowerCase().startsWith(prefix));
}

function systemTable(name: string, position: TextPosition): GridError {
  return new GridError('UNKNOWN_MAP', `unknown map '${name}': a grid has no system tables`, {
    position,
    hint: 'SHOW TABLES lists the maps, DESCRIBE map its columns; the first put creates a map',
    details: { map: name },
  });
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
  if (isSystemTable(name, names)) throw systemTable(name, table.position);
  const nearest = names.length === 0 ? undefined : closest(name, names);
  throw new UnknownMapError(name, nearest !== undefined && isNear(name, nearest) ? nearest : undefined, table.position);
}

/** `__value.brand`: the pseudo-columns are whole. */
export function partOfSpecial({ text }: Name, position: TextPosition): GridError {
  const isValue = text.toLowerCase() === '__value';
  const hint = isValue ? 'the fields of a document are columns: brand' : `read ${text} as a whole`;
  return unsupported(`a part of ${text}`, position, hint);
}

const isSpecial = (field: string): boolean =>
  field.startsWith('__') && ['__key', '__value', '__version'].includes(field);
const hiddenKey = ({ relation, field }: StarField): string => `${relation.index} ${field}`;
const isNear = (name: string, other: string): boolean => distance(name, other) <= Math.max(2, name.length / 2);

function find(relations: readonly Relation[], name: Name): Relation | undefined {
  const exact = relations.find(({ alias }) => alias === name.text);
  if (exact !== undefined || name.quoted) return exact;
  const folded = relations.filter(({ alias }) => alias.toLowerCase() === name.text.toLowerCase());
  return folded.length === 1 ? folded[0] : undefined;
}

function spellingsOf(known: readonly string[], name: Name): readonly string[] {
  if (known.includes(name.text)) return [name.text];
  if (name.quoted) return [];
  return known.filter((field) => field.toLowerCase() === name.text.toLowerCase());
}

function noRelation(name: Name, position: TextPosition): GridError {
  return new GridError('UNKNOWN_COLUMN', `no column '${name.text}' here: there is no map to read it from`, {
    position,
    hint: name.quoted ? `a text is written in single quotes: '${name.text}'` : undefined,
  });
}

function outsideItem({ alias }: Relation, position: TextPosition): GridError {
  return new GridError('UNKNOWN_COLUMN', `'${alias}' cannot be named in this ON: a comma stands between them`, {
    position,
    hint: 'write CROSS JOIN for the comma',
  });
}

function ambiguousOwner(owners: readonly Relation[], name: Name): GridError {
  const names = owners.map(({ alias }) => alias);
  return new GridError('AMBIGUOUS_COLUMN', `column '${name.text}' is in ${names.join(' and ')}`, {
    position: name.position,
    hint: `say which one: ${names[0]}.${name.text}`,
  });
}

function unknownColumn(relations: readonly Relation[], name: Name): GridError {
  const names = relations.map(({ alias }) => alias);
  const fields = relations.flatMap(({ alias, fields }) =>
    fields.map((field) => ({ field, shown: `${alias}.${field}` })),
  );
  const nearest =
    fields.length === 0
      ? undefined
      : closest(
          name.text,
          fields.map(({ field }) => field),
        );
  const shown = fields.find(({ field }) => field === nearest)?.shown;
  const isMeant = nearest !== undefined && isNear(name.text, nearest);
  return new GridError('UNKNOWN_COLUMN', `unknown column '${name.text}': no document of ${names.join(', ')} has it`, {
    position: name.position,
    hint: isMeant ? `did you mean '${shown}'?` : `say which one: ${names[0]}.${name.text}`,
  });
}

/** Subscripts count from 0, as in JavaScript and in PostgreSQL's jsonb. */
function stepOf(step: PathStep): string | number {
  if (step.kind === 'Name') return step.name.text;
  if (step.kind === 'Subscript' && step.index.kind === 'Literal') {
    const { literal } = step.index;
    if (literal.type === 'string') return literal.value;
    if (literal.type === 'integer' && literal.value >= 0n && literal.value < 2n ** 31n) return Number(literal.value);
    if (literal.type === 'integer')
      throw unsupported('a subscript below 0 or past 2^31', step.position, 'elements are counted from 0');
  }
  if (step.kind === 'Slice') {
    throw unsupported('a slice', step.position, 'name the elements, tags[0], or read the whole array and cut it');
  }
  const hint = 'write the number or the name itself, tags[0], or read the whole array';
  throw unsupported('a subscript that is not a constant', step.position, hint);
}
