/**
 * A bound SELECT to a plan: conditions where they cost least, the work split into fragments beside the data and a merge.
 *
 *   fragment   Scan -> HashJoin* -> Filter -> PartialAggregate | (Project -> Distinct | TopN)
 *   merge      Gather -> [FinalAggregate -> Filter(having)] -> Project -> Distinct -> Sort -> Limit -> Project(drop keys)
 */
import { GridError } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import {
  exprText,
  type FragmentNode,
  type GetPlan,
  type MergeNode,
  type PlanColumn,
  type QueryPlan,
  type SortKey,
} from '@ashlar/sql-plan';
import { AGGREGATE_BASE } from '../bind/context.ts';
import { conjunction, renumber, renumberAggregate, rewrite, Shapes } from '../bind/expr-tools.ts';
import { RELATION_STRIDE, type Relation } from '../bind/relation.ts';
import type { Query, Select } from '../parse/syntax.ts';
import { type BoundSelect, bindSelect, type Limits, type PlanFacts } from './bind-select.ts';
import { aggregateOfOneRow, groupRewriter } from './grouping.ts';
import { layOut } from './joins.ts';
import { columnsOf, type OutputItem } from './outputs.ts';
import { partitionsFor, wholeKeyOf } from './prune.ts';

export function planSelect(query: Query, select: Select, facts: PlanFacts): QueryPlan | GetPlan {
  const bound = bindSelect(query, select, facts);
  const { parameterCount, catalogVersion, scope } = facts;
  const common = { parameterCount, catalogVersion, notices: scope.notices };
  const get = planGet(bound);
  if (get !== undefined) return { ...get, ...common };
  return { kind: 'query', ...planParts(bound), ...common };
}

/* ---- A get --------------------------------------------------------------------------------------------------- */

/** SELECT ... WHERE __key = x over one map is a get. */
function planGet(bound: BoundSelect): Omit<GetPlan, 'parameterCount' | 'catalogVersion' | 'notices'> | undefined {
  const { joins, where, outputs, isGrouped, isDistinct, limits } = bound;
  const relation = joins.relations[0];
  if (joins.relations.length !== 1 || relation === undefined || isGrouped || isDistinct) return undefined;
  if (limits.limit !== undefined || limits.offset !== undefined) return undefined;
  const found = wholeKeyOf(where, relation);
  if (found === undefined) return undefined;
  const rest = where.filter((part) => part !== found.conjunct);
  const number = (index: number): number => index % RELATION_STRIDE;
  const exprs = outputs.map(({ expr }) => renumber(expr, number));
  const filter = conjunction(rest.map((part) => renumber(part, number)));
  const get = {
    kind: 'get',
    key: found.key,
    scan: scanOf(relation, filter),
    exprs,
    output: columnsOf(outputs),
  } as const;
  if (bound.sort.length === 0 || !mayMeanTwo(found.key)) return get;
  return { ...get, sort: bound.sort.map((key) => ({ ...key, expr: renumber(key.expr, number) })) };
}

/** A text in quotes, or given as a parameter, means a text key and perhaps a number too: two rows, which have an order. */
function mayMeanTwo({ kind, type }: Expr): boolean {
  return kind === 'parameter' || (kind === 'literal' && type === 'text');
}

function scanOf(relation: Relation, filter: Expr | undefined): Extract<FragmentNode, { kind: 'Scan' }> {
  const { alias, map, columns } = relation;
  return { kind: 'Scan', map: map.name, mapId: map.mapId, alias, columns, filter };
}

/* ---- Fragments and merge ------------------------------------------------------------------------------------- */

type Parts = Pick<QueryPlan, 'stages' | 'merge' | 'output'>;

function planParts(bound: BoundSelect): Parts {
  const output = columnsOf(bound.outputs);
  if (bound.joins.relations.length === 0) return { stages: [], merge: mergeRows(bound), output };
  const { fragment: input, stages, number } = layOut(bound.joins, bound.where);
  const partitions = partitionsFor(bound.joins, bound.where);
  const split = bound.isGrouped ? splitGrouped(bound, input, number) : splitPlain(bound, input, number);
  const gather: MergeNode = { kind: 'Gather', columns: split.gathered };
  const last = {
    id: stages.length,
    exchange: 'gather' as const,
    fragment: split.fragment,
    partitions,
    output: split.gathered,
  };
  return { stages: [...stages, last], merge: finish(bound, split.merge(gather)), output };
}

interface Split {
  readonly fragment: FragmentNode;
  readonly gathered: readonly PlanColumn[];
  /** Gives outputs, then hidden sort keys. */
  readonly merge: (gather: MergeNode) => MergeNode;
}

/** Outputs, then the sort keys that are no outputs. */
function projected(bound: BoundSelect): { readonly items: readonly OutputItem[]; readonly places: readonly number[] } {
  const items = [...bound.outputs];
  const shapes = new Shapes();
  const known = new Map(items.map(({ expr }, index) => [shapes.of(expr), index] as const).reverse());
  const places = bound.sort.map(({ expr }) => {
    const shape = shapes.of(expr);
    const place = known.get(shape) ?? items.push({ name: exprText(expr), expr }) - 1;
    known.set(shape, place);
    return place;
  });
  return { items, places };
}

