/**
 * Runs one fragment over some partitions of one member: a task in a query worker.
 *
 *   source -> Scan -> Filter, Project, HashJoin ... -> PartialAggregate | Distinct | TopN -> encoded batches
 *
 * F1  Tasks of one fragment may cut the partitions in any way: their outputs together merge to the same result.
 * F2  The cancel flag and the memory budget are looked at once a chunk, or once a batch where a chunk makes many.
 * F3  Nothing leaves before the source has said that its snapshot was alive after the last read.
 */
import { assert, type PartitionId, unreachable, type Version } from '@ashlar/core';
import type { FragmentNode, ScanColumn } from '@ashlar/sql-plan';
import { type ExecContext, execContext, type TaskControl } from './context.ts';
import { lateColumnsOf } from './late-columns.ts';
import { PartialAggregateOperator } from './operators/aggregate.ts';
import { DistinctOperator } from './operators/distinct.ts';
import { FilterOperator } from './operators/filter.ts';
import { HashJoinOperator } from './operators/hash-join.ts';
import { JoinTable } from './operators/join-table.ts';
import { rowCountOf } from './operators/limit.ts';
import { OutputOperator } from './operators/output.ts';
import { ProjectOperator } from './operators/project.ts';
import { FirstRowsOperator, TopNOperator } from './operators/top-n.ts';
import { PartitionClaims } from './partition-claims.ts';
import type { RowSource, ScanNode, SourceYield } from './row-source.ts';
import type { Operator } from './rows.ts';

export interface FragmentTask {
  readonly fragment: FragmentNode;
  readonly partitions: readonly PartitionId[];
  /** Other tasks have the same partitions: this one does those that it claims. Absent: it does all. */
  readonly claims?: SharedArrayBuffer | undefined;
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  readonly parameters: readonly unknown[];
  /** Rows of the broadcast stages that the fragment joins with. */
  readonly buildTables: readonly { readonly stage: number; readonly batches: readonly Uint8Array[] }[];
  /** Runs of pages that columns made on the way may be written to. */
  readonly leasedPages?: readonly Int32Array[] | undefined;
  /** The number of each of the scan's columns in its map; -1, or absent: never kept. */
  readonly columnNumbers?: readonly number[] | undefined;
  readonly memoryBytes: number;
  /** The statement's time, milliseconds since 1970. */
  readonly clockMs?: number | undefined;
  /** Rows up to which aggregates are interpreted, default 2000; Infinity: no code is generated. */
  readonly interpretedRowsMax?: number | undefined;
}

export interface FragmentControl extends TaskControl {
  /** Takes encoded batches as they are ready; without it they are returned. */
  emit?(batch: Uint8Array): void;
}

export interface FragmentResult extends SourceYield {
  /** Encoded; empty where `emit` took them. */
  readonly batches: Uint8Array[];
  readonly rowsScanned: number;
  readonly rowsOut: number;
}

/**
 * @throws GridError CANCELLED, QUERY_MEMORY_EXCEEDED, and what the statement's expressions throw
 */
export function runFragment(task: FragmentTask, source: RowSource, control: FragmentControl): FragmentResult {
  const context = execContext(task, control);
  const output = new OutputOperator(context, deliveryOf(source, control));
  const pipeline = pipelineOf(task.fragment, task, context, output);
  let rowsScanned = 0;
  const yielded = withFinish(source, () => {
    rowsScanned = scanAll(scanOf(task.fragment), task, source, context, pipeline);
    pipeline.finish();
    source.checkAlive();
  });
  return { ...yielded, batches: output.batches, rowsScanned, rowsOut: output.rowCount };
}

/** `emit`, once it is sure that what the batch was made of was read from a living snapshot. */
function deliveryOf(source: RowSource, control: FragmentControl): ((batch: Uint8Array) => void) | undefined {
  const emit = control.emit?.bind(control);
  if (emit === undefined) return undefined;
  return (batch) => {
    source.checkAlive();
    emit(batch);
  };
}

/** Runs `work`; the source is finished also when it fails, so that leased pages return. */
function withFinish(source: RowSource, work: () => void): SourceYield {
  try {
    work();
  } catch (error) {
    source.finish();
    throw error;
  }
  return source.finish();
}

function scanAll(
  scan: ScanNode,
  task: FragmentTask,
  source: RowSource,
  context: ExecContext,
  pipeline: Operator,
): number {
  const { snapshotId, snapshotVersion } = task;
  const late = lateColumnsOf(task.fragment);
  let rowsScanned = 0;
  for (const partition of partitionsOf(task)) {
    context.checkCancelled();
    const request = { scan, partition, snapshotId, snapshotVersion, evaluation: context.evaluation, late };
    for (const rows of source.scan(request)) {
      context.checkCancelled();
      rowsScanned += rows.rowsScanned;
      if (rows.count > 0 && !pipeline.push(rows)) return rowsScanned;
    }
  }
  return rowsScanned;
}

function* partitionsOf({ partitions, claims }: FragmentTask): Generator<PartitionId> {
  if (claims === undefined) {
    yield* partitions;
    return;
  }
  const shared = new PartitionClaims(partitions.length, claims);
  for (let index = shared.claim(); index >= 0; index = shared.claim()) yield partitions[index]!;
}

/** The scan that feeds a fragment. */
export function scanOf(node: FragmentNode): ScanNode {
  if (node.kind === 'Scan') return node;
  assert(node.kind !== 'Rows', 'rows that come from no map belong to the merge');
  return scanOf(node.input);
}

/** The columns that a fragment's scan reads: what main may lease pages for. */
export function columnsNeeded(fragment: FragmentNode): readonly ScanColumn[] {
  return scanOf(fragment).columns;
}

/** Operators from the scan's output to `next`. */
function pipelineOf(node: FragmentNode, task: FragmentTask, context: ExecContext, next: Operator): Operator {
  switch (node.kind) {
    case 'Scan':
      return next;
    case 'Filter':
      return pipelineOf(node.input, task, context, new FilterOperator(node.condition, context, next));
    case 'Project':
      return pipelineOf(node.input, task, context, new ProjectOperator(node.exprs, context, next));
    case 'Distinct':
      return pipelineOf(node.input, task, context, new DistinctOperator(context, next));
    case 'PartialAggregate': {
      const { groups, aggregates, input } = node;
      return pipelineOf(input, task, context, new PartialAggregateOperator(groups, aggregates, context, next));
    }
    case 'HashJoin': {
      const build = task.buildTables.find(({ stage }) => stage === node.stage);
      assert(build !== undefined, () => `the rows of stage ${node.stage} are in the task`);
      const table = new JoinTable(node, build.batches, context);
      return pipelineOf(node.input, task, context, new HashJoinOperator(node, table, context, next));
    }
    case 'TopN': {
      const limit = rowCountOf(node.limit, task.parameters, 'LIMIT');
      if (limit === undefined) return pipelineOf(node.input, task, context, next);
      const operator =
        node.keys.length === 0 ? new FirstRowsOperator(limit, next) : new TopNOperator(limit, node.keys, context, next);
      return pipelineOf(node.input, task, context, operator);
    }
    case 'Rows':
      throw new TypeError('rows that come from no map belong to the merge');
    default:
      return unreachable(node);
  }
}
