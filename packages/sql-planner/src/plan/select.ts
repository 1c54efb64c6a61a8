/**
 * SELECT to a query plan: bind every clause over one scope, place conditions where they cost least, split the work into
 * fragments beside the data and a merge.
 *
 *   fragment   Scan -> HashJoin* -> Filter -> PartialAggregate | (Project -> Distinct | TopN)
 *   merge      Gather -> [FinalAggregate -> Filter(having)] -> Project -> Distinct -> Sort -> Limit -> Project(drop keys)
 */
import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type {
  FragmentNode,
  GetPlan,
  MergeNode,
  PartitionChoice,
  PlanColumn,
  QueryPlan,
  SortKey,
} from '@ashlar/sql-plan';
import { AGGREGATE_BASE, type AggregateList, type BindContext } from '../bind/context.ts';
import {
  conjunction,
  conjunctsOf,
  operandsOf,
  renumber,
  renumberAggregate,
  rewrite,
  shapeOf,
} from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import { nameOf, RELATION_STRIDE, type Relation, type Scope } from '../bind/scope.ts';
import { expectBoolean, mismatch } from '../bind/types.ts';
import { unsupported } from '../guard/sql-errors.ts';
import type { Expression, OrderItem, Query, Select, SelectItem } from '../parse/syntax.ts';
import { bindFrom, type JoinTree, layOut } from './joins.ts';
import { partitionsFor, wholeKeyOf } from './prune.ts';

export interface PlanFacts {
  readonly scope: Scope;
  readonly parameterCount: number;
  readonly catalogVersion: number;
}

interface OutputItem {
  readonly name: string;
  readonly expr: Expr;
}

interface Bound {
  readonly joins: JoinTree;
  readonly where: readonly Expr[];
  readonly outputs: readonly OutputItem[];
  readonly groups: readonly Expr[];
  readonly having: Expr | undefined;
  readonly sort: readonly SortKey[];
  readonly aggregates: AggregateList;
  readonly isGrouped: boolean;
}

export function planSelect(query: Query, select: Select, facts: PlanFacts): QueryPlan | GetPlan {
  refuseUnsupported(query, select);
  const bound = bindSelect(query, select, facts);
  const limits = bindLimits(query, facts);
  const common = {
    parameterCount: facts.parameterCount,
    catalogVersion: facts.catalogVersion,
    notices: facts.scope.notices,
  };
  const get = planGet(bound, select, limits);
  if (get !== undefined) return { ...get, ...common };
  return { kind: 'query', ...planParts(bound, select, limits), ...common };
}

function refuseUnsupported(query: Query, select: Select): void {
  if (query.with.length > 0) throw unsupported('WITH', query.with[0]!.position);
  if (select.distinctOn.length > 0) throw unsupported('DISTINCT ON', select.distinctOn[0]!.position);
  if (select.windows.length > 0) throw unsupported('WINDOW', select.windows[0]!.name.position);
}

/* ---- Binding ------------------------------------------------------------------------------------------------- */

function bindSelect(query: Query, select: Select, facts: PlanFacts): Bound {
  const { scope } = facts;
  const base: BindContext = { scope, aggregates: undefined, clause: 'FROM' };
  const joins = bindFrom(select.from, base);
  const where = conjunctsOf(bindCondition(select.where, { ...base, clause: 'WHERE' }));
  const aggregates: AggregateList = { items: [], inner: { ...base, clause: 'an aggregate' } };
  const grouped: BindContext = { ...base, aggregates, clause: 'SELECT' };
  const outputs = select.items.flatMap((item) => bindItem(item, grouped));
  const groups = select.groupBy.map((item) => bindGroup(item, select, outputs, { ...base, clause: 'GROUP BY' }));
  const having = bindCondition(select.having, { ...grouped, clause: 'HAVING' });
  const sort = query.orderBy.map((item) => bindSort(item, outputs, { ...grouped, clause: 'ORDER BY' }));
  const isGrouped = groups.length > 0 || aggregates.items.length > 0 || having !== undefined;
  return { joins, where, outputs, groups, having, sort, aggregates, isGrouped };
}

function bindCondition(condition: Expression | undefined, context: BindContext): Expr | undefined {
  if (condition === undefined) return undefined;
  return expectBoolean(bindExpression(condition, context), context.clause, condition.position);
}

