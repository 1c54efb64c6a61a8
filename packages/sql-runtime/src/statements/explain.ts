/** EXPLAIN: the plan as rows of text, with the members of each stage; ANALYZE also runs it. */
import type { GridView } from '@ashlar/cluster';
import type { MemberId } from '@ashlar/core';
import type { SqlType } from '@ashlar/expressions';
import { batchRowCount } from '@ashlar/serialization';
import { rowsBatch } from '@ashlar/sql-executor';
import { type Plan, type PlanColumn, planText, type StageMember } from '@ashlar/sql-plan';
import { everyEntry } from '../changes/change-coordinator.ts';
import type { QueryCoordinator, StageRun, Statement } from '../query-coordinator.ts';
import { type KeyReads, runGet } from './key-reads.ts';

export interface ExplainDependencies extends KeyReads {
  readonly control: GridView;
  readonly queries: QueryCoordinator;
}

export const EXPLAIN_COLUMNS: readonly PlanColumn[] = [{ name: 'plan', type: 'text' as SqlType }];

export async function* explain(
  plan: Extract<Plan, { kind: 'explain' }>,
  statement: Statement,
  deps: ExplainDependencies,
): AsyncGenerator<Uint8Array> {
  const { target } = plan;
  const { partitionCount } = deps.control;
  const members = (stage: number): readonly StageMember[] => stageMembers(target, stage, statement, deps);
  const lines = planText(target, { partitionCount, members }).split('\n');
  if (plan.analyze) lines.push(...(await analyze(target, statement, deps)));
  yield rowsBatch(
    EXPLAIN_COLUMNS,
    lines.filter((line) => line !== '').map((line) => [line]),
  );
}

function stageMembers(
  target: Plan,
  stage: number,
  statement: Statement,
  { queries, control }: ExplainDependencies,
): readonly StageMember[] {
  const addressOf = (id: MemberId): string => control.table.members.find((member) => member.id === id)!.address;
  const parts = partsOf(target, stage, statement.parameters, queries);
  return parts.map(({ member, partitions }) => ({ address: addressOf(member), partitions: partitions.length }));
}

function partsOf(
  target: Plan,
  stage: number,
  parameters: readonly unknown[],
  queries: QueryCoordinator,
): ReturnType<QueryCoordinator['membersOf']> {
  switch (target.kind) {
    case 'query':
      return queries.membersOf(target.stages[stage]!.partitions, target.stages[stage]!.fragment, parameters);
    case 'get':
      return queries.membersOf({ kind: 'keys', keys: [target.key] }, target.scan, parameters);
    case 'update':
    case 'delete':
      return queries.membersOf(target.partitions, target.scan, parameters);
    case 'truncate':
      return queries.membersOf({ kind: 'all' }, everyEntry(target.map, target.mapId), parameters);
    default:
      return [];
  }
}

async function analyze(target: Plan, statement: Statement, deps: ExplainDependencies): Promise<string[]> {
  const startedMs = performance.now();
  const runs: StageRun[] = [];
  let rows = 0;
  if (target.kind !== 'query' && target.kind !== 'get') return ['EXPLAIN ANALYZE runs queries only: nothing was run'];
  const batches = target.kind === 'get' ? runGet(target, statement, deps) : deps.queries.run(target, statement, runs);
  for await (const batch of batches) rows += batchRowCount(batch);
  const elapsedMs = (performance.now() - startedMs).toFixed(1);
  return [
    ...runs.map(({ stage, member, partitions, stats, ms }) => {
      const { rowsScanned, rowsOut, tasks } = stats;
      return `stage ${stage} on ${member}: ${partitions} partitions, ${tasks} tasks, ${rowsScanned} rows scanned, ${rowsOut} sent, ${ms.toFixed(1)} ms`;
    }),
    `${rows} rows in ${elapsedMs} ms`,
  ];
}
