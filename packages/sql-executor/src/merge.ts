/**
 * Merges gathered batches to a query's result: on the query coordinator's member, in a query worker.
 *
 *   Gather | Rows -> FinalAggregate, Filter, Project, Distinct, Sort, Limit -> encoded batches
 */
import { unreachable } from '@ashlar/core';
import type { Aggregate, OddCount, SqlType, Vector } from '@ashlar/expressions';
import { BATCH_ROWS, type Expr, interpret, vectorOf } from '@ashlar/expressions';
import type { MergeNode, PlanColumn } from '@ashlar/sql-plan';
import { type ExecContext, execContext, oddCountsOf, type TaskControl } from './context.ts';
import { FinalAggregateOperator } from './operators/aggregate.ts';
import { DistinctOperator } from './operators/distinct.ts';
import { FilterOperator } from './operators/filter.ts';
import { LimitOperator, rowCountOf } from './operators/limit.ts';
import { OutputOperator } from './operators/output.ts';
import { ProjectOperator } from './operators/project.ts';
import { SortOperator } from './operators/sort.ts';
import { TopNOperator } from './operators/top-n.ts';
import { allRows, type Operator } from './rows.ts';
import { decodeBatch } from './vectors.ts';

export interface MergeTask {
  readonly merge: MergeNode;
  /** Batches of the gather stage, in any order. */
  readonly inputs: readonly Uint8Array[];
  /** Encoded: serialization's parameters.ts. */
  readonly parameters: Uint8Array;
  readonly memoryBytes: number;
  readonly clockMs?: number | undefined;
  /** As of fragments. */
  readonly strict?: boolean | undefined;
}

export interface MergeControl extends TaskControl {
  emit?(batch: Uint8Array): void;
}

export interface MergeResult {
  /** Encoded; empty where `emit` took them. */
  readonly batches: Uint8Array[];
  readonly rowCount: number;
  readonly odd: readonly OddCount[];
}

const NO_PARAMETERS = new Uint8Array(0);

/** LIMIT over ORDER BY keeps few rows up to this limit plus offset; beyond it sorting all is no worse. */
const TOP_ROWS_MAX = 100_000;

/** @throws GridError CANCELLED, QUERY_MEMORY_EXCEEDED, CORRUPT_DATA, and what the statement's expressions throw */
export function runMerge(task: MergeTask, control: MergeControl): MergeResult {
  const context = execContext(task, control);
  const output = new OutputOperator(context, control.emit?.bind(control));
  const pipeline = pipelineOf(task.merge, context, output);
  feed(sourceOf(task.merge), task.inputs, context, pipeline);
  pipeline.finish();
  return { batches: output.batches, rowCount: output.rowCount, odd: oddCountsOf(context) };
}

/**
 * Whether gathered batches are the result as they are: a Gather with at most a Limit. Then batches flow through, cut by
 * sliceBatch where LIMIT and OFFSET say.
 */
export function isPassThrough(merge: MergeNode): boolean {
  return merge.kind === 'Gather' || (merge.kind === 'Limit' && merge.input.kind === 'Gather');
}

/** Merges of so few bytes take less time than a worker's answer. */
const SHORT_MERGE_BYTES_MAX = 32 << 10;

/**
 * Whether merging is a matter of some microseconds that any thread may take: few rows, and no expression over them.
 *
 * @param bytes  of all inputs
 */
export function isShortMerge(merge: MergeNode, bytes: number): boolean {
  return bytes <= SHORT_MERGE_BYTES_MAX && computesNothing(merge);
}

function computesNothing(merge: MergeNode): boolean {
  switch (merge.kind) {
    case 'Gather':
      return true;
    case 'FinalAggregate':
    case 'Distinct':
    case 'Limit':
      return computesNothing(merge.input);
    case 'Sort':
      return merge.keys.every(({ expr }) => expr.kind === 'column') && computesNothing(merge.input);
    case 'Project':
      return merge.exprs.every(({ kind }) => kind === 'column') && computesNothing(merge.input);
    case 'Rows':
    case 'Filter':
      return false;
    default:
      return unreachable(merge);
  }
}

