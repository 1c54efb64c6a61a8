/** Runs a query's fragment and merge over rows in memory, cut into partitions and tasks as a test says. */
import type { PartitionId, Version } from '@ashlar/core';
import { type Expr, noticesOf, OddTally, type SqlType, valueAt, vectorOf } from '@ashlar/expressions';
import { encodeParameters } from '@ashlar/serialization';
import type { FragmentNode, MergeNode } from '@ashlar/sql-plan';
import { type FragmentTask, runFragment } from '../fragment.ts';
import { combinePartials, runMerge } from '../merge.ts';
import { decodeBatch, encodeBatch } from '../vectors.ts';
import { type MemoryOptions, MemorySource, type Row } from './memory-source.ts';

export interface Cut {
  /** Which partition a row lies in, by its number; default all in one. */
  readonly partitionOf?: (row: number) => number;
  readonly partitions?: number;
  /** Partitions of each task; default one task of all. */
  readonly tasks?: readonly (readonly number[])[];
  readonly source?: MemoryOptions;
  readonly memoryBytes?: number;
  /** Merge the partial states of all tasks before the merge. */
  readonly combine?: boolean;
  readonly interpretedRowsMax?: number;
  /** Values of odd kinds are errors. */
  readonly strict?: boolean;
}

export interface Query {
  readonly fragment: FragmentNode;
  readonly merge: MergeNode;
  readonly parameters?: readonly unknown[];
  readonly buildRows?: readonly Row[];
  readonly buildTypes?: readonly SqlType[];
}

const MEMORY_BYTES = 256 * 1024 * 1024;

export function encodeRows(rows: readonly Row[], types: readonly SqlType[], batchRows = 1000): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let from = 0; from < rows.length; from += batchRows) {
    const part = rows.slice(from, from + batchRows);
    const columns = types.map((type, index) =>
      vectorOf(
        type,
        part.map((row) => row[index]),
      ),
    );
    batches.push(encodeBatch({ length: part.length, columns }));
  }
  return batches;
}

export function decodeRows(batches: readonly Uint8Array[]): Row[] {
  return batches.flatMap((bytes) => {
    const { columns, length } = decodeBatch(bytes);
    return Array.from({ length }, (_, row) => columns.map((column) => valueAt(column, row)));
  });
}

export function runQuery(query: Query, rows: readonly Row[], cut: Cut = {}): Row[] {
  return runWithNotices(query, rows, cut).rows;
}

/** The result, and the findings about rows that were read laxly. */
export function runWithNotices(
  query: Query,
  rows: readonly Row[],
  cut: Cut = {},
): { readonly rows: Row[]; readonly notices: readonly string[] } {
  const odd = new OddTally();
  const count = cut.partitions ?? 1;
  const partitions = Array.from({ length: count }, (): Row[] => []);
  rows.forEach((row, index) => {
    partitions[(cut.partitionOf?.(index) ?? 0) % count]!.push(row);
  });
  const parameters = encodeParameters(query.parameters ?? []);
  const memoryBytes = cut.memoryBytes ?? MEMORY_BYTES;
  const control = { cancelled: () => false };
  const inputs = (cut.tasks ?? [partitions.map((_, index) => index)]).flatMap((task) => {
    const fragmentTask: FragmentTask = {
      fragment: query.fragment,
      partitions: task as readonly PartitionId[],
      snapshotId: 1,
      snapshotVersion: 1 as Version,
      parameters,
      buildTables: [{ stage: 0, batches: encodeRows(query.buildRows ?? [], query.buildTypes ?? [], 7) }],
      memoryBytes,
      interpretedRowsMax: cut.interpretedRowsMax,
      strict: cut.strict,
    };
    const result = runFragment(fragmentTask, new MemorySource(partitions, cut.source), control);
    odd.add(result.odd);
    return result.batches;
  });
  const combined = cut.combine === true ? combine(query, inputs, memoryBytes) : inputs;
  const { strict } = cut;
  const merged = runMerge({ merge: query.merge, inputs: combined, parameters, memoryBytes, strict }, control);
  odd.add(merged.odd);
  return { rows: decodeRows(merged.batches), notices: noticesOf(odd.counts()) };
}

function combine(query: Query, inputs: readonly Uint8Array[], memoryBytes: number): readonly Uint8Array[] {
  const { fragment } = query;
  if (fragment.kind !== 'PartialAggregate') return inputs;
  const groupTypes = fragment.groups.map((group: Expr) => group.type);
  return combinePartials(
    { groupTypes, aggregates: fragment.aggregates, inputs, memoryBytes },
    { cancelled: () => false },
  );
}
