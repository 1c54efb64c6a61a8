/** Which partitions a statement needs: where its conditions name whole keys, only theirs. */
import { childrenOf, type Expr, FUNCTIONS, type SqlType } from '@ashlar/expressions';
import type { PartitionChoice } from '@ashlar/sql-plan';
import { RELATION_STRIDE, type Relation } from '../bind/relation.ts';
import type { JoinTree } from './joins.ts';

const ALL: PartitionChoice = { kind: 'all' };

/** The conjunct `__key = x` of a relation, and x, where x needs no row. */
export function wholeKeyOf(
  where: readonly Expr[],
  relation: Relation,
): { readonly key: Expr; readonly conjunct: Expr } | undefined {
  for (const conjunct of where) {
    if (conjunct.kind !== 'compare' || conjunct.operator !== '=') continue;
    const { left, right } = conjunct;
    if (isKey(left, relation) && isKeyValue(right)) return { key: right, conjunct };
    if (isKey(right, relation) && isKeyValue(left)) return { key: left, conjunct };
  }
  return undefined;
}

/** For the relation that probes; broadcast stages read all their partitions. */
export function partitionsFor(joins: JoinTree, where: readonly Expr[]): PartitionChoice {
  const relation = joins.relations[0];
  return relation === undefined || joins.relations.length > 1 ? ALL : partitionsOf(relation, where);
}

export function partitionsOf(relation: Relation, where: readonly Expr[]): PartitionChoice {
  const whole = wholeKeyOf(where, relation);
  if (whole !== undefined) return { kind: 'keys', keys: [whole.key] };
  for (const conjunct of where) {
    const isList = conjunct.kind === 'in' && !conjunct.negated && isKey(conjunct.operand, relation);
    if (isList && conjunct.list.every(isKeyValue)) return { kind: 'keys', keys: conjunct.list };
  }
  return ALL;
}

function isKey(expr: Expr, relation: Relation): boolean {
  if (expr.kind !== 'column' || Math.floor(expr.index / RELATION_STRIDE) !== relation.index) return false;
  return relation.columns[expr.index % RELATION_STRIDE]?.source === 'key';
}

/** Types whose values are encoded as the key that they equal. A numeric can equal a key, but its encoding is another. */
const KEY_TYPES: ReadonlySet<SqlType> = new Set(['any', 'null', 'text', 'int4', 'int8', 'float8', 'bytea']);

function isKeyValue(expr: Expr): boolean {
  return KEY_TYPES.has(expr.type) && isConstant(expr);
}

/** One value for the whole statement, without a row. */
function isConstant(expr: Expr): boolean {
  if (expr.kind === 'column') return false;
  if (expr.kind === 'call' && FUNCTIONS[expr.name]?.volatility === 'volatile') return false;
  return childrenOf(expr).every(isConstant);
}
