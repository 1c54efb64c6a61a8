/** INSERT, UPDATE, DELETE, TRUNCATE to plans. */

import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { CatalogMap, CatalogView, InsertPlan, ModifyPlan, TruncatePlan } from '@ashlar/sql-plan';
import type { BindContext } from '../bind/context.ts';
import { conjunction, conjunctsOf, renumber } from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import { expectBoolean } from '../bind/literals.ts';
import { RELATION_STRIDE, Relation, specialOf } from '../bind/relation.ts';
import { findMap, partOfSpecial, type Scope } from '../bind/scope.ts';
import { syntaxError, unsupported } from '../guard/sql-errors.ts';
import type { Delete, Expression, Insert, OnConflict, Path, Truncate, Update } from '../parse/syntax.ts';
import type { PlanFacts } from './bind-select.ts';
import { partitionsOf } from './prune.ts';

const INSERT_HINT =
  'INSERT takes VALUES only: read the rows with SELECT and store them with putAll, or use ashlar export and ashlar import';

type FieldPath = readonly (string | number)[];

export function planInsert(insert: Insert, facts: PlanFacts, catalog: CatalogView): InsertPlan {
  if (insert.returning.length > 0)
    throw unsupported('RETURNING', insert.returning[0]!.position, 'SELECT the rows by their keys afterwards');
  const map = knownMap(insert, catalog, facts.scope);
  const name = map?.name ?? insert.table.name.map(({ text }) => text).join('.');
  const source = valuesOf(insert);
  if (insert.columns.length === 0) {
    throw syntaxError(
      'INSERT must name its columns',
      insert.position,
      `INSERT INTO ${name} (__key, a, b) VALUES (...)`,
    );
  }
  const relation = map === undefined ? undefined : new Relation(0, map.name, map);
  const paths = insert.columns.map((column) => targetOf(column, relation, facts.scope));
  insert.columns.forEach((column, index) => {
    checkTarget(column, paths, index);
  });
  const keyColumn = paths.findIndex(isKey);
  if (keyColumn < 0) {
    throw syntaxError(
      'INSERT must give the key: name __key among its columns',
      insert.columns[0]!.position,
      `INSERT INTO ${name} (__key, a, b) VALUES (...)`,
    );
  }
  const context = contextOf(facts, 'VALUES');
  const rows = source.map((row) => {
    if (row.length !== paths.length) {
      throw syntaxError(
        `a row has ${counted(row.length, 'value')} for ${counted(paths.length, 'column')}`,
        row[0]?.position ?? insert.position,
      );
    }
    const values = row.map((expression) => stored(bindExpression(expression, context)));
    const fields = paths.flatMap((path, index) => (index === keyColumn ? [] : [{ path, value: values[index]! }]));
    return { key: values[keyColumn]!, fields };
  });
  const onConflict = conflictOf(insert.onConflict);
  return { kind: 'insert', map: name, mapId: map?.mapId, rows, onConflict, ...common(facts) };
}

/** A map that does not exist is created, as by a put; where it may be a slip, a notice says so. */
function knownMap({ table }: Insert, catalog: CatalogView, scope: Scope): CatalogMap | undefined {
  try {
    return findMap(catalog, table);
  } catch (error) {
    if (!GridError.is(error, 'UNKNOWN_MAP')) throw error;
    const { map, nearest } = error.details ?? {};
    if (nearest !== undefined) scope.notices.push(`INSERT creates the map '${map}'; did you mean '${nearest}'?`);
    return undefined;
  }
}

function valuesOf({ source, position }: Insert): readonly (readonly Expression[])[] {
  if (source === undefined)
    throw unsupported('DEFAULT VALUES', position, 'maps have no default values: INSERT INTO t (__key, a) VALUES (...)');
  const isPlain = source.with.length === 0 && source.orderBy.length === 0;
  const isWhole = source.limit === undefined && source.offset === undefined;
  if (source.body.kind === 'Values' && isPlain && isWhole) return source.body.rows;
  throw unsupported('INSERT from a query', source.position, INSERT_HINT);
}

function conflictOf(clause: OnConflict | undefined): InsertPlan['onConflict'] {
  if (clause === undefined) return 'error';
  if (clause.columns.some((name) => specialOf(name) !== 'key')) {
    throw unsupported(
      'ON CONFLICT on a column other than __key',
      clause.position,
      'the key alone is unique: ON CONFLICT (__key) DO NOTHING',
    );
  }
  if (clause.update !== undefined)
    throw unsupported(
      'ON CONFLICT DO UPDATE',
      clause.position,
      'put overwrites, and a processor changes what is there',
    );
  return 'nothing';
}