function bindItem(item: SelectItem, context: BindContext): OutputItem[] {
  if (item.kind === 'Column') {
    const expr = bindExpression(item.expression, context);
    return [{ name: item.alias?.text ?? labelOf(item.expression, expr), expr }];
  }
  if (item.qualifier.length > 1) throw unsupported('a star behind a path', item.position);
  const { scope } = context;
  const relations = item.qualifier[0] === undefined ? scope.relations : [scope.relationNamed(item.qualifier[0])];
  if (relations.length === 0) throw new GridError('SYNTAX_ERROR', 'SELECT * needs a FROM', { position: item.position });
  return relations.flatMap((relation) => starOf(relation, scope, item.position.offset));
}

/** `*`: every top-level field that any document of the map has, in the order in which documents show them. */
function starOf(relation: Relation, scope: Scope, at: number): OutputItem[] {
  scope.wantAllFields(relation);
  const column = (field: string): Expr => relation.reference({ source: 'path', path: [field], type: 'any' }, field, at);
  if (relation.fields.length > 0) return relation.fields.map((name) => ({ name, expr: column(name) }));
  const expr = relation.reference({ source: 'value', type: 'json' }, '__value', at);
  return [{ name: '__value', expr }];
}

/** As PostgreSQL labels: a column by its last name, a call by the function's, a cast by what it casts. */
function labelOf(expression: Expression, bound: Expr): string {
  if (expression.kind === 'Path') return bound.kind === 'column' ? lastName(bound.name) : nameOf([]);
  if (expression.kind === 'Call') return expression.name.at(-1)!.text.toLowerCase();
  if (expression.kind === 'Cast' && expression.operand.kind === 'Path')
    return labelOf(expression.operand, bound.kind === 'cast' ? bound.operand : bound);
  return expression.kind === 'Case' ? 'case' : '?column?';
}

function lastName(name: string): string {
  return name.split('.').at(-1)!;
}

/** A group is an output's place, its name (where no column has that name), or an expression. */
function bindGroup(item: Expression, select: Select, outputs: readonly OutputItem[], context: BindContext): Expr {
  const place = ordinalOf(item, outputs.length, 'GROUP BY');
  const output = place ?? aliasPlace(item, select);
  if (output !== undefined && outputs.length === select.items.length) {
    const { expr } = outputs[output]!;
    if (!containsAggregate(expr)) return expr;
    throw new GridError('GROUPING_ERROR', 'an aggregate cannot stand in GROUP BY', { position: item.position });
  }
  return bindExpression(item, context);
}

function aliasPlace(item: Expression, select: Select): number | undefined {
  if (item.kind !== 'Path' || item.steps.length !== 1) return undefined;
  const { text } = item.steps[0].name;
  const place = select.items.findIndex((candidate) => candidate.kind === 'Column' && candidate.alias?.text === text);
  return place < 0 ? undefined : place;
}

function ordinalOf(item: Expression, count: number, clause: string): number | undefined {
  if (item.kind !== 'Literal' || item.literal.type !== 'integer') return undefined;
  const place = Number(item.literal.value);
  if (place >= 1 && place <= count) return place - 1;
  throw new GridError('SYNTAX_ERROR', `${clause} ${place}: there are ${count} columns`, { position: item.position });
}

/** Sort keys are over the SELECT's own scope; those that are outputs become references to them later. */
function bindSort(item: OrderItem, outputs: readonly OutputItem[], context: BindContext): SortKey {
  const { expression, descending, nulls } = item;
  const nullsFirst = nulls === undefined ? descending : nulls === 'first';
  const place = ordinalOf(expression, outputs.length, 'ORDER BY') ?? namedOutput(expression, outputs);
  const expr = place === undefined ? bindExpression(expression, context) : outputs[place]!.expr;
  return { expr, descending, nullsFirst };
}

function namedOutput(expression: Expression, outputs: readonly OutputItem[]): number | undefined {
  if (expression.kind !== 'Path' || expression.steps.length !== 1) return undefined;
  const { text, quoted } = expression.steps[0].name;
  const exact = outputs.findIndex(({ name }) => name === text);
  if (exact >= 0 || quoted) return exact < 0 ? undefined : exact;
  const folded = outputs.flatMap(({ name }, index) => (name.toLowerCase() === text.toLowerCase() ? [index] : []));
  return folded.length === 1 ? folded[0] : undefined;
}

export interface Limits {
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
}

function bindLimits(query: Query, facts: PlanFacts): Limits {
  const bind = (expression: Expression | undefined, clause: string): Expr | undefined => {
    if (expression === undefined) return undefined;
    const context = { scope: facts.scope, aggregates: undefined, clause };
    const bound = bindExpression(expression, context);
    if (containsColumn(bound)) throw unsupported(`a column in ${clause}`, expression.position);
    if (bound.type === 'text' || bound.type === 'boolean')
      throw mismatch(`${clause} takes a number`, expression.position);
    return bound.kind === 'literal' && bound.value === null ? undefined : bound;
  };
  return { limit: bind(query.limit, 'LIMIT'), offset: bind(query.offset, 'OFFSET') };
}

