/**
 * Whether a plan holds together: every column that an operator reads is one that its input has, columns and expressions
 * are as many, a join names a stage before its own, and nothing of the binder's numbering is left.
 */
import type { Aggregate, Expr } from '@ashlar/expressions';
import { childrenOf } from '@ashlar/expressions';
import type { FragmentNode, MergeNode, Plan, QueryPlan, SortKey, Stage } from '@ashlar/sql-plan';

export function checkPlan(plan: Plan): void {
  if (plan.kind === 'query') checkQuery(plan);
  else if (plan.kind === 'explain') checkPlan(plan.target);
  else if (plan.kind === 'get') checkOutput(plan.exprs, plan.output.length, checkScan(plan.scan));
  else if (plan.kind === 'insert') {
    const values = plan.rows.flatMap(({ key, fields }) => [key, ...fields.map((field) => field.value)]);
    checkExprs(values, 0);
  } else if (plan.kind !== 'truncate') {
    const values = plan.assignments.map((assignment) => assignment.value);
    checkExprs(values, checkScan(plan.scan));
    expect(plan.scan.columns.slice(0, 2)).toMatchObject([{ source: 'key' }, { source: 'version' }]);
  }
}

function checkQuery({ stages, merge, output }: QueryPlan): void {
  stages.forEach((stage, index) => {
    expect(stage.id).toBe(index);
    expect(stage.exchange).toBe(index === stages.length - 1 ? 'gather' : 'broadcast');
    expect(widthOf(stage.fragment, stages.slice(0, index))).toBe(stage.output.length);
  });
  expect(mergeWidth(merge, stages.at(-1)?.output.length ?? 0)).toBe(output.length);
}

/** How many columns an operator gives; those below it are checked on the way. */
function widthOf(node: FragmentNode, before: readonly Stage[]): number {
  if (node.kind === 'Scan') return checkScan(node);
  if (node.kind === 'Rows') throw new Error('Rows belong to the merge');
  const width = widthOf(node.input, before);
  switch (node.kind) {
    case 'Filter':
      checkExprs([node.condition], width);
      return width;
    case 'Project':
      checkOutput(node.exprs, node.columns.length, width);
      return node.columns.length;
    case 'HashJoin': {
      const build = node.buildColumns.length;
      expect(before[node.stage]?.output).toEqual(node.buildColumns);
      expect(node.probeKeys.length).toBe(node.buildKeys.length);
      checkExprs(node.probeKeys, width);
      checkExprs(node.buildKeys, build);
      checkExprs(node.residual === undefined ? [] : [node.residual], width + build);
      return width + build;
    }
    case 'PartialAggregate':
      checkExprs([...node.groups, ...node.aggregates.flatMap(partsOf)], width);
      return node.groups.length + node.aggregates.length;
    case 'Distinct':
      return width;
    case 'TopN':
      checkKeys(node.keys, width);
      checkExprs([node.limit], 0);
      return width;
  }
}

function mergeWidth(node: MergeNode, gathered: number): number {
  if (node.kind === 'Gather' || node.kind === 'Rows') {
    expect(node.columns.length).toBe(gathered);
    return gathered;
  }
  const width = mergeWidth(node.input, gathered);
  switch (node.kind) {
    case 'FinalAggregate':
      expect(width).toBe(node.groupTypes.length + node.aggregates.length);
      return width;
    case 'Filter':
      checkExprs([node.condition], width);
      return width;
    case 'Project':
      checkOutput(node.exprs, node.columns.length, width);
      return node.columns.length;
    case 'Distinct':
      return width;
    case 'Sort':
      checkKeys(node.keys, width);
      return width;
    case 'Limit':
      checkExprs(
        [node.limit, node.offset].filter((expr) => expr !== undefined),
        0,
      );
      return width;
  }
}

function checkScan({ columns, filter }: Extract<FragmentNode, { kind: 'Scan' }>): number {
  checkExprs(filter === undefined ? [] : [filter], columns.length);
  return columns.length;
}

function checkOutput(exprs: readonly Expr[], columns: number, width: number): void {
  expect(exprs.length).toBe(columns);
  checkExprs(exprs, width);
}

function checkKeys(keys: readonly SortKey[], width: number): void {
  checkExprs(
    keys.map(({ expr }) => expr),
    width,
  );
}

const partsOf = ({ operand, filter }: Aggregate): Expr[] => [operand, filter].filter((expr) => expr !== undefined);

function checkExprs(exprs: readonly Expr[], width: number): void {
  for (const expr of exprs) {
    const isThere = expr.kind !== 'column' || (Number.isInteger(expr.index) && expr.index >= 0 && expr.index < width);
    if (!isThere) throw new Error(`column ${expr.name} is number ${expr.index} of ${width}`);
    checkExprs(childrenOf(expr), width);
  }
}