export function planUpdate(update: Update, facts: PlanFacts): ModifyPlan {
  if (update.from.length > 0)
    throw unsupported('UPDATE ... FROM', update.from[0]!.position, 'SELECT from both maps first, then UPDATE by key');
  if (update.returning.length > 0)
    throw unsupported('RETURNING', update.returning[0]!.position, 'a processor gives back what it changed');
  const relation = facts.scope.add(update.table);
  const columns = leadingColumns(relation);
  const paths = update.assignments.map(({ target }) => targetOf(target, relation, facts.scope));
  const assignments = update.assignments.map(({ target, value }, index) => {
    const path = paths[index]!;
    if (isKey(path)) throw syntaxError('__key cannot be assigned', target.position);
    checkTarget(target, paths, index);
    const bound = stored(bindExpression(value, contextOf(facts, 'SET')));
    return { path, value: renumber(bound, (column) => column % RELATION_STRIDE) };
  });
  return { kind: 'update', assignments, ...scanFor(relation, update.where, facts), ...columns };
}

export function planDelete(statement: Delete, facts: PlanFacts): ModifyPlan {
  if (statement.returning.length > 0)
    throw unsupported('RETURNING', statement.returning[0]!.position, 'SELECT the rows before, or use getAndRemove');
  const relation = facts.scope.add(statement.table);
  const columns = leadingColumns(relation);
  return { kind: 'delete', assignments: [], ...scanFor(relation, statement.where, facts), ...columns };
}

/** No name of the statement is one of a document: nothing is looked for, and no row is found by a scan. */
export function planTruncate({ table }: Truncate, facts: PlanFacts, catalog: CatalogView): TruncatePlan {
  const { name, mapId } = findMap(catalog, table);
  return { kind: 'truncate', map: name, mapId, ...common(facts) };
}

/** The key is column 0, the version column 1: by them the row is found again. */
function leadingColumns(relation: Relation): { readonly map: string; readonly mapId: number } {
  relation.column({ source: 'key', type: 'any' });
  relation.column({ source: 'version', type: 'int8' });
  return { map: relation.map.name, mapId: relation.map.mapId };
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

/** What INSERT or SET writes: __key, __value, or a path of names, spelled as the documents have its first. */
function targetOf({ steps, position }: Path, relation: Relation | undefined, scope: Scope): FieldPath {
  const names = steps.map((step) => {
    if (step.kind === 'Name') return step.name;
    throw unsupported('assigning to an element of an array', step.position, 'set the whole array, or use a processor');
  });
  const [first, ...rest] = names;
  const special = specialOf(first!);
  if (special === 'version' || special === 'expires_at') throw syntaxError(`__${special} cannot be assigned`, position);
  if (special !== undefined && rest.length > 0) throw partOfSpecial(first!, position);
  if (special !== undefined) return [`__${special}`];
  const spelled = relation === undefined ? first!.text : scope.writtenName(relation, first!);
  return [spelled, ...rest.map(({ text }) => text)];
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const isKey = (path: FieldPath): boolean => path[0] === '__key';

/** @throws GridError SYNTAX_ERROR when a path, or one that holds it, is among those before it */
function checkTarget({ position }: Path, paths: readonly FieldPath[], index: number): void {
  const path = paths[index]!;
  const clash = paths.slice(0, index).find((other) => {
    const isWhole = !isKey(path) && !isKey(other) && [path[0], other[0]].includes('__value');
    const depth = Math.min(path.length, other.length);
    return isWhole || path.slice(0, depth).every((step, at) => step === other[at]);
  });
  if (clash === undefined) return;
  throw syntaxError(`'${path.join('.')}' is assigned twice: by '${clash.join('.')}' too`, position);
}

/** A number in a document is double precision: a constant with decimals is stored as one, not as an exact decimal. */
function stored(expr: Expr): Expr {
  if (expr.type === 'interval') {
    throw new GridError('TYPE_MISMATCH', 'an interval cannot be stored', {
      hint: 'store its text, x::text, or its seconds, extract(epoch FROM x)',
      details: { offset: expr.at },
    });
  }
  const isWritten = expr.kind === 'literal' || (expr.kind === 'negate' && expr.operand.kind === 'literal');
  if (expr.type !== 'numeric' || !isWritten) return expr;
  return { kind: 'cast', operand: expr, type: 'float8', at: expr.at };
}
