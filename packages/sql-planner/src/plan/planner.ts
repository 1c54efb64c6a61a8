/**
 * The planner's door: text and catalog in, plan out. Pure and synchronous; runs in a query worker under a deadline.
 *
 *   text -> guard -> node-sql-parser -> syntax -> bind -> place conditions -> fragments and merge
 */
import { GridError } from '@ashlar/core';
import {
  type CatalogView,
  type ExplainPlan,
  type GetPlan,
  type ModifyPlan,
  type PartitionChoice,
  type Plan,
  type QueryPlan,
  withPosition,
} from '@ashlar/sql-plan';
import { movePlaces } from '../bind/expr-tools.ts';
import { findMap, PathsWanted, Scope } from '../bind/scope.ts';
import { unsupported } from '../guard/sql-errors.ts';
import { parseStatement } from '../parse/parse.ts';
import type { Explain, FromItem, Query, SetOperation, Statement, Table } from '../parse/syntax.ts';
import type { PlanFacts } from './bind-select.ts';
import { planDelete, planInsert, planTruncate, planUpdate } from './modify.ts';
import { planSelect } from './select.ts';
import { planDescribe, planShowMaps } from './show.ts';

/**
 * Either the plan, with the maps whose documents' paths decided something in it: it holds while these stay; or the maps whose
 * paths are needed to make one: look for them, all at once, and ask again.
 */
export type Planned =
  | { readonly plan: Plan; readonly restsOn: readonly string[] }
  | { readonly wantsPathsOf: readonly string[] };

/**
 * @param freshPaths  maps whose `paths` in the catalog are complete as of now
 * @throws GridError with the place in the text: SYNTAX_ERROR, UNSUPPORTED_SQL, UNKNOWN_MAP, TYPE_MISMATCH, GROUPING_ERROR ...
 */
export function planStatement(text: string, catalog: CatalogView, freshPaths: ReadonlySet<string>): Planned {
  const parsed = parseStatement(text);
  const { parameterCount } = parsed;
  const facts: PlanFacts = {
    scope: new Scope(catalog, freshPaths),
    parameterCount,
    catalogVersion: catalog.catalogVersion,
  };
  facts.scope.notices.push(...new Set(parsed.notices.map(({ message }) => message)));
  try {
    const plan = planOf(parsed.statement, facts, catalog);
    return { plan, restsOn: [...facts.scope.restsOn] };
  } catch (error) {
    if (error instanceof PathsWanted)
      return { wantsPathsOf: mapsToLookAt(error, parsed.statement, catalog, freshPaths) };
    throw withPosition(error, text);
  }
}

/** One round of looking serves the whole statement: a name of any map asks for all of them. */
function mapsToLookAt(
  wanted: PathsWanted,
  statement: Statement,
  catalog: CatalogView,
  fresh: ReadonlySet<string>,
): readonly string[] {
  const maps = catalog.maps.filter(({ name, paths }) => !fresh.has(name) && (wanted.isOfAny || paths === undefined));
  const named = new Set(tablesOf(statement).map((table) => knownMap(table, catalog)));
  return [...new Set([wanted.map, ...maps.map(({ name }) => name).filter((name) => named.has(name))])];
}

function knownMap(table: Table, catalog: CatalogView): string | undefined {
  try {
    return findMap(catalog, table).name;
  } catch {
    // Binding refuses it, with its place.
    return undefined;
  }
}

/** The maps that a statement names in FROM. */
function tablesOf(statement: Statement): readonly Table[] {
  switch (statement.kind) {
    case 'Explain':
      return tablesOf(statement.statement);
    case 'Query':
      return tablesOfQuery(statement);
    case 'ShowMaps':
      return [];
    default:
      return [statement.table];
  }
}

function tablesOfQuery({ body }: Query): readonly Table[] {
  if (body.kind === 'Query') return tablesOfQuery(body);
  return body.kind === 'Select' ? body.from.flatMap(tablesOfItem) : [];
}

function tablesOfItem(item: FromItem): readonly Table[] {
  if (item.kind === 'Join') return [...tablesOfItem(item.left), ...tablesOfItem(item.right)];
  return item.kind === 'Table' ? [item] : [];
}

/** A condition over one map, as subscriptions and processWhere take it: which entries, and where they can be. */
export interface PlannedCondition {
  /** Its columns begin with key and version; its filter is the condition. */
  readonly scan: ModifyPlan['scan'];
  readonly partitions: PartitionChoice;
  readonly parameterCount: number;
  /** What looks like a mistake. */
  readonly notices: readonly string[];
}

/**
 * @param condition  what would stand behind WHERE; empty: every entry
 * @throws GridError as planStatement; places are those in `condition`
 */
