/** Bound expressions as trees: their parts, a copy with other columns, which relations they touch. */
import { type Aggregate, childrenOf, type Expr } from '@ashlar/expressions';
import { RELATION_STRIDE } from './relation.ts';

/** A copy in which `change` replaced what it gave something for; it sees parents before their operands. */
export function rewrite(expr: Expr, change: (expr: Expr) => Expr | undefined): Expr {
  return change(expr) ?? withOperands(expr, (operand) => rewrite(operand, change));
}

/** The same with every place moved back by a number of characters. */
export function movePlaces(expr: Expr, by: number): Expr {
  return { ...withOperands(expr, (operand) => movePlaces(operand, by)), at: Math.max(0, expr.at - by) };
}

/** A copy with other operands. */
function withOperands(expr: Expr, again: (operand: Expr) => Expr): Expr {
  switch (expr.kind) {
    case 'column':
    case 'literal':
    case 'parameter':
      return expr;
    case 'compare':
    case 'distinctFrom':
    case 'arithmetic':
    case 'concat':
      return { ...expr, left: again(expr.left), right: again(expr.right) };
    case 'negate':
    case 'not':
    case 'isNull':
    case 'isTruth':
    case 'cast':
      return { ...expr, operand: again(expr.operand) };
    case 'and':
    case 'or':
      return { ...expr, operands: expr.operands.map(again) };
    case 'in':
      return { ...expr, operand: again(expr.operand), list: expr.list.map(again) };
    case 'like':
      return { ...expr, operand: again(expr.operand), pattern: again(expr.pattern) };
    case 'case':
      return {
        ...expr,
        branches: expr.branches.map(({ when, then }) => ({ when: again(when), then: again(then) })),
        otherwise: expr.otherwise === undefined ? undefined : again(expr.otherwise),
      };
    case 'call':
      return { ...expr, args: expr.args.map(again) };
  }
}

/** The same with every column's index put through `number`. */
export function renumber(expr: Expr, number: (index: number) => number): Expr {
  return rewrite(expr, (node) => (node.kind === 'column' ? { ...node, index: number(node.index) } : undefined));
}

export function renumberAggregate(aggregate: Aggregate, number: (index: number) => number): Aggregate {
  const { operand, filter } = aggregate;
  return {
    ...aggregate,
    operand: operand === undefined ? undefined : renumber(operand, number),
    filter: filter === undefined ? undefined : renumber(filter, number),
  };
}

/** The relations whose columns an expression reads. */
export function relationsOf(expr: Expr, into: Set<number> = new Set()): Set<number> {
  if (expr.kind === 'column') into.add(Math.floor(expr.index / RELATION_STRIDE));
  for (const operand of childrenOf(expr)) relationsOf(operand, into);
  return into;
}

/** The parts that must all be true. */
export function conjunctsOf(expr: Expr | undefined): readonly Expr[] {
  if (expr === undefined) return [];
  return expr.kind === 'and' ? expr.operands.flatMap(conjunctsOf) : [expr];
}

export function conjunction(parts: readonly Expr[]): Expr | undefined {
  if (parts.length <= 1) return parts[0];
  return { kind: 'and', operands: parts, type: 'boolean', at: parts[0]!.at };
}

const PARTS = new Set([
  'at',
  'left',
  'right',
  'operand',
  'operands',
  'list',
  'pattern',
  'branches',
  'otherwise',
  'args',
]);

/**
 * Numbers expressions by what they compute: equal numbers for equal ones; places and labels do not count. Each node is
 * looked at once, however many of the expressions hold it.
 */
export class Shapes {
  readonly #known = new WeakMap<Expr, number>();
  readonly #numbers = new Map<string, number>();

  of(expr: Expr): number {
    const known = this.#known.get(expr);
    if (known !== undefined) return known;
    const parts = childrenOf(expr).map((operand) => this.of(operand));
    const own = Object.entries(expr).filter(
      ([field]) => !PARTS.has(field) && (field !== 'name' || expr.kind === 'call'),
    );
    const number = this.#numberOf(JSON.stringify([own, parts], exactly));
    this.#known.set(expr, number);
    return number;
  }

  ofAggregate({ name, operand, distinct, filter }: Aggregate): number {
    const parts = [operand, filter].map((part) => (part === undefined ? -1 : this.of(part)));
    return this.#numberOf(JSON.stringify(['aggregate', name, distinct, ...parts]));
  }

  #numberOf(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }
}

function exactly(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
