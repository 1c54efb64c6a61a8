/** What stands behind GROUP BY: expressions over the grouped rows, and the aggregates of a single row. */
import { GridError } from '@ashlar/core';
import { type Aggregate, type Expr, readsUndeclared } from '@ashlar/expressions';
import { exprText } from '@ashlar/sql-plan';
import { AGGREGATE_BASE } from '../bind/context.ts';
import { conjunction, rewrite, Shapes } from '../bind/expr-tools.ts';
import type { BoundSelect } from './bind-select.ts';

/** Expressions of SELECT, HAVING and ORDER BY over the grouped rows: groups, then aggregates. */
export function groupRewriter({ groups, outputs }: BoundSelect): (expr: Expr) => Expr {
  const shapes = new Shapes();
  const places = new Map(groups.map((group, index) => [shapes.of(group), index] as const).reverse());
  const computed = outputs.filter(({ expr }) => expr.kind !== 'column' || expr.index >= AGGREGATE_BASE);
  const labels = new Set(computed.map(({ name }) => name));
  return (whole) =>
    rewrite(whole, (node) => {
      const group = places.get(shapes.of(node));
      if (group !== undefined) {
        const expr = {
          kind: 'column',
          index: group,
          name: exprText(groups[group]!),
          type: node.type,
          at: node.at,
        } as const;
        return readsUndeclared(groups[group]!) ? expr : { ...expr, isDeclared: true };
      }
      if (node.kind !== 'column') return undefined;
      if (node.index >= AGGREGATE_BASE) return { ...node, index: groups.length + node.index - AGGREGATE_BASE };
      throw ungrouped(node, labels);
    });
}

function ungrouped({ name, at }: Extract<Expr, { kind: 'column' }>, labels: ReadonlySet<string>): GridError {
  const hint = labels.has(name)
    ? `to use the label '${name}' of SELECT here, repeat its expression`
    : `add it to GROUP BY, or take max(${name})`;
  return new GridError('GROUPING_ERROR', `column '${name}' must appear in GROUP BY or inside an aggregate`, {
    hint,
    details: { offset: at, column: name },
  });
}

/**
 * An aggregate over one row, or none, as an expression: SELECT without FROM.
 *
 * @param condition  whether the row is there; undefined: it is
 */
export function aggregateOfOneRow(aggregate: Aggregate, condition: Expr | undefined): Expr {
  const { name, operand, filter, type, at } = aggregate;
  const isCount = name === 'count';
  const tests = [condition, filter].filter((test) => test !== undefined);
  if (isCount && operand !== undefined) tests.push({ kind: 'isNull', negated: true, operand, type: 'boolean', at });
  const number = (value: number): Expr => castOf({ kind: 'literal', value, type: 'int4', at }, 'int8');
  const value = isCount ? number(1) : castOf(operand!, type);
  const when = conjunction(tests);
  if (when === undefined) return value;
  const otherwise: Expr = isCount ? number(0) : { kind: 'literal', value: null, type: 'null', at };
  return { kind: 'case', branches: [{ when, then: value }], otherwise, type, at };
}

function castOf(operand: Expr, type: Expr['type']): Expr {
  if (operand.type === type || type === 'any') return operand;
  return { kind: 'cast', operand, type, at: operand.at };
}
