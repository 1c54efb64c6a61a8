/**
 * FROM to a chain of joins: the first relation is scanned and probes, every further one is scanned on all members,
 * broadcast, and built into a hash table.
 *
 * joins J1  A condition on one relation goes into its scan, unless the relation's missing rows are filled with NULL by a
 *           LEFT JOIN and the condition is not of that join's own ON.
 * joins J2  An equality between the relations so far and the next one becomes a pair of keys; what is left is a residual.
 * joins J3  Where all joins are inner the largest map probes and the rest follow by what they are joined to.
 */
import type { Expr } from '@ashlar/expressions';
import type { FragmentNode, PlanColumn, Stage } from '@ashlar/sql-plan';
import type { BindContext } from '../bind/context.ts';
import { conjunction, conjunctsOf, relationsOf, renumber } from '../bind/expr-tools.ts';
import { bindExpression } from '../bind/expression.ts';
import { expectBoolean } from '../bind/literals.ts';
import { columnName, RELATION_STRIDE, type Relation } from '../bind/relation.ts';
import { notYet, unsupported } from '../guard/sql-errors.ts';
import type { FromItem, Join, JoinCondition, Name } from '../parse/syntax.ts';

interface JoinStep {
  readonly relation: Relation;
  readonly join: 'inner' | 'left';
  /** Conjuncts of ON; those of inner joins may be applied anywhere behind both sides. */
  readonly on: readonly Expr[];
}

export interface JoinTree {
  readonly relations: readonly Relation[];
  readonly steps: readonly JoinStep[];
}

/** Items that commas separate are a product: what an item's LEFT JOIN fills with NULL does not depend on the others. */
export function bindFrom(items: readonly FromItem[], context: BindContext): JoinTree {
  const isJoin = items.length > 1 || items[0]?.kind === 'Join';
  const steps = items.flatMap((item) => context.scope.withinItem(() => bindItem(item, isJoin, context)));
  return { relations: steps.map(({ relation }) => relation), steps };
}

function bindItem(item: FromItem, isJoin: boolean, context: BindContext): JoinStep[] {
  switch (item.kind) {
    case 'Table':
      return [{ relation: context.scope.add(item, isJoin), join: 'inner', on: [] }];
    case 'Join':
      return bindJoin(item, context);
    case 'FromQuery':
      throw unsupported('a query in FROM', item.position, 'FROM takes maps: join them, or send two statements');
    case 'FromCall':
      throw notYet('a function in FROM', item.position, 'FROM takes maps: make the rows in the application');
  }
}

function refuseJoin({ join, condition, right, position }: Join): void {
  if (join === 'right') throw unsupported('a RIGHT JOIN', position, 'swap the two sides: b LEFT JOIN a');
  if (join === 'full') {
    const hint =
      'only LEFT JOIN keeps rows without a match: send a LEFT JOIN b, then b LEFT JOIN a ... WHERE a.__key IS NULL';
    throw unsupported('a FULL JOIN', position, hint);
  }
  if (condition.kind === 'natural') throw unsupported('NATURAL JOIN', position, 'name the columns: JOIN b USING (id)');
  if (right.kind === 'Join') {
    throw unsupported(
      'a join in parentheses',
      right.position,
      'join one map after the other: a JOIN b ON ... JOIN c ON ...',
    );
  }
}

function bindJoin(join: Join, context: BindContext): JoinStep[] {
  refuseJoin(join);
  const left = bindItem(join.left, true, context);
  const usingLeft = join.condition.kind === 'using' ? bindUsingLeft(join.condition.columns, context) : [];
  const [right] = bindItem(join.right, true, context);
  const on =
    join.condition.kind === 'using'
      ? bindUsing(join.condition.columns, usingLeft, right!.relation, context)
      : bindOn(join.condition, context);
  return [...left, { ...right!, join: join.join === 'left' ? 'left' : 'inner', on }];
}

function bindOn(condition: JoinCondition, context: BindContext): readonly Expr[] {
  if (condition.kind !== 'on') return [];
  const bound = bindExpression(condition.expression, { ...context, clause: 'ON' });
  return conjunctsOf(expectBoolean(bound, 'ON', condition.expression.position));
}

/** The columns of USING in the relations before the join. */
function bindUsingLeft(columns: readonly Name[], { scope }: BindContext): readonly Expr[] {
  return columns.map((name) => scope.resolve(name, [], name.position));
}

function bindUsing(
  columns: readonly Name[],
  lefts: readonly Expr[],
  relation: Relation,
  { scope }: BindContext,
): Expr[] {
  return columns.map((name, index): Expr => {
    const left = lefts[index]!;
    const right = scope.columnOf(relation, name, [], name.position);
    scope.merge(left, right);
    return { kind: 'compare', operator: '=', left, right, type: 'boolean', at: name.position.offset };
  });
}

export interface LaidOut {
  readonly fragment: FragmentNode;
  readonly stages: readonly Stage[];
  /** From `relation * RELATION_STRIDE + column` to the place among the fragment's columns. */
  readonly number: (index: number) => number;
}

