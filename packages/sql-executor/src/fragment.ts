/**
 * Runs one fragment over some partitions of one member: a task in a query worker.
 *
 *   source -> Scan -> Filter, Project, HashJoin ... -> PartialAggregate | Distinct | TopN -> encoded batches
 *
 * fragment F1  Tasks of one fragment may cut the partitions in any way: their outputs together merge to the same result.
 * fragment F2  The cancel flag and the memory budget are looked at once a chunk, or once a batch where a chunk makes many.
 * fragment F3  Nothing leaves before the source has said that its snapshot was alive after the last read.
 * fragment F4  A task that passes rows on as they come ends where its reader has no room, and says what is left: a later
 *              task goes on there. One that gathers them (aggregates, TOP N) goes on to its end.
 */
import { assert, type PartitionId, unreachable, type Version } from '@ashlar/core';
import type { OddCount } from '@ashlar/expressions';
import { type FragmentNode, type ScanColumn, scanUnder } from '@ashlar/sql-plan';
import { type ExecContext, execContext, oddCountsOf, type TaskControl } from './context.ts';
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
import { OutputCredit } from './output-credit.ts';
import { PartitionClaims } from './partition-claims.ts';
import { type PushOutcome, RowSlices } from './row-slices.ts';
import type { RowSource, ScanNode, ScannedRows, SourceYield } from './row-source.ts';
import type { Operator } from './rows.ts';

export interface FragmentTask {
  readonly fragment: FragmentNode;
  readonly partitions: readonly PartitionId[];
  /** Other tasks have the same partitions: this one does those that it claims. Absent: it does all. */
  readonly claims?: SharedArrayBuffer | undefined;
  /** What an earlier task left: done first. */
  readonly rest?: FragmentRest | undefined;
  /** The reader's room for what is emitted (an OutputCredit); absent: it takes everything. */
  readonly credit?: SharedArrayBuffer | undefined;
  readonly snapshotId: number;
  readonly snapshotVersion: Version;
  /** Encoded: serialization's parameters.ts. */
  readonly parameters: Uint8Array;
  /** Rows of the broadcast stages that the fragment joins with. */
  readonly buildTables: readonly { readonly stage: number; readonly batches: readonly Uint8Array[] }[];
  /** Runs of pages that columns made on the way may be written to. */
  readonly leasedPages?: readonly Int32Array[] | undefined;
  /** The number of each of the scan's columns in its map; -1, or absent: never kept. */
  readonly columnNumbers?: readonly number[] | undefined;
  readonly memoryBytes: number;
  /** The statement's time, milliseconds since 1970. */
  readonly clockMs?: number | undefined;
  /** Values of odd kinds in undeclared paths are errors; default: NULL, and counted. */
  readonly strict?: boolean | undefined;
  /** Rows up to which aggregates are interpreted, default 2000; Infinity: no code is generated. */
  readonly interpretedRowsMax?: number | undefined;
}

/** Where a task ended because its reader had no room. */
export interface FragmentRest {
  /** Not read to their end, the first of them begun. */
  readonly partitions: readonly PartitionId[];
  /** In the first partition: the chunk, and the row of those that pass its filter. */
  readonly chunk: number;
  readonly row: number;
  /** Rows that this task and those before it have passed on. */
  readonly rowsPassed: number;
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
  /** What is left for another task; undefined: nothing of what this one was given or claimed. */
  readonly rest: FragmentRest | undefined;
  readonly odd: readonly OddCount[];
}

/**
 * @throws GridError CANCELLED, QUERY_MEMORY_EXCEEDED, and what the statement's expressions throw
 */
export function runFragment(task: FragmentTask, source: RowSource, control: FragmentControl): FragmentResult {
  const context = execContext(task, control);
  const credit = task.credit === undefined ? undefined : new OutputCredit(task.credit);
  const output = new OutputOperator(context, deliveryOf(source, control, credit));
  const pipeline = pipelineOf(task.fragment, task, context, output);
  const slices =
    credit !== undefined && passesOn(task.fragment)
      ? new RowSlices(credit, pipeline, () => output.bytesMade)
      : undefined;
  let scanned: Scanned = { rowsScanned: 0, left: undefined };
  const yielded = withFinish(source, () => {
    scanned = scanAll(task, source, context, { pipeline, slices });
    pipeline.finish();
    source.checkAlive();
  });
  const rowsOut = output.rowCount;
  const rowsPassed = (task.rest?.rowsPassed ?? 0) + rowsOut;
  const rest = scanned.left === undefined ? undefined : { ...scanned.left, rowsPassed };
  return {
    ...yielded,
    batches: output.batches,
    rowsScanned: scanned.rowsScanned,
    rowsOut,
    rest,
    odd: oddCountsOf(context),
  };
}

