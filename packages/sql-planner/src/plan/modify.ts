/** INSERT, UPDATE, DELETE to plans. */
import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { CatalogView, InsertPlan, ModifyPlan } from '@ashlar/sql-plan';
import type { BindContext } from '../bind/context.ts';
import { conjunction, conjunctsOf, renumber } from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import { findMap, RELATION_STRIDE, type Relation } from '../bind/scope.ts';
import { expectBoolean } from '../bind/types.ts';
import { syntaxError, unsupported } from '../guard/sql-errors.ts';
import type { Assignment, Delete, Expression, Insert, OnConflict, Path, Update } from '../parse/syntax.ts';
import { partitionsOf } from './prune.ts';
import type { PlanFacts } from './select.ts';

type FieldPath = readonly (string | number)[];

export function planInsert(insert: Insert, facts: PlanFacts, catalog: CatalogView): InsertPlan {
  if (insert.returning.length > 0) throw unsupported('RETURNING', insert.returning[0]!.position);
  const name = insert.table.name.map(({ text }) => text).join('.');
  const mapId = knownMap(insert, catalog);
  if (insert.columns.length === 0) {
    throw syntaxError(
      'INSERT must name its columns',
      insert.position,
      `INSERT INTO ${name} (__key, a, b) VALUES (...)`,
    );
  }
  const paths = insert.columns.map(fieldPath);
  const keyColumn = paths.findIndex((path) => path.length === 1 && path[0] === '__key');
  if (keyColumn < 0) throw syntaxError('INSERT must give the key: name __key among its columns', insert.position);
  const context = contextOf(facts, 'VALUES');
  const rows = valuesOf(insert).map((row) => {
    if (row.length !== paths.length) {
      throw syntaxError(
        `a row has ${row.length} values for ${paths.length} columns`,
        row[0]?.position ?? insert.position,
      );
    }
    const values = row.map((expression) => bindExpression(expression, context));
    const fields = paths.flatMap((path, index) => (index === keyColumn ? [] : [{ path, value: values[index]! }]));
    return { key: values[keyColumn]!, fields };
  });
  const onConflict = conflictOf(insert.onConflict);
  return { kind: 'insert', map: name, mapId, rows, onConflict, ...common(facts) };
}

/** A map that does not exist is created, as by a put. */
function knownMap(insert: Insert, catalog: CatalogView): number | undefined {
  try {
    return findMap(catalog, insert.table).mapId;
  } catch (error) {
    if (GridError.is(error, 'UNKNOWN_MAP')) return undefined;
    throw error;
  }
}

function valuesOf({ source, position }: Insert): readonly (readonly Expression[])[] {
  if (source === undefined) throw unsupported('DEFAULT VALUES', position);
  const isPlain = source.with.length === 0 && source.orderBy.length === 0 && source.limit === undefined;
  if (source.body.kind === 'Values' && isPlain) return source.body.rows;
  throw unsupported('INSERT from a query', source.position, 'read the rows and put them');
}

function conflictOf(clause: OnConflict | undefined): InsertPlan['onConflict'] {
  if (clause === undefined) return 'error';
  if (clause.columns.some(({ text }) => text !== '__key')) {
    throw unsupported('ON CONFLICT on another column than __key', clause.position);
  }
  if (clause.update !== undefined)
    throw unsupported('ON CONFLICT DO UPDATE', clause.position, 'use put, or a processor');
  return 'nothing';
}

export function planUpdate(update: Update, facts: PlanFacts): ModifyPlan {
  if (update.from.length > 0) throw unsupported('UPDATE ... FROM', update.from[0]!.position);
  if (update.returning.length > 0) throw unsupported('RETURNING', update.returning[0]!.position);
  const relation = facts.scope.add(update.table);
  const columns = leadingColumns(relation);
  const assignments = update.assignments.map((assignment) => bindAssignment(assignment, facts));
  return { kind: 'update', assignments, ...scanFor(relation, update.where, facts), ...columns };
}

export function planDelete(statement: Delete, facts: PlanFacts): ModifyPlan {
  if (statement.returning.length > 0) throw unsupported('RETURNING', statement.returning[0]!.position);
  const relation = facts.scope.add(statement.table);
  const columns = leadingColumns(relation);
  return { kind: 'delete', assignments: [], ...scanFor(relation, statement.where, facts), ...columns };
}

/** The key is column 0, the version column 1: by them the row is found again. */
function leadingColumns(relation: Relation): { readonly map: string; readonly mapId: number } {
  relation.column({ source: 'key', type: 'any' });
  relation.column({ source: 'version', type: 'int8' });
  return { map: relation.map.name, mapId: relation.map.mapId };
}

function bindAssignment({ target, value }: Assignment, facts: PlanFacts): { path: FieldPath; value: Expr } {
  const path = fieldPath(target);
  if (path.length === 1 && (path[0] === '__key' || path[0] === '__version')) {
    throw syntaxError(`${path[0]} cannot be assigned`, target.position);
  }
  const bound = bindExpression(value, contextOf(facts, 'SET'));
  return { path, value: renumber(bound, (index) => index % RELATION_STRIDE) };
}

function scanFor(
  relation: Relation,
  where: Expression | undefined,
  facts: PlanFacts,
): Omit<ModifyPlan, 'kind' | 'assignments' | 'map' | 'mapId'> {
  const context = contextOf(facts, 'WHERE');
  const condition =
    where === undefined ? undefined : expectBoolean(bindExpression(where, context), 'WHERE', where.position);
  const parts = conjunctsOf(condition);
  const filter = conjunction(parts.map((part) => renumber(part, (index) => index % RELATION_STRIDE)));
  const { alias, map, columns } = relation;
  return {
    scan: { kind: 'Scan', map: map.name, mapId: map.mapId, alias, columns, filter },
    partitions: partitionsOf(relation, parts),
    ...common(facts),
  };
}

function contextOf(facts: PlanFacts, clause: string): BindContext {
  return { scope: facts.scope, aggregates: undefined, clause };
}

function common(facts: PlanFacts): Pick<ModifyPlan, 'parameterCount' | 'catalogVersion' | 'notices'> {
  const { parameterCount, catalogVersion, scope } = facts;
  return { parameterCount, catalogVersion, notices: scope.notices };
}

/** A column of INSERT or SET: names only. */
function fieldPath(path: Path): FieldPath {
  return path.steps.map((step) => {
    if (step.kind === 'Name') return step.name.text;
    throw unsupported('assigning to an element of an array', step.position);
  });
}
