/**
 * The clauses of one SELECT, bound over one scope.
 *
 * bind-select B1  GROUP BY: a name is a column of the documents before it is a label of the result; ORDER BY: the other way
 *                 round. Both as PostgreSQL has it. In an expression a name is always a column.
 * bind-select B2  An aggregate stands for a column with index AGGREGATE_BASE + its place; those of all clauses are one list.
 */
import { GridError } from '@ashlar/core';
import { childrenOf, type Expr } from '@ashlar/expressions';
import type { SortKey } from '@ashlar/sql-plan';
import { AGGREGATE_BASE, type AggregateList, type BindContext } from '../bind/context.ts';
import { conjunctsOf, Shapes } from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import { adopt, expectBoolean } from '../bind/literals.ts';
import type { Scope } from '../bind/scope.ts';
import { isNumeric, isOpen, mismatch } from '../bind/types.ts';
import { syntaxError, unsupported } from '../guard/sql-errors.ts';
import type { Expression, OrderItem, Query, Select } from '../parse/syntax.ts';
import { bindFrom, type JoinTree } from './joins.ts';
import { bindItem, namedOutput, type OutputItem, ordinalOf } from './outputs.ts';

export interface PlanFacts {
  readonly scope: Scope;
  readonly parameterCount: number;
  readonly catalogVersion: number;
}

export interface BoundSelect {
  readonly joins: JoinTree;
  /** Conjuncts. */
  readonly where: readonly Expr[];
  readonly outputs: readonly OutputItem[];
  readonly groups: readonly Expr[];
  readonly having: Expr | undefined;
  readonly sort: readonly SortKey[];
  readonly aggregates: AggregateList;
  readonly isGrouped: boolean;
  readonly isDistinct: boolean;
  readonly limits: Limits;
}

export interface Limits {
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
}

export function bindSelect(query: Query, select: Select, facts: PlanFacts): BoundSelect {
  refuseUnsupported(select);
  const { scope } = facts;
  const base: BindContext = { scope, aggregates: undefined, clause: 'FROM' };
  const joins = bindFrom(select.from, base);
  const where = conjunctsOf(bindCondition(select.where, { ...base, clause: 'WHERE' }));
  const aggregates: AggregateList = {
    items: [],
    shapes: new Shapes(),
    places: new Map(),
    inner: { ...base, clause: 'an aggregate' },
  };
  const grouped: BindContext = { ...base, aggregates, clause: 'SELECT' };
  const outputs = select.items.flatMap((item) => bindItem(item, grouped));
  const groups = select.groupBy.map((item) => bindGroup(item, outputs, { ...base, clause: 'GROUP BY' }));
  const having = bindCondition(select.having, { ...grouped, clause: 'HAVING' });
  const sort = query.orderBy.map((item) => bindSort(item, outputs, { ...grouped, clause: 'ORDER BY' }));
  const isGrouped = groups.length > 0 || aggregates.items.length > 0 || having !== undefined;
  const limits = bindLimits(query, scope);
  return { joins, where, outputs, groups, having, sort, aggregates, isGrouped, isDistinct: select.distinct, limits };
}

function refuseUnsupported(select: Select): void {
  if (select.distinctOn.length > 0)
    throw unsupported(
      'DISTINCT ON',
      select.distinctOn[0]!.position,
      'GROUP BY the columns, and take min or max of the others',
    );
  if (select.windows.length > 0)
    throw unsupported('WINDOW', select.windows[0]!.name.position, 'use GROUP BY: there are no window functions');
}

function bindCondition(condition: Expression | undefined, context: BindContext): Expr | undefined {
  if (condition === undefined) return undefined;
  return expectBoolean(bindExpression(condition, context), context.clause, condition.position);
}

/** A group is an output's place, a column, an output's label, or an expression (bind-select B1). */
function bindGroup(item: Expression, outputs: readonly OutputItem[], context: BindContext): Expr {
  const place = ordinalOf(item, outputs.length, 'GROUP BY') ?? labelledOutput(item, outputs, context.scope);
  if (place === undefined) return bindExpression(item, context);
  const { expr } = outputs[place]!;
  if (!containsAggregate(expr)) return expr;
  throw new GridError('GROUPING_ERROR', 'an aggregate is not allowed in GROUP BY', { position: item.position });
}

function labelledOutput(item: Expression, outputs: readonly OutputItem[], scope: Scope): number | undefined {
  if (item.kind !== 'Path' || item.steps.length !== 1 || scope.hasField(item.steps[0].name)) return undefined;
  return namedOutput(item, outputs);
}

/** Sort keys are over the SELECT's own scope; those that are outputs become references to them later. */
function bindSort(item: OrderItem, outputs: readonly OutputItem[], context: BindContext): SortKey {
  const { expression, descending, nulls } = item;
  const nullsFirst = nulls === undefined ? descending : nulls === 'first';
  const place = ordinalOf(expression, outputs.length, 'ORDER BY') ?? namedOutput(expression, outputs);
  const expr = place === undefined ? bindExpression(expression, context) : outputs[place]!.expr;
  return { expr: { ...expr, at: expression.position.offset }, descending, nullsFirst };
}

function bindLimits(query: Query, scope: Scope): Limits {
  const bind = (expression: Expression | undefined, clause: string): Expr | undefined => {
    if (expression === undefined) return undefined;
    const given = bindExpression(expression, { scope, aggregates: undefined, clause });
    // What a parameter may bring is looked at when it is there (sql-executor's limit.ts).
    const bound = given.kind === 'parameter' ? given : adopt(given, 'int8');
    if (containsColumn(bound))
      throw unsupported(`a column in ${clause}`, expression.position, `${clause} takes a number or a parameter`);
    if (!isNumeric(bound.type) && !isOpen(bound.type)) throw mismatch(`${clause} takes a number`, expression.position);
    if (bound.kind !== 'literal') return bound;
    if (bound.value !== null && Number(bound.value) < 0) {
      throw syntaxError(`${clause} takes a number of at least 0`, expression.position);
    }
    return bound.value === null ? undefined : bound;
  };
  return { limit: bind(query.limit, 'LIMIT'), offset: bind(query.offset, 'OFFSET') };
}

function containsColumn(expr: Expr): boolean {
  return expr.kind === 'column' || childrenOf(expr).some(containsColumn);
}

function containsAggregate(expr: Expr): boolean {
  return (expr.kind === 'column' && expr.index >= AGGREGATE_BASE) || childrenOf(expr).some(containsAggregate);
}