function sortKeysAt(bound: BoundSelect, places: readonly number[]): SortKey[] {
  return bound.sort.map((key, index) => {
    const { type, at } = key.expr;
    return { ...key, expr: { kind: 'column', index: places[index]!, name: exprText(key.expr), type, at } };
  });
}

function splitPlain(bound: BoundSelect, input: FragmentNode, number: (index: number) => number): Split {
  const { items, places } = projected(bound);
  const gathered = columnsOf(items);
  const exprs = items.map(({ expr }) => renumber(expr, number));
  const project: FragmentNode = { kind: 'Project', input, columns: gathered, exprs };
  const merge = (gather: MergeNode): MergeNode => gather;
  if (bound.isDistinct) return { fragment: { kind: 'Distinct', input: project }, gathered, merge };
  const limit = rowsWanted(bound.limits);
  if (limit === undefined) return { fragment: project, gathered, merge };
  return { fragment: { kind: 'TopN', input: project, keys: sortKeysAt(bound, places), limit }, gathered, merge };
}

/** LIMIT + OFFSET: how many rows of each fragment can be in the result. Doubles, so that no sum overflows. */
function rowsWanted({ limit, offset }: Limits): Expr | undefined {
  if (limit === undefined || offset === undefined) return limit;
  const { at } = limit;
  if (limit.kind === 'literal' && offset.kind === 'literal' && limit.type === 'int4' && offset.type === 'int4') {
    return { kind: 'literal', value: Number(limit.value) + Number(offset.value), type: 'float8', at };
  }
  const double = (operand: Expr): Expr => ({ kind: 'cast', operand, type: 'float8', at: operand.at });
  return { kind: 'arithmetic', operator: '+', left: double(limit), right: double(offset), type: 'float8', at };
}

/** @throws GridError GROUPING_ERROR when ORDER BY wants what SELECT DISTINCT does not keep */
function checkDistinctOrder(bound: BoundSelect, places: readonly number[]): void {
  const hidden = places.findIndex((place) => place >= bound.outputs.length);
  if (!bound.isDistinct || hidden < 0) return;
  throw new GridError('GROUPING_ERROR', 'with SELECT DISTINCT, ORDER BY may only name columns of the result', {
    details: { offset: bound.sort[hidden]!.expr.at },
  });
}

function splitGrouped(bound: BoundSelect, input: FragmentNode, number: (index: number) => number): Split {
  const { groups, aggregates, having } = bound;
  const partial: FragmentNode = {
    kind: 'PartialAggregate',
    input,
    groups: groups.map((group) => renumber(group, number)),
    aggregates: aggregates.items.map((aggregate) => renumberAggregate(aggregate, number)),
  };
  const gathered: PlanColumn[] = [
    ...groups.map((group) => ({ name: exprText(group), type: group.type })),
    ...aggregates.items.map(({ name }) => ({ name, type: 'any' as const })),
  ];
  const { items } = projected(bound);
  const over = groupRewriter(bound);
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

function finish(bound: BoundSelect, merged: MergeNode): MergeNode {
  const { limit, offset } = bound.limits;
  const { items, places } = projected(bound);
  checkDistinctOrder(bound, places);
  let node = merged;
  if (bound.isDistinct) node = { kind: 'Distinct', input: node };
  if (bound.sort.length > 0) node = { kind: 'Sort', input: node, keys: sortKeysAt(bound, places) };
  if (limit !== undefined || offset !== undefined) node = { kind: 'Limit', input: node, limit, offset };
  if (items.length === bound.outputs.length) return node;
  const exprs = bound.outputs.map(
    ({ name, expr }, index): Expr => ({ kind: 'column', index, name, type: expr.type, at: expr.at }),
  );
  return { kind: 'Project', input: node, columns: columnsOf(bound.outputs), exprs };
}

/** SELECT without FROM: one row without columns, whose aggregates are expressions. */
function mergeRows(bound: BoundSelect): MergeNode {
  const { groups, aggregates, isGrouped } = bound;
  const { items } = projected(bound);
  const condition = conjunction(bound.where);
  // Without GROUP BY there is a group also where WHERE takes the row away.
  const isAlways = isGrouped && groups.length === 0;
  const values = aggregates.items.map((item) => aggregateOfOneRow(item, isAlways ? condition : undefined));
  const over = (expr: Expr): Expr =>
    rewrite(expr, (node) => (node.kind === 'column' ? values[aggregateAt(node)] : undefined));
  const having = bound.having === undefined ? [] : [over(bound.having)];
  const kept = conjunction([...(isAlways || condition === undefined ? [] : [condition]), ...having]);
  const row: MergeNode = { kind: 'Rows', rows: [[]], columns: [] };
  const input: MergeNode = kept === undefined ? row : { kind: 'Filter', input: row, condition: kept };
  const exprs = items.map(({ expr }) => over(expr));
  return finish(bound, { kind: 'Project', input, columns: columnsOf(items), exprs });
}

const aggregateAt = ({ index }: Extract<Expr, { kind: 'column' }>): number => index - AGGREGATE_BASE;
