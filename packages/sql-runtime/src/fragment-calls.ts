/**
 * One member's part of a stage, asked of the member: the plan and the tables to join with go there, its batches come back.
 *
 * The batches of all build tables travel as one list; `buildStages` says which stage each belongs to: first the stages there are,
 * then -1, then one number a batch. A stage without rows has a table of its own all the same.
 */
import { GridError } from '@ashlar/core';
import { encodeMessage } from '@ashlar/serialization';
import type { FragmentTask } from '@ashlar/sql-executor';
import { scanUnder } from '@ashlar/sql-plan';
import type { GridCalls } from '@ashlar/transport';
import type { FragmentStats } from './fragment-runner.ts';
import type { FragmentBody } from './peer-plans.ts';
import type { FragmentCall } from './query-coordinator.ts';
import { wholeFragment } from './whole-parts.ts';

export interface FragmentCallsDependencies {
  readonly calls: GridCalls;
  readonly control: { readonly table: { readonly tableVersion: number } };
  /** What one task of a query may take. */
  readonly memoryBytes: number;
}

type BuildTables = FragmentTask['buildTables'];

/** Yields the batches of a member's part in any order. Leaving the loop cancels what still runs there. */
export function callFragment(
  call: FragmentCall,
  stats: FragmentStats,
  { calls, control, memoryBytes }: FragmentCallsDependencies,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { member, fragment, partitions, snapshotId, version, buildTables, statement, onScanned } = call;
  const { parameterBytes: parameters, clockMs, strict, signal, trace } = statement;
  const mapId = scanUnder(fragment)?.mapId ?? 0;
  const body: FragmentBody = { fragment, mapId, clockMs, strict, buildStages: buildStagesOf(buildTables) };
  const request = {
    ...{ plan: encodeMessage(body), partitions, snapshotId, version, parameters, memoryBytes },
    buildTables: buildTables.flatMap(({ batches }) => batches),
    tableVersion: control.table.tableVersion,
  };
  const outputs = calls.to(member).members.runFragment(request, { signal, trace });
  return wholeFragment(member, outputs, stats, onScanned);
}

function buildStagesOf(buildTables: BuildTables): number[] {
  return [
    ...buildTables.map(({ stage }) => stage),
    -1,
    ...buildTables.flatMap(({ stage, batches }) => batches.map(() => stage)),
  ];
}

/** The tables that callFragment() sent. @throws GridError INTERNAL when a batch is missing */
export function buildTablesOf(stages: readonly number[], batches: readonly Uint8Array[]): BuildTables {
  const end = stages.indexOf(-1);
  const ofBatch = stages.slice(end + 1);
  if (ofBatch.length !== batches.length) {
    throw new GridError('INTERNAL', `${batches.length} of ${ofBatch.length} batches to join with arrived`);
  }
  const byStage = new Map<number, Uint8Array[]>(stages.slice(0, end).map((stage) => [stage, []]));
  for (const [index, batch] of batches.entries()) byStage.get(ofBatch[index]!)?.push(batch);
  return [...byStage].map(([stage, ofStage]) => ({ stage, batches: ofStage }));
}
