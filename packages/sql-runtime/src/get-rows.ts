/** The rows of a get: entries that were read by key, filtered, projected, sorted. Runs here, or in a worker for long documents. */
import {
  compareAcrossKinds,
  DocumentRow,
  type Expr,
  evaluatorOf,
  isMet,
  type OddCount,
  OddRows,
  type RowValue,
  vectorOf,
} from '@ashlar/expressions';
import { decodeParameters } from '@ashlar/serialization';
import { encodeBatch } from '@ashlar/sql-executor';
import type { GetPlan, PlanColumn, SortKey } from '@ashlar/sql-plan';

/** An entry with its key in canonical bytes. */
export interface ReadEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
}

/** Plain data. */
export interface GetTask {
  readonly plan: GetPlan;
  readonly entries: readonly ReadEntry[];
  /** Encoded: serialization's parameters.ts. */
  readonly parameters: Uint8Array;
  readonly clockMs: number;
  readonly strict: boolean;
}

export interface GetRows {
  /** Undefined: no row. */
  readonly batch: Uint8Array | undefined;
  readonly odd: readonly OddCount[];
}

/** @param parameters  of the task, decoded */
export function getRows(
  { plan, entries, parameters: encoded, clockMs, strict }: GetTask,
  parameters: readonly unknown[] = decodeParameters(encoded),
): GetRows {
  const oddRows = strict ? undefined : new OddRows();
  const context = { parameters, nowMs: clockMs, oddRows };
  const row = new DocumentRow(plan.scan.columns);
  const { filter } = plan.scan;
  const rows: { readonly values: RowValue[]; readonly keys: RowValue[] }[] = [];
  const valuesOf = (exprs: readonly Expr[]): RowValue[] => exprs.map((expr) => evaluatorOf(expr)(row.value, context));
  const sort = plan.sort ?? [];
  for (const { key, value, version, expiresAtMs } of entries) {
    row.document(value, 0, value.length, version, expiresAtMs * 1000);
    row.key(key, 0, key.length);
    if (oddRows !== undefined) oddRows.row++;
    if (filter !== undefined && !isMet(filter, row.value, context)) continue;
    rows.push({ values: valuesOf(plan.exprs), keys: valuesOf(sort.map(({ expr }) => expr)) });
  }
  rows.sort((a, b) => orderOf(sort, a.keys, b.keys));
  const values = rows.map((found) => found.values);
  const batch = rows.length === 0 ? undefined : rowsBatch(plan.output, values);
  return { batch, odd: oddRows?.counts() ?? [] };
}

/** Negative, 0 or positive as a row with the keys `a` comes before, with or after one with `b`. */
function orderOf(sort: readonly SortKey[], a: readonly RowValue[], b: readonly RowValue[]): number {
  for (const [index, { descending, nullsFirst }] of sort.entries()) {
    const [left, right] = [a[index]!, b[index]!];
    if (left === null && right === null) continue;
    if (left === null || right === null) return (left === null) === nullsFirst ? -1 : 1;
    const order = compareAcrossKinds(left, right);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

export function rowsBatch(columns: readonly PlanColumn[], rows: readonly (readonly RowValue[])[]): Uint8Array {
  const vectors = columns.map(({ type }, index) =>
    vectorOf(
      type,
      rows.map((row) => row[index]!),
    ),
  );
  return encodeBatch({ length: rows.length, columns: vectors }, columns);
}
