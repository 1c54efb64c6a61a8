/**
 * SHOW TABLES and DESCRIBE: plans of constant rows.
 *
 * They rest on the catalog, or on the paths of the map's documents, as any other plan does, and are kept as long.
 */
import type { Expr } from '@ashlar/expressions';
import { type CatalogView, type QueryPlan, VALUE_KIND } from '@ashlar/sql-plan';
import { columnName } from '../bind/relation.ts';
import type { Describe, ShowMaps } from '../parse/syntax.ts';
import type { PlanFacts } from './bind-select.ts';

/** One row a map: its name. */
export function planShowMaps({ position }: ShowMaps, facts: PlanFacts, catalog: CatalogView): QueryPlan {
  const names = catalog.maps.map(({ name }) => name).sort();
  if (names.length === 0) facts.scope.notices.push('there are no maps yet: the first put creates one');
  return rowsOf(
    ['name'],
    names.map((name) => [name]),
    position.offset,
    facts,
  );
}

/**
 * One row a column that a statement may name: those of every map, and the paths of this one's documents.
 *
 * @throws GridError UNKNOWN_MAP; PathsWanted
 */
export function planDescribe({ table, position }: Describe, facts: PlanFacts): QueryPlan {
  const relation = facts.scope.add(table);
  facts.scope.wantAllFields(relation);
  const paths = nested(relation.map.paths ?? []).map((path) => {
    const kinds = relation.valueKindsAt(path) ?? 0;
    return [columnName({ source: 'path', path, type: 'any' }), typesText(kinds)];
  });
  const rows = [
    ['__key', 'any'],
    ...paths,
    ['__value', 'json'],
    ['__version', 'int8'],
    ['__expires_at', 'timestamptz'],
  ];
  return rowsOf(['column_name', 'data_type'], rows, position.offset, facts);
}

type Path = readonly string[];

/** Paths with the fields of each object right after it, otherwise as they come. */
function nested(paths: readonly Path[]): readonly Path[] {
  const placeOf = new Map(paths.map((path, index) => [JSON.stringify(path), index]));
  const ranked = paths.map((path) => ({
    path,
    places: path.map((_, depth) => placeOf.get(JSON.stringify(path.slice(0, depth + 1))) ?? -1),
  }));
  return ranked.sort((one, other) => compare(one.places, other.places)).map(({ path }) => path);
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((place, depth) => place !== other[depth]);
  return at < 0 ? one.length - other.length : one[at]! - (other[at] ?? -1);
}

const TYPE_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [VALUE_KIND.number, 'float8'],
  [VALUE_KIND.bigint, 'int8'],
  [VALUE_KIND.decimal, 'numeric'],
  [VALUE_KIND.date, 'timestamptz'],
  [VALUE_KIND.text, 'text'],
  [VALUE_KIND.boolean, 'boolean'],
  [VALUE_KIND.other, 'json'],
];

/** `float8`, `int8 or text`: what documents hold at a path; `any` where they hold NULL alone. */
function typesText(kinds: number): string {
  const names = TYPE_NAMES.filter(([bit]) => (kinds & bit) !== 0).map(([, name]) => name);
  return names.join(' or ') || 'any';
}

function rowsOf(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  at: number,
  { parameterCount, catalogVersion, scope }: PlanFacts,
): QueryPlan {
  const columns = names.map((name) => ({ name, type: 'text' as const }));
  const literal = (value: string): Expr => ({ kind: 'literal', value, type: 'text', at });
  return {
    kind: 'query',
    stages: [],
    merge: { kind: 'Rows', rows: rows.map((row) => row.map(literal)), columns },
    output: columns,
    parameterCount,
    catalogVersion,
    notices: scope.notices,
  };
}