/** `emit`, once it is sure that what the batch was made of was read from a living snapshot. */
function deliveryOf(
  source: RowSource,
  control: FragmentControl,
  credit: OutputCredit | undefined,
): ((batch: Uint8Array) => void) | undefined {
  const emit = control.emit?.bind(control);
  if (emit === undefined) return undefined;
  return (batch) => {
    source.checkAlive();
    credit?.use(batch.length);
    emit(batch);
  };
}

/** Whether rows leave as they are scanned, so that the task can end after any of them. */
function passesOn(node: FragmentNode): boolean {
  switch (node.kind) {
    case 'Scan':
      return true;
    case 'Filter':
    case 'Project':
    case 'HashJoin':
      return passesOn(node.input);
    case 'TopN':
      return node.keys.length === 0 && passesOn(node.input);
    default:
      return false;
  }
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

/** Where rows go: through the pipeline as they are, or in slices where the reader's room counts. */
interface Drain {
  readonly pipeline: Operator;
  readonly slices: RowSlices | undefined;
}

interface Scanned {
  readonly rowsScanned: number;
  readonly left: Omit<FragmentRest, 'rowsPassed'> | undefined;
}

function scanAll(task: FragmentTask, source: RowSource, context: ExecContext, drain: Drain): Scanned {
  const { snapshotId, snapshotVersion, rest } = task;
  const scan = scanOf(task.fragment);
  const late = lateColumnsOf(task.fragment);
  let rowsScanned = 0;
  let from = rest;
  for (const { partitions, index } of partitionsOf(task, drain.slices)) {
    context.checkCancelled();
    const partition = partitions[index]!;
    const fromChunk = from?.chunk ?? 0;
    const { evaluation } = context;
    const { oddRows } = evaluation;
    // The chunk that was begun is filtered again, but its odd rows were counted then.
    if (oddRows !== undefined) oddRows.isCounting = from === undefined;
    for (const rows of source.scan({ scan, partition, snapshotId, snapshotVersion, evaluation, late, fromChunk })) {
      context.checkCancelled();
      rowsScanned += rows.rowsScanned;
      if (oddRows !== undefined) oddRows.isCounting = true;
      if (rows.count === 0) continue;
      const outcome = push(rows, from?.chunk === rows.chunk ? from.row : 0, drain);
      if (outcome === 'enough') return { rowsScanned, left: undefined };
      if (outcome === 'done') continue;
      return { rowsScanned, left: { partitions: partitions.slice(index), chunk: rows.chunk, row: outcome.row } };
    }
    from = undefined;
    if (oddRows !== undefined) oddRows.isCounting = true;
  }
  return { rowsScanned, left: undefined };
}

function push(rows: ScannedRows, from: number, { pipeline, slices }: Drain): PushOutcome {
  if (slices !== undefined) return slices.push(rows, from);
  return pipeline.push(rows) ? 'done' : 'enough';
}

/** The partition to scan next, before others that this task has to scan after it. */
interface ScanTarget {
  readonly partitions: readonly PartitionId[];
  readonly index: number;
}

function* partitionsOf(
  { partitions, claims, rest }: FragmentTask,
  slices: RowSlices | undefined,
): Generator<ScanTarget> {
  const own = [...(rest?.partitions ?? []), ...(claims === undefined ? partitions : [])];
  for (let index = 0; index < own.length; index++) yield { partitions: own, index };
  if (claims === undefined) return;
  const shared = new PartitionClaims(partitions.length, claims);
  // What is claimed is this task's to begin: so it looks for room before.
  for (let index = nextClaim(shared, slices); index >= 0; index = nextClaim(shared, slices)) {
    yield { partitions: [partitions[index]!], index: 0 };
  }
}

function nextClaim(claims: PartitionClaims, slices: RowSlices | undefined): number {
  return slices === undefined || slices.hasRoom ? claims.claim() : -1;
}

/** The scan that feeds a fragment. */
export function scanOf(node: FragmentNode): ScanNode {
  const scan = scanUnder(node);
  assert(scan !== undefined, 'rows that come from no map belong to the merge');
  return scan;
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
      const limit = rowCountOf(node.limit, context.evaluation.parameters, 'LIMIT');
      if (limit === undefined) return pipelineOf(node.input, task, context, next);
      const operator =
        node.keys.length === 0
          ? new FirstRowsOperator(Math.max(0, limit - (task.rest?.rowsPassed ?? 0)), next)
          : new TopNOperator(limit, node.keys, context, next);
      return pipelineOf(node.input, task, context, operator);
    }
    case 'Rows':
      throw new TypeError('rows that come from no map belong to the merge');
    default:
      return unreachable(node);
  }
}