/** The rows [offset, offset + limit) that a merge's outermost Limit lets through; all without one. */
export function limitOf(
  merge: MergeNode,
  parameters: readonly unknown[],
): { readonly offset: number; readonly limit: number } {
  const all = { offset: 0, limit: Number.POSITIVE_INFINITY };
  if (merge.kind !== 'Limit') return all;
  const offset = merge.offset === undefined ? undefined : rowCountOf(merge.offset, parameters, 'OFFSET');
  const limit = merge.limit === undefined ? undefined : rowCountOf(merge.limit, parameters, 'LIMIT');
  return { offset: offset ?? all.offset, limit: limit ?? all.limit };
}

type MergeSource = Extract<MergeNode, { kind: 'Gather' | 'Rows' }>;

function sourceOf(node: MergeNode): MergeSource {
  return node.kind === 'Gather' || node.kind === 'Rows' ? node : sourceOf(node.input);
}

function feed(source: MergeSource, inputs: readonly Uint8Array[], context: ExecContext, pipeline: Operator): void {
  if (source.kind === 'Rows') {
    pushRows(source, context, pipeline);
    return;
  }
  for (const bytes of inputs) {
    context.checkCancelled();
    const batch = decodeBatch(bytes);
    if (batch.length > 0 && !pipeline.push(allRows(batch))) return;
  }
}

/** VALUES and SELECT without FROM: each row's expressions stand alone. */
function pushRows(
  source: { readonly rows: readonly (readonly Expr[])[]; readonly columns: readonly PlanColumn[] },
  context: ExecContext,
  pipeline: Operator,
): void {
  for (let from = 0; from < source.rows.length; from += BATCH_ROWS) {
    const rows = source.rows.slice(from, from + BATCH_ROWS);
    const columns = source.columns.map((column, index): Vector => {
      const values = rows.map((row) => interpret(row[index]!, () => null, context.evaluation));
      return vectorOf(column.type, values);
    });
    if (!pipeline.push(allRows({ length: rows.length, columns }))) return;
  }
}

/** Operators from the gathered rows to `next`. */
function pipelineOf(node: MergeNode, context: ExecContext, next: Operator): Operator {
  switch (node.kind) {
    case 'Gather':
    case 'Rows':
      return next;
    case 'FinalAggregate': {
      const { groupTypes, aggregates, input } = node;
      return pipelineOf(input, context, new FinalAggregateOperator(groupTypes, aggregates, 'results', context, next));
    }
    case 'Filter':
      return pipelineOf(node.input, context, new FilterOperator(node.condition, context, next));
    case 'Project':
      return pipelineOf(node.input, context, new ProjectOperator(node.exprs, context, next));
    case 'Distinct':
      return pipelineOf(node.input, context, new DistinctOperator(context, next));
    case 'Sort':
      return pipelineOf(node.input, context, new SortOperator(node.keys, context, next));
    case 'Limit':
      return limitPipeline(node, context, new LimitOperator(node.limit, node.offset, context, next));
    default:
      return unreachable(node);
  }
}

/** A Sort below a small Limit keeps only the rows that can pass it. */
function limitPipeline(node: Extract<MergeNode, { kind: 'Limit' }>, context: ExecContext, next: Operator): Operator {
  const { offset, limit } = limitOf(node, context.evaluation.parameters);
  const { input } = node;
  if (input.kind !== 'Sort' || !(offset + limit <= TOP_ROWS_MAX)) return pipelineOf(input, context, next);
  return pipelineOf(input.input, context, new TopNOperator(offset + limit, input.keys, context, next));
}

export interface CombineTask {
  readonly groupTypes: readonly SqlType[];
  readonly aggregates: readonly Aggregate[];
  /** Partial states of several tasks of one member. */
  readonly inputs: readonly Uint8Array[];
  readonly memoryBytes: number;
}

/** Merges the partial states of a member's tasks, so that one state a group is sent instead of one a group and task. */
export function combinePartials(task: CombineTask, control: TaskControl): Uint8Array[] {
  const context = execContext({ parameters: NO_PARAMETERS, memoryBytes: task.memoryBytes }, control);
  const output = new OutputOperator(context);
  const combine = new FinalAggregateOperator(task.groupTypes, task.aggregates, 'states', context, output);
  for (const bytes of task.inputs) {
    context.checkCancelled();
    combine.push(allRows(decodeBatch(bytes)));
  }
  combine.finish();
  return output.batches;
}