function containsColumn(expr: Expr): boolean {
  return expr.kind === 'column' || operandsOf(expr).some(containsColumn);
}

function containsAggregate(expr: Expr): boolean {
  return (expr.kind === 'column' && expr.index >= AGGREGATE_BASE) || operandsOf(expr).some(containsAggregate);
}

/* ---- A get --------------------------------------------------------------------------------------------------- */

/** SELECT ... WHERE __key = x over one map is a get. */
function planGet(
  bound: Bound,
  select: Select,
  limits: Limits,
): Omit<GetPlan, 'parameterCount' | 'catalogVersion' | 'notices'> | undefined {
  const { joins, where, outputs, isGrouped } = bound;
  const relation = joins.relations[0];
  if (joins.relations.length !== 1 || relation === undefined || isGrouped || select.distinct) return undefined;
  if (limits.limit !== undefined || limits.offset !== undefined) return undefined;
  const found = wholeKeyOf(where, relation);
  if (found === undefined) return undefined;
  const rest = where.filter((part) => part !== found.conjunct);
  const number = (index: number): number => index % RELATION_STRIDE;
  const exprs = outputs.map(({ expr }) => renumber(expr, number));
  const filter = conjunction(rest.map((part) => renumber(part, number)));
  return { kind: 'get', key: found.key, scan: scanOf(relation, filter), exprs, output: columnsOf(outputs) };
}

function scanOf(relation: Relation, filter: Expr | undefined): Extract<FragmentNode, { kind: 'Scan' }> {
  const { alias, map, columns } = relation;
  return { kind: 'Scan', map: map.name, mapId: map.mapId, alias, columns, filter };
}

function columnsOf(outputs: readonly OutputItem[]): PlanColumn[] {
  return outputs.map(({ name, expr }) => ({ name, type: expr.type }));
}

/* ---- Fragments and merge ------------------------------------------------------------------------------------- */

type Parts = Pick<QueryPlan, 'stages' | 'merge' | 'output'>;

function planParts(bound: Bound, select: Select, limits: Limits): Parts {
  const output = columnsOf(bound.outputs);
  if (bound.joins.relations.length === 0) return { stages: [], merge: mergeRows(bound, select, limits), output };
  const { fragment: input, stages, number } = layOut(bound.joins, bound.where);
  const partitions = partitionsFor(bound.joins, bound.where);
  const split = bound.isGrouped ? splitGrouped(bound, input, number) : splitPlain(bound, select, input, number, limits);
  const gather: MergeNode = { kind: 'Gather', columns: split.gathered };
  const last = {
    id: stages.length,
    exchange: 'gather' as const,
    fragment: split.fragment,
    partitions,
    output: split.gathered,
  };
  return { stages: [...stages, last], merge: finish(bound, select, limits, split.merge(gather)), output };
}

interface Split {
  readonly fragment: FragmentNode;
  readonly gathered: readonly PlanColumn[];
  /** Gives outputs, then hidden sort keys. */
  readonly merge: (gather: MergeNode) => MergeNode;
}

/** Outputs, then the sort keys that are no outputs. */
function projected(bound: Bound): { readonly items: readonly OutputItem[]; readonly places: readonly number[] } {
  const items = [...bound.outputs];
  const shapes = items.map(({ expr }) => shapeOf(expr));
  const places = bound.sort.map(({ expr }) => {
    const shape = shapeOf(expr);
    const known = shapes.indexOf(shape);
    if (known >= 0) return known;
    shapes.push(shape);
    return items.push({ name: 'sort key', expr }) - 1;
  });
  return { items, places };
}

function sortKeysAt(bound: Bound, places: readonly number[]): SortKey[] {
  return bound.sort.map((key, index) => {
    const { type, at } = key.expr;
    return { ...key, expr: { kind: 'column', index: places[index]!, name: 'sort key', type, at } };
  });
}

function splitPlain(
  bound: Bound,
  select: Select,
  input: FragmentNode,
  number: (index: number) => number,
  limits: Limits,
): Split {
  const { items, places } = projected(bound);
  if (select.distinct && items.length > bound.outputs.length) throw distinctOrder(bound);
  const gathered = columnsOf(items);
  const project: FragmentNode = {
    kind: 'Project',
    input,
    columns: gathered,
    exprs: items.map(({ expr }) => renumber(expr, number)),
  };
  if (select.distinct) return { fragment: { kind: 'Distinct', input: project }, gathered, merge: (gather) => gather };
  const { limit, offset } = limits;
  if (limit === undefined) return { fragment: project, gathered, merge: (gather) => gather };
  const rows: Expr =
    offset === undefined
      ? limit
      : { kind: 'arithmetic', operator: '+', left: limit, right: offset, type: 'any', at: limit.at };
  const fragment: FragmentNode = { kind: 'TopN', input: project, keys: sortKeysAt(bound, places), limit: rows };
  return { fragment, gathered, merge: (gather) => gather };
}

