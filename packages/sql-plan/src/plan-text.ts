/**
 * Plans as text: what EXPLAIN prints and what golden tests hold.
 *
 *   Query                                     merge on the query coordinator, outermost first
 *     Limit 10
 *       Sort by total DESC
 *         FinalAggregate sum(balance)
 *           Gather from stage 1
 *   Stage 1, gather: 12 of 256 partitions     then the stages, each with who runs it
 *     on 127.0.0.1:7710: 12 partitions
 *     PartialAggregate by brand: sum(balance)
 *       Scan accounts (brand, balance)
 *         where balance > 0
 */
import { unreachable } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import { aggregateText, exprText } from './expr-text.ts';
import type {
  FragmentNode,
  GetPlan,
  InsertPlan,
  MergeNode,
  ModifyPlan,
  PartitionChoice,
  Plan,
  QueryPlan,
  ScanColumn,
  SortKey,
  Stage,
  TruncatePlan,
} from './plan.ts';

/** Who runs a stage; `actual` where it has run (EXPLAIN ANALYZE). */
export interface StageMember {
  readonly address: string;
  readonly partitions: number;
  readonly actual?: StageActual | undefined;
}

export interface StageActual {
  readonly rowsScanned: number;
  readonly rowsOut: number;
  readonly ms: number;
}

export interface PlanTextOptions {
  /** Partitions of the grid. */
  readonly partitionCount?: number | undefined;
  /** Members that run a stage; absent or empty: not given. A get, and what finds the entries of a change, is stage 0. */
  readonly members?: ((stageId: number) => readonly StageMember[]) | undefined;
}

const INDENT = '  ';

/** The plan as lines joined by newlines, without one at the end. */
export function planText(plan: Plan, options: PlanTextOptions = {}): string {
  return planLines(plan, options).join('\n');
}

function planLines(plan: Plan, options: PlanTextOptions): string[] {
  switch (plan.kind) {
    case 'query':
      return queryLines(plan, options);
    case 'get':
      return getLines(plan, options);
    case 'insert':
      return insertLines(plan);
    case 'update':
    case 'delete':
      return modifyLines(plan, options);
    case 'truncate':
      return truncateLines(plan, options);
    case 'explain':
      return [plan.analyze ? 'Explain analyze' : 'Explain', ...indented(planLines(plan.target, options))];
    default:
      return unreachable(plan);
  }
}

function queryLines(plan: QueryPlan, options: PlanTextOptions): string[] {
  const gather = plan.stages.find((stage) => stage.exchange === 'gather');
  const stages = plan.stages.flatMap((stage) => stageLines(stage, options));
  return ['Query', ...indented(mergeLines(plan.merge, gather)), ...stages, ...noticeLines(plan.notices)];
}

function stageLines(stage: Stage, options: PlanTextOptions): string[] {
  const members = options.members?.(stage.id) ?? [];
  const heading = `Stage ${stage.id}, ${stage.exchange}: ${partitionsText(stage.partitions, options, members)}`;
  return [heading, ...indented([...memberLines(members), ...fragmentLines(stage.fragment)])];
}

function partitionsText(
  choice: PartitionChoice,
  { partitionCount }: PlanTextOptions,
  members: readonly StageMember[],
): string {
  const all = partitionCount === undefined ? 'all' : String(partitionCount);
  if (choice.kind === 'all') return `${all} partitions`;
  const keys = choice.keys.map(exprText).join(', ');
  if (members.length === 0) return `partitions of key ${keys}`;
  const read = members.reduce((sum, { partitions }) => sum + partitions, 0);
  return `${read} of ${all} partitions, of key ${keys}`;
}

function memberLines(members: readonly StageMember[]): string[] {
  return members.map(({ address, partitions, actual }) => {
    const line = `on ${address}: ${counted(partitions, 'partition')}`;
    if (actual === undefined) return line;
    return `${line}; ${counted(actual.rowsScanned, 'row')} scanned, ${actual.rowsOut} out, ${actual.ms.toFixed(1)} ms`;
  });
}

/** Operators of a fragment, outermost first; each input one level deeper. */
function fragmentLines(node: FragmentNode): string[] {
  const under = (heading: string, input: FragmentNode): string[] => [heading, ...indented(fragmentLines(input))];
  switch (node.kind) {
    case 'Scan':
      return scanLines(node);
    case 'Rows':
      return [`Rows: ${node.rows.length}`];
    case 'Filter':
      return under(`Filter ${exprText(node.condition)}`, node.input);
    case 'Project':
      return under(`Project ${projectionText(node)}`, node.input);
    case 'HashJoin':
      return under(joinText(node), node.input);
    case 'PartialAggregate':
      return under(`PartialAggregate ${groupText(node.groups, node.aggregates.map(aggregateText))}`, node.input);
    case 'Distinct':
      return under('Distinct', node.input);
    case 'TopN': {
      const order = node.keys.length === 0 ? 'in any order' : `by ${sortText(node.keys)}`;
      return under(`TopN ${exprText(node.limit)} ${order}`, node.input);
    }
    default:
      return unreachable(node);
  }
}