export function planCondition(map: string, condition: string, catalog: CatalogView): PlannedCondition {
  const isEmpty = condition.trim() === '';
  const before = `DELETE FROM "${map.replaceAll('"', '""')}"${isEmpty ? '' : ' WHERE '}`;
  const text = isEmpty ? before : `${before}${condition}`;
  try {
    const { statement, parameterCount } = parseStatement(text);
    if (statement.kind !== 'Delete' || statement.returning.length > 0) {
      const position = statement.kind === 'Delete' ? statement.returning[0]?.position : statement.position;
      throw new GridError('SYNTAX_ERROR', 'a condition is expected, and nothing else', { position });
    }
    // Paths that no document has are NULL here: a condition is often stated before the first entry is there.
    // What they hold may change as well: it decides nothing.
    const open = { ...catalog, maps: catalog.maps.map((known) => ({ ...known, valueKinds: undefined })) };
    const scope = new Scope(open, new Set(catalog.maps.map(({ name }) => name)));
    const plan = planDelete(statement, { scope, parameterCount, catalogVersion: catalog.catalogVersion });
    return { ...placedIn(plan, before.length), parameterCount, notices: plan.notices };
  } catch (error) {
    throw shifted(withPosition(error, text), before.length);
  }
}

/** Scan and partitions with the places of the caller's text, for errors while they run. */
function placedIn({ scan, partitions }: ModifyPlan, by: number): Pick<PlannedCondition, 'scan' | 'partitions'> {
  const filter = scan.filter === undefined ? undefined : movePlaces(scan.filter, by);
  if (partitions.kind === 'all') return { scan: { ...scan, filter }, partitions };
  return {
    scan: { ...scan, filter },
    partitions: { ...partitions, keys: partitions.keys.map((key) => movePlaces(key, by)) },
  };
}

/** The error with its place moved back by what was put before the caller's text; without one if it lies there. */
function shifted(error: unknown, by: number): unknown {
  if (!(error instanceof GridError) || error.position === undefined) return error;
  const { offset, line, column } = error.position;
  const position = offset < by ? undefined : { offset: offset - by, line, column: line === 1 ? column - by : column };
  const { offset: _moved, ...details } = error.details ?? {};
  return new GridError(error.code, error.message, { ...error.toWire(), position, details });
}

function planOf(statement: Statement, facts: PlanFacts, catalog: CatalogView): Plan {
  if (statement.kind === 'ShowMaps') return planShowMaps(statement, facts, catalog);
  if (statement.kind === 'Describe') return planDescribe(statement, facts);
  if (statement.kind !== 'Explain') return planTarget(statement, facts, catalog);
  const { analyze, options, statement: target, position } = statement;
  if (options.length > 0) {
    throw unsupported(
      `EXPLAIN (${options[0]!.name})`,
      position,
      'write EXPLAIN SELECT, or EXPLAIN ANALYZE SELECT to run it',
    );
  }
  const { parameterCount, catalogVersion, scope } = facts;
  return {
    kind: 'explain',
    analyze,
    target: planTarget(target, facts, catalog),
    parameterCount,
    catalogVersion,
    notices: scope.notices,
  };
}

function planTarget(statement: Explain['statement'], facts: PlanFacts, catalog: CatalogView): ExplainPlan['target'] {
  switch (statement.kind) {
    case 'Query':
      return planQuery(statement, facts);
    case 'Insert':
      return planInsert(statement, facts, catalog);
    case 'Update':
      return planUpdate(statement, facts);
    case 'Delete':
      return planDelete(statement, facts);
    case 'Truncate':
      return planTruncate(statement, facts, catalog);
  }
}

function planQuery(query: Query, facts: PlanFacts): QueryPlan | GetPlan {
  if (query.with.length > 0)
    throw unsupported('WITH', query.with[0]!.position, 'join the maps, or send two statements');
  const { body } = query;
  switch (body.kind) {
    case 'Select':
      return planSelect(query, body, facts);
    case 'SetOperation':
      throw unsupported(body.operator.toUpperCase(), body.position, insteadOfSet(body.operator));
    case 'Values':
      throw unsupported('VALUES as a statement', body.position, 'a row of values is SELECT 1, 2');
    case 'Query':
      return planQuery(unwrapped(query, body), facts);
  }
}

function insteadOfSet(operator: SetOperation['operator']): string {
  if (operator === 'union') return 'send the SELECTs one by one, or join their conditions with OR';
  return operator === 'intersect'
    ? 'join the maps, or join the conditions with AND'
    : 'use LEFT JOIN ... WHERE b.__key IS NULL, or AND NOT';
}

/** A query in parentheses, with what stands after them in its place. */
function unwrapped(outer: Query, inner: Query): Query {
  const hasTail = ({ orderBy, limit, offset }: Query): boolean =>
    orderBy.length > 0 || limit !== undefined || offset !== undefined;
  if (!hasTail(outer)) return inner;
  if (hasTail(inner))
    throw unsupported(
      'ORDER BY or LIMIT both inside and after parentheses',
      outer.position,
      'keep one of them, or sort and cut in the application',
    );
  return { ...inner, orderBy: outer.orderBy, limit: outer.limit, offset: outer.offset };
}