function distinctOrder(bound: Bound): GridError {
  const at = bound.sort[0]!.expr.at;
  return new GridError('GROUPING_ERROR', 'with SELECT DISTINCT, ORDER BY may only name columns of the result', {
    details: { offset: at },
  });
}

function splitGrouped(bound: Bound, input: FragmentNode, number: (index: number) => number): Split {
  const { groups, aggregates, having } = bound;
  const partial: FragmentNode = {
    kind: 'PartialAggregate',
    input,
    groups: groups.map((group) => renumber(group, number)),
    aggregates: aggregates.items.map((aggregate) => renumberAggregate(aggregate, number)),
  };
  const gathered: PlanColumn[] = [
    ...groups.map((group, index) => ({ name: `group ${index + 1}`, type: group.type })),
    ...aggregates.items.map(({ name }) => ({ name, type: 'any' as const })),
  ];
  const { items } = projected(bound);
  const over = (expr: Expr): Expr => overGroups(expr, groups);
  const exprs = items.map(({ expr }) => over(expr));
  const merge = (gather: MergeNode): MergeNode => {
    const final: MergeNode = {
      kind: 'FinalAggregate',
      input: gather,
      groupTypes: groups.map(({ type }) => type),
      aggregates: partial.aggregates,
    };
    const filtered: MergeNode =
      having === undefined ? final : { kind: 'Filter', input: final, condition: over(having) };
    return { kind: 'Project', input: filtered, columns: columnsOf(items), exprs };
  };
  return { fragment: partial, gathered, merge };
}

/** The expression over the grouped rows: groups, then aggregates. @throws GridError GROUPING_ERROR for any other column */
function overGroups(expr: Expr, groups: readonly Expr[]): Expr {
  const shapes = groups.map(shapeOf);
  return rewrite(expr, (node) => {
    const group = shapes.indexOf(shapeOf(node));
    if (group >= 0) return { kind: 'column', index: group, name: 'group', type: node.type, at: node.at };
    if (node.kind !== 'column') return undefined;
    if (node.index >= AGGREGATE_BASE) return { ...node, index: groups.length + node.index - AGGREGATE_BASE };
    throw new GridError('GROUPING_ERROR', `column '${node.name}' must stand in GROUP BY or inside an aggregate`, {
      hint: `add it to GROUP BY, or take max(${node.name})`,
      details: { offset: node.at, column: node.name },
    });
  });
}

function finish(bound: Bound, select: Select, limits: Limits, merged: MergeNode): MergeNode {
  const { items, places } = projected(bound);
  let node = merged;
  if (select.distinct) {
    if (items.length > bound.outputs.length) throw distinctOrder(bound);
    node = { kind: 'Distinct', input: node };
  }
  if (bound.sort.length > 0) node = { kind: 'Sort', input: node, keys: sortKeysAt(bound, places) };
  if (limits.limit !== undefined || limits.offset !== undefined) node = { kind: 'Limit', input: node, ...limits };
  if (items.length === bound.outputs.length) return node;
  const exprs = bound.outputs.map(
    ({ name, expr }, index): Expr => ({ kind: 'column', index, name, type: expr.type, at: expr.at }),
  );
  return { kind: 'Project', input: node, columns: columnsOf(bound.outputs), exprs };
}

/** SELECT without FROM: one row without columns. */
function mergeRows(bound: Bound, select: Select, limits: Limits): MergeNode {
  if (bound.isGrouped) {
    throw new GridError('UNSUPPORTED_SQL', 'an aggregate without FROM is not supported', {
      hint: 'there is but one row',
    });
  }
  const { items } = projected(bound);
  const row: MergeNode = { kind: 'Rows', rows: [[]], columns: [] };
  const condition = conjunction(bound.where);
  const filtered: MergeNode = condition === undefined ? row : { kind: 'Filter', input: row, condition };
  const project: MergeNode = {
    kind: 'Project',
    input: filtered,
    columns: columnsOf(items),
    exprs: items.map(({ expr }) => expr),
  };
  return finish(bound, select, limits, project);
}

export type { PartitionChoice };