function mergeLines(node: MergeNode, gather: Stage | undefined): string[] {
  const under = (heading: string, input: MergeNode): string[] => [heading, ...indented(mergeLines(input, gather))];
  switch (node.kind) {
    case 'Gather':
      return [gather === undefined ? 'Gather' : `Gather from stage ${gather.id}`];
    case 'Rows':
      return [`Rows: ${node.rows.length}`];
    case 'FinalAggregate': {
      const groups = node.groupTypes.length === 0 ? '' : `by ${counted(node.groupTypes.length, 'key')}: `;
      return under(`FinalAggregate ${groups}${node.aggregates.map(aggregateText).join(', ')}`.trimEnd(), node.input);
    }
    case 'Filter':
      return under(`Filter ${exprText(node.condition)}`, node.input);
    case 'Project':
      return under(`Project ${projectionText(node)}`, node.input);
    case 'Distinct':
      return under('Distinct', node.input);
    case 'Sort':
      return under(`Sort by ${sortText(node.keys)}`, node.input);
    case 'Limit': {
      const limit = node.limit === undefined ? [] : [`Limit ${exprText(node.limit)}`];
      const offset = node.offset === undefined ? [] : [`Offset ${exprText(node.offset)}`];
      return under([...limit, ...offset].join(' '), node.input);
    }
    default:
      return unreachable(node);
  }
}

function scanLines(scan: Extract<FragmentNode, { kind: 'Scan' }>): string[] {
  const alias = scan.alias === scan.map ? '' : ` AS ${scan.alias}`;
  const heading = `Scan ${scan.map}${alias} (${scan.columns.map(columnText).join(', ')})`;
  return scan.filter === undefined ? [heading] : [heading, `${INDENT}where ${exprText(scan.filter)}`];
}

function columnText(column: ScanColumn): string {
  if (column.source !== 'path') return `__${column.source}`;
  return pathText(column.path);
}

function pathText(path: readonly (string | number)[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`))
    .join('');
}

function projectionText({
  columns,
  exprs,
}: Extract<FragmentNode, { kind: 'Project' }> | Extract<MergeNode, { kind: 'Project' }>): string {
  return exprs
    .map((expr, index) => {
      const text = exprText(expr);
      const name = columns[index]?.name ?? text;
      return name === text ? text : `${text} AS ${name}`;
    })
    .join(', ');
}

function joinText(node: Extract<FragmentNode, { kind: 'HashJoin' }>): string {
  const pairs = node.probeKeys.map((key, index) => `${exprText(key)} = ${exprText(node.buildKeys[index]!)}`);
  const on = pairs.length === 0 ? ', product' : ` on ${pairs.join(' AND ')}`;
  const residual = node.residual === undefined ? '' : `, and ${exprText(node.residual)}`;
  return `HashJoin ${node.join} with stage ${node.stage}${on}${residual}`;
}

function groupText(groups: readonly Expr[], aggregates: readonly string[]): string {
  const by = groups.length === 0 ? '' : `by ${groups.map(exprText).join(', ')}`;
  return [by, aggregates.join(', ')].filter((text) => text !== '').join(': ');
}

function sortText(keys: readonly SortKey[]): string {
  return keys
    .map(({ expr, descending, nullsFirst }) => {
      // PostgreSQL's default: nulls last when ascending, first when descending.
      const nulls = nullsFirst === descending ? '' : nullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
      return `${exprText(expr)}${descending ? ' DESC' : ''}${nulls}`;
    })
    .join(', ');
}

function getLines(plan: GetPlan, { members }: PlanTextOptions): string[] {
  const projection = projectionText({ kind: 'Project', input: plan.scan, columns: plan.output, exprs: plan.exprs });
  const heading = `Get ${plan.scan.map} by key ${exprText(plan.key)}`;
  const lines = memberLines(members?.(0) ?? []);
  if (plan.exprs.length > 0) lines.push(`Project ${projection}`);
  if (plan.scan.filter !== undefined) lines.push(`where ${exprText(plan.scan.filter)}`);
  return [heading, ...indented(lines), ...noticeLines(plan.notices)];
}

function insertLines(plan: InsertPlan): string[] {
  const created = plan.mapId === undefined ? ' (creates the map)' : '';
  const conflict = { error: 'refuse', nothing: 'leave', replace: 'replace' }[plan.onConflict];
  const heading = `Insert into ${plan.map}${created}: ${counted(plan.rows.length, 'row')}, ${conflict} existing keys`;
  return [heading, ...noticeLines(plan.notices)];
}

function modifyLines(plan: ModifyPlan, options: PlanTextOptions): string[] {
  const members = options.members?.(0) ?? [];
  const verb = plan.kind === 'update' ? 'Update' : 'Delete from';
  const heading = `${verb} ${plan.map}: ${partitionsText(plan.partitions, options, members)}`;
  const set = plan.assignments.map(({ path, value }) => `set ${pathText(path)} = ${exprText(value)}`);
  return [
    heading,
    ...indented([...memberLines(members), ...set, ...scanLines(plan.scan)]),
    ...noticeLines(plan.notices),
  ];
}

function truncateLines({ map, notices }: TruncatePlan, options: PlanTextOptions): string[] {
  const members = options.members?.(0) ?? [];
  const heading = `Truncate ${map}: ${partitionsText({ kind: 'all' }, options, members)}`;
  const how = 'all at once on each member, or in pieces where the logs have no room for that';
  return [heading, ...indented([...memberLines(members), how]), ...noticeLines(notices)];
}

function noticeLines(notices: readonly string[]): string[] {
  return notices.map((notice) => `Notice: ${notice}`);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `${INDENT}${line}`);
}