/** Places every condition (joins J1, J2), orders the relations (joins J3) and numbers the columns. */
export function layOut(tree: JoinTree, where: readonly Expr[]): LaidOut {
  const steps = tree.steps.some(({ join }) => join === 'left') ? tree.steps : reorder(tree, where);
  const offsets = new Map<number, number>();
  let width = 0;
  for (const { relation } of steps) {
    offsets.set(relation.index, width);
    width += relation.columns.length;
  }
  const number = (index: number): number =>
    offsets.get(Math.floor(index / RELATION_STRIDE))! + (index % RELATION_STRIDE);
  const nullable = new Set(steps.flatMap(({ join, relation }) => (join === 'left' ? [relation.index] : [])));
  const pool = [...steps.flatMap(({ join, on }) => (join === 'inner' ? on : [])), ...where];
  const pushed = (relation: Relation): Expr[] => (nullable.has(relation.index) ? [] : take(pool, ownOf(relation)));

  const [first, ...rest] = steps;
  let fragment: FragmentNode = scan(first!.relation, pushed(first!.relation));
  const stages: Stage[] = [];
  const seen = new Set([first!.relation.index]);
  for (const step of rest) {
    const isWithin = (part: Expr): boolean => isSubset(relationsOf(part), new Set([...seen, step.relation.index]));
    const conditions =
      step.join === 'left' ? [...step.on] : take(pool, (part) => isWithin(part) && !isOwn(part, step.relation));
    const own = step.join === 'left' ? take(conditions, ownOf(step.relation)) : pushed(step.relation);
    const stage = stages.length;
    stages.push(buildStage(stage, step.relation, own));
    fragment = joinNode(fragment, step, stage, conditions, seen, number);
    seen.add(step.relation.index);
    const ready = take(pool, (part) => isSubset(relationsOf(part), seen));
    if (ready.length > 0) fragment = { kind: 'Filter', input: fragment, condition: numbered(ready, number) };
  }
  const left = conjunction(pool.map((part) => renumber(part, number)));
  if (left !== undefined) fragment = { kind: 'Filter', input: fragment, condition: left };
  return { fragment, stages, number };
}

function scan(relation: Relation, conditions: readonly Expr[]): FragmentNode {
  const filter = conjunction(conditions.map((part) => renumber(part, (index) => index % RELATION_STRIDE)));
  const { alias, map, columns } = relation;
  return { kind: 'Scan', map: map.name, mapId: map.mapId, alias, columns, filter };
}

function buildStage(id: number, relation: Relation, conditions: readonly Expr[]): Stage {
  const fragment = scan(relation, conditions);
  return { id, exchange: 'broadcast', fragment, partitions: { kind: 'all' }, output: outputOf(relation) };
}

function outputOf(relation: Relation): PlanColumn[] {
  return relation.columns.map((column) => ({ name: columnName(column), type: column.type }));
}

function joinNode(
  input: FragmentNode,
  { relation, join }: JoinStep,
  stage: number,
  conditions: readonly Expr[],
  seen: ReadonlySet<number>,
  number: (index: number) => number,
): FragmentNode {
  const probeKeys: Expr[] = [];
  const buildKeys: Expr[] = [];
  const residual: Expr[] = [];
  for (const condition of conditions) {
    const pair = keyPair(condition, seen, relation.index);
    if (pair === undefined) residual.push(condition);
    else {
      probeKeys.push(renumber(pair.probe, number));
      buildKeys.push(renumber(pair.build, (index) => index % RELATION_STRIDE));
    }
  }
  const rest = residual.length === 0 ? undefined : numbered(residual, number);
  return {
    kind: 'HashJoin',
    join,
    input,
    stage,
    buildColumns: outputOf(relation),
    probeKeys,
    buildKeys,
    residual: rest,
  };
}

/** `a = b` with one side over the relations so far and the other over the next one alone. */
function keyPair(condition: Expr, seen: ReadonlySet<number>, next: number): { probe: Expr; build: Expr } | undefined {
  if (condition.kind !== 'compare' || condition.operator !== '=') return undefined;
  const [left, right] = [relationsOf(condition.left), relationsOf(condition.right)];
  if (left.size === 0 || right.size === 0) return undefined;
  const isNext = (relations: ReadonlySet<number>): boolean => relations.size === 1 && relations.has(next);
  if (isSubset(left, seen) && isNext(right)) return { probe: condition.left, build: condition.right };
  if (isSubset(right, seen) && isNext(left)) return { probe: condition.right, build: condition.left };
  return undefined;
}

/** joins J3: the largest map first, then what an equality connects, the smallest of them first. */
function reorder(tree: JoinTree, where: readonly Expr[]): readonly JoinStep[] {
  const pool = [...where, ...tree.steps.flatMap(({ on }) => on)];
  const left = [...tree.steps].sort((a, b) => b.relation.map.entries - a.relation.map.entries);
  const ordered = left.splice(0, 1);
  while (left.length > 0) {
    const seen = new Set(ordered.map(({ relation }) => relation.index));
    const connected = left.filter(({ relation }) =>
      pool.some((part) => keyPair(part, seen, relation.index) !== undefined),
    );
    const next = (connected.length > 0 ? connected : left).at(-1)!;
    left.splice(left.indexOf(next), 1);
    ordered.push(next);
  }
  return ordered;
}

function numbered(parts: readonly Expr[], number: (index: number) => number): Expr {
  return conjunction(parts.map((part) => renumber(part, number)))!;
}

const ownOf =
  (relation: Relation) =>
  (part: Expr): boolean =>
    isOwn(part, relation);

function isOwn(part: Expr, relation: Relation): boolean {
  const touched = relationsOf(part);
  return touched.size === 1 && touched.has(relation.index);
}

function isSubset(inner: ReadonlySet<number>, outer: ReadonlySet<number>): boolean {
  for (const element of inner) if (!outer.has(element)) return false;
  return true;
}

/** Removes what fits from a list and gives it back. */
function take<T>(list: T[], fits: (element: T) => boolean): T[] {
  const taken: T[] = [];
  const left: T[] = [];
  for (const element of list) (fits(element) ? taken : left).push(element);
  list.length = 0;
  for (const element of left) list.push(element);
  return taken;
}
